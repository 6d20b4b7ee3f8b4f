"""The log of responses: appended to by whoever leases the response, ended once, taken over when its front is silent."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update

from services.core.answers import log
from services.core.answers import responses as responses_of_store
from services.core.answers.log import LEASE_MS, MAX_ATTEMPTS, Batch, Lease
from services.core.errors import ArcusError
from services.core.store.pages import CreatedRange, Page
from services.core.store.schema import responses
from tests.waiting import async_until


def _body(id: str, status: str = "completed") -> dict:
    return {"id": id, "status": status, "model": "nimbus-001", "instructions": None, "output": ["an answer"]}


async def _silence(store, id: str) -> None:
    async with store.database.write() as connection:
        await connection.execute(update(responses).where(responses.c.id == id).values(lease_until=1))


async def test_a_log_is_read_from_any_number(store):
    lease = await store.begin_response("r1")
    batches = [Batch(lease, 0, [["created"], "a", "é"], "aé", 2), Batch(lease, 3, ["\u2028", ["done"]], "x", 1)]
    for batch in batches:
        assert await store.response_log.append([batch]) == set()
    whole = [["created"], "a", "é", "\u2028", ["done"]]
    for number in range(7):
        stored = await store.response_log.read(store.tenant, "r1", number)
        assert stored.entries == whole[number:], number
    stored = await store.response_log.read(store.tenant, "r1")
    assert (stored.engine_text, stored.output_tokens, stored.request) == ("aéx", 3, {"input": "r1"})
    assert await store.response_log.read(store.tenant, "unknown") is None


async def test_a_response_ends_once_and_takes_no_more(store):
    lease = await store.begin_response("r1")
    assert await store.response_log.append([Batch(lease, 0, ["a"], body=_body("r1"))]) == set()
    assert await store.response_log.append([Batch(lease, 1, ["b"], body=_body("r1", "failed"))]) == {lease}
    ended = await store.response_log.end(store.tenant, "r1", lambda stored: _body("r1", "cancelled"))
    assert (ended.status, ended.entries) == ("completed", ["a"])
    assert (await store.responses.list(store.tenant, Page(), status="completed")).total == 1
    assert (await store.responses.list(store.tenant, Page(), status="failed")).total == 0
    assert (await store.responses.list(store.tenant, Page(), created=CreatedRange(before=1))).total == 0
    await store.responses.delete(store.tenant, "r1")
    await store.responses.delete(store.tenant, "r1")
    assert await store.response_log.append([Batch(lease, 1, ["b"])]) == {lease}
    assert await store.response_log.read(store.tenant, "r1") is None
    with pytest.raises(ArcusError):
        await store.responses.get(store.tenant, "r1")


async def test_one_transaction_writes_many_logs_and_leaves_out_those_that_are_lost(store):
    leases = [await store.begin_response(f"r{number}") for number in range(5)]
    stranger = replace(leases[2], owner="stranger")
    batches = [Batch(lease, 0, ["a"]) for lease in (*leases[:2], stranger, *leases[3:])]
    assert await store.response_log.append(batches) == {stranger}
    for number, expected in enumerate((["a"], ["a"], [], ["a"], ["a"])):
        assert (await store.response_log.read(store.tenant, f"r{number}")).entries == expected


async def test_a_silent_front_loses_its_background_responses_to_one_other(store):
    lease = await store.begin_response("r1", background=True)
    await store.response_log.append([Batch(lease, 0, ["a"], "a", 1)])
    assert await store.response_log.set_prompt(lease, b"\0prompt")
    assert await store.response_log.claim("other") is None  # its lease is young
    await _silence(store, "r1")
    assert await store.response_log.claim("other", skip=["r1"]) is None
    claims = await asyncio.gather(*(store.response_log.claim(f"other {number}") for number in range(4)))
    ((taken, stored),) = [claim for claim in claims if claim is not None]
    assert taken.attempt == 2 and (stored.entries, stored.engine_text, stored.prompt) == (["a"], "a", b"\0prompt")
    assert await store.response_log.append([Batch(lease, 1, ["b"])]) == {lease}
    assert not await store.response_log.set_prompt(lease, b"late")
    assert await store.response_log.still_held([lease, taken]) == {taken}
    assert await store.response_log.append([Batch(taken, 1, ["c"])]) == set()
    assert (await store.response_log.read(store.tenant, "r1")).entries == ["a", "c"]


async def test_a_lease_is_renewed_and_given_back(store):
    lease = await store.begin_response("r1", background=True)
    await _silence(store, "r1")
    await store.response_log.renew([lease, Lease("unknown", "front", 1)])
    assert await store.response_log.claim("other") is None
    await store.response_log.renew([lease], milliseconds=0)
    claim = await store.response_log.claim("other")
    assert claim is not None and claim[0] == Lease("r1", "other", 2)


async def test_what_nobody_can_go_on_with_is_found(store):
    await store.begin_response("foreground")
    await store.begin_response("background", background=True)
    hopeless = await store.begin_response("hopeless", background=True)
    assert await store.response_log.abandoned() == []
    for id in ("foreground", "background"):
        await _silence(store, id)
    assert await store.response_log.abandoned() == [(store.tenant, "foreground")]
    assert await store.response_log.abandoned(skip=["foreground"]) == []
    await store.response_log.end(store.tenant, "foreground", lambda stored: _body("foreground", "failed"))
    for _ in range(MAX_ATTEMPTS + 1):
        await _silence(store, hopeless.response_id)
        await store.response_log.claim("other", skip=["background"])
    await _silence(store, hopeless.response_id)
    assert await store.response_log.claim("other", skip=["background"]) is None
    assert await store.response_log.abandoned() == [(store.tenant, "hopeless")]


async def test_a_lease_lasts_from_when_its_row_is_written_however_long_that_waited(store, monkeypatch):
    if not store.database.is_sqlite:
        return  # its writers wait for nobody
    now = [1_000_000]
    for module in (log, responses_of_store):
        monkeypatch.setattr(module, "now_ms", lambda: now[0])
    async with store.database.write():
        beginning = asyncio.create_task(store.begin_response("late"))
        await async_until(lambda: store.database.waiting, "the row waits")
        now[0] += 2 * LEASE_MS
    await beginning
    assert await store.response_log.abandoned() == []
    now[0] += LEASE_MS + 1
    assert await store.response_log.abandoned() == [(store.tenant, "late")]


async def test_a_chain_is_read_newest_first_and_ends_where_one_was_deleted(store):
    previous = None
    for number in range(50):
        await store.begin_response(f"r{number}", previous_response_id=previous)
        previous = f"r{number}"
    last = await store.responses.get(store.tenant, "r49")
    ids = [response.id async for response in store.responses.chain(last, 100)]
    assert ids == [f"r{number}" for number in range(49, -1, -1)]
    assert len([response async for response in store.responses.chain(last, 30)]) == 30
    await store.responses.delete(store.tenant, "r40")
    ids = [response.id async for response in store.responses.chain(last, 100)]
    assert ids == [f"r{number}" for number in range(49, 40, -1)]


async def test_a_page_of_large_responses_ends_early_and_reads_no_requests(store):
    """Pages go on by offset, or after the last that was told."""
    for number in range(6):
        lease = await store.begin_response(f"r{number}")
        body = {**_body(f"r{number}"), "instructions": "x" * 1_500_000}
        assert await store.response_log.append([Batch(lease, 0, ["a"], body=body)]) == set()
    first = await store.responses.list(store.tenant, Page(limit=100))
    assert (len(first.items), first.limit, first.total, first.has_more) == (2, 2, 6, True)
    assert all(item.request == {} for item in first.items)
    told, page = [], Page(limit=100)
    while True:
        listing = await store.responses.list(store.tenant, page)
        told += [item.id for item in listing.items]
        if not listing.has_more:
            break
        page = replace(page, after=told[-1])
    assert sorted(told) == [f"r{number}" for number in range(6)]


async def test_a_page_goes_over_its_first_item_whatever_its_size(store):
    lease = await store.begin_response("r1")
    body = {**_body("r1"), "instructions": "x" * 5_000_000}
    await store.response_log.append([Batch(lease, 0, ["a"], body=body)])
    assert len((await store.responses.list(store.tenant, Page())).items) == 1
