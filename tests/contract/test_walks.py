"""Walks through lists by key: nothing is told twice or left out, whatever comes and goes meanwhile, and nothing is skipped."""

from __future__ import annotations

import base64
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, insert

from services.core.errors import ArcusError, Reason
from services.core.store.pages import Listing, Page
from services.core.store.schema import chats, files, tenants
from services.core.store.tenant_schema import usage_records
from services.core.tenants.audit import Audit
from services.core.tenants.tenants import Tenants
from services.core.tenants.usage import Usage, UsageQuery
from tests.contract.store_steps import Store

ALIKE = 4  # rows of one time or name, so that the order among equals counts


def _file(tenant_id: str, number: int) -> dict[str, Any]:
    rest = {"status": "completed", "size_bytes": 1, "sha256": "", "object_key": "k", "source": "upload", "metadata": {}}
    return {
        "id": str(uuid4()),
        "tenant_id": tenant_id,
        "created_at": number // ALIKE,
        "filename": f"é {number // ALIKE}.mp4",
        "segment_thumbnails": False,
        **rest,
    }


def _chat(tenant_id: str, number: int) -> dict[str, Any]:
    return {"id": str(uuid4()), "tenant_id": tenant_id, "created_at": number // ALIKE, "body": {"id": number}}


def _tenant(_tenant_id: str, number: int) -> dict[str, Any]:
    return {"id": str(uuid4()), "name": str(uuid4()), "created_at": number // ALIKE}


# (table, how one of its rows is made, its list)
LISTS: dict[str, tuple[Any, Callable[[str, int], dict[str, Any]], Callable[..., Awaitable[Listing[Any]]]]] = {
    "files": (files, _file, lambda store, page: store.files.list(store.tenant, page)),
    "chats": (chats, _chat, lambda store, page: store.chats.list(store.tenant, page)),
    "tenants": (tenants, _tenant, lambda store, page: Tenants(store.database, {}).list(page)),
}
ORDERS = [("files", "created_at"), ("files", "filename"), ("chats", ""), ("tenants", "")]


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(("name", "order"), ORDERS)
async def test_a_walk_tells_each_row_that_was_there_throughout_exactly_once(
    store: Store, name: str, order: str, sort: str
):
    table, made, listed = LISTS[name]
    chance = random.Random(7)
    kept = [made(store.tenant, chance.randrange(40)) for _ in range(60)]
    doomed = [made(store.tenant, chance.randrange(40)) for _ in range(40)]
    async with store.database.write() as connection:
        await connection.execute(insert(table), kept + doomed)
    left = {row["id"] for row in doomed}
    told: list[str] = []
    page = Page(limit=7, order=order, sort=sort)
    while True:
        listing = await listed(store, page)
        told += [item.id for item in listing.items]
        if not listing.next_after:
            break
        last = listing.items[-1].id  # what a walk stands on may go too
        gone = ({last} & left) | set(chance.sample(sorted(left), min(2, len(left))))
        left -= gone
        async with store.database.write() as connection:
            await connection.execute(delete(table).where(table.c.id.in_(gone)))
            await connection.execute(insert(table), [made(store.tenant, chance.randrange(40)) for _ in range(3)])
        page = replace(page, after=listing.next_after)
    assert len(told) == len(set(told)), "nothing is told twice"
    assert {row["id"] for row in kept} <= set(told), "nothing that was there throughout is left out"


async def test_a_walk_tells_what_one_look_tells_in_the_same_order(store: Store):
    """Of lists that nothing goes out of: the audit, whose ids are numbers, and usage, whose groups may be none."""
    for number in range(9):
        await Tenants(store.database, {}).create(f"tenant {number}")
    audit, usage = Audit(store.database), Usage(store.database)
    rows = [
        {
            "tenant_id": store.tenant,
            "key_id": key,
            "kind": "upload",
            "subject_id": f"{key}{number}",
            "model": "",
            "input_tokens": 0,
            "output_tokens": 0,
            "video_seconds": 0.0,
            "bytes": 1,
            "at": number * 60_000,
        }
        for number in range(5)
        for key in (None, "a", "b")
    ]
    async with store.database.write() as connection:
        await connection.execute(insert(usage_records), rows)
    whole = await audit.list(Page(limit=100))
    records, page = [], Page(limit=4)
    while True:
        listing = await audit.list(page)
        assert listing.total == whole.total
        records += listing.items
        if not listing.next_after:
            break
        page = replace(page, after=listing.next_after)
    assert records == whole.items and len(records) > 8
    asked = UsageQuery("1m", 0, 10**9, ("key", "kind"))
    everything, end = await usage.buckets(asked, Page(limit=100))
    assert [(bucket.start, bucket.key_id) for bucket in everything] == [
        (number * 60_000, key) for number in range(5) for key in (None, "a", "b")
    ]
    buckets, page = [], Page(limit=4)
    while True:
        some, after = await usage.buckets(asked, page)
        buckets += some
        if not after:
            break
        page = replace(page, after=after)
    assert buckets == everything and end == ""
    with pytest.raises(ArcusError, match="in another order"):
        await usage.buckets(replace(asked, group_by=("key",)), page)


async def test_the_pages_of_a_walk_count_and_skip_nothing(store: Store, statements: list[str]):
    async with store.database.write() as connection:
        await connection.execute(insert(files), [_file(store.tenant, number) for number in range(30)])
    first = await store.files.list(store.tenant, Page(limit=10))
    statements.clear()
    second = await store.files.list(store.tenant, Page(limit=10, after=first.next_after))
    sent = [statement for statement in statements if "FROM files" in statement]
    assert len(sent) == 1 and "count(" not in sent[0]
    assert (second.total, second.has_more, len(second.items)) == (30, True, 10)
    last = await store.files.list(store.tenant, Page(limit=10, after=second.next_after))
    assert (last.has_more, last.next_after) == (False, "")


async def test_a_place_is_of_its_own_list_and_shows_nothing_of_others(store: Store):
    async with store.database.write() as connection:
        await connection.execute(insert(files), [_file(store.tenant, number) for number in range(8)])
        await connection.execute(insert(files), [_file(store.other, number) for number in range(8)])
    first = await store.files.list(store.tenant, Page(limit=4))
    rest = await store.files.list(store.other, Page(limit=100, after=first.next_after))
    assert all(file.tenant_id == store.other for file in rest.items)
    for page in (Page(order="filename", after=first.next_after), Page(sort="asc", after=first.next_after)):
        with pytest.raises(ArcusError, match="in another order") as caught:
            await store.files.list(store.tenant, page)
        assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "after")
    forged = ['"x","y"', "1", 'true,"y"', '1e400,"y"', f'{2**63},"y"', '1.5,"y"', 'null,"y"', "1,2", '[1],"y"']
    texts = [f'["created_at","desc",1,{values}]' for values in (*forged, r'1,"a\u0000"', r'1,"\ud800"')]
    for text in (*texts, '["created_at","desc",-1,1,"y"]', "[]", "{}", "x", "[" * 5000):
        key = "at_" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        for after in (key, key + "é", "at_"):
            with pytest.raises(ArcusError, match="next_after of the page before") as caught:
                await store.files.list(store.tenant, Page(after=after))
            assert caught.value.reason is Reason.INVALID_ARGUMENT
    with pytest.raises(ArcusError, match="next_after of the page before"):
        await store.collections.list(store.tenant, Page(after=first.items[0].id))


def test_a_page_goes_on_or_skips():
    with pytest.raises(ArcusError, match="one of the two") as caught:
        Page(offset=1, after="x")
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "after")
