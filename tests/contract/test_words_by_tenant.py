"""Full text is the tenant's own: what others store moves no hit, and what is left of a tenant is nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, event, text

from services.core.library.deletions import Deletions
from services.core.media import SegmentDescription, Span, Speech
from services.core.search.full_text import TextHit
from services.core.search.full_text_index import words_table
from services.core.store.pages import Page
from services.core.tenants.tenants import Tenants
from tests.contract.store_steps import WORKER, Store
from tests.contract.test_store_migrations import _go

OWN = (
    "tide",
    "tide tide and the moon",
    "the moon and the moon and a boat that waits",
    "a boat",
    "moon tide boat harbour",
    "a harbour at night, where a boat comes in",
)
THEIRS = ("moon moon moon over the sea", "the tide at night is high, and so is the moon") * 30
WORDS = ("tide", "moon", "harbour")


async def write(store: Store, tenant: str, name: str, texts: tuple[str, ...]) -> str:
    """A collection with one file of these segments; its id."""
    collection, file = await store.collection(name, tenant=tenant), await store.ready(tenant=tenant)
    member = await store.members.add(tenant, collection.id, file.id)
    job, segments = await store.begin(member.description_id, [Span(place, place + 1) for place in range(len(texts))])
    for segment, said in zip(segments, texts, strict=True):
        content = SegmentDescription(speech=(Speech(said, 0.0, 1.0),))
        await store.descriptions.write_segment(job, WORKER, segment, content, said, [])
    await store.descriptions.finish(job, WORKER, title=name, summary="")
    await store.jobs.finish(job, WORKER)
    return collection.id


async def found(store: Store, tenant: str, collection_id: str) -> list[list[TextHit]]:
    search = store.full_text.search
    return [
        await search(tenant, [collection_id], WORDS, 10),
        await search(tenant, [collection_id], WORDS, 10, part="speech", distinct="segment"),
        await search(tenant, [collection_id], [], 10, phrases=["the moon"]),
        await search(tenant, [collection_id], WORDS, 10, part="scene_text"),
    ]


async def test_what_another_tenant_stores_moves_neither_the_order_nor_the_scores(store):
    own = await write(store, store.tenant, "own", OWN)
    before = await found(store, store.tenant, own)
    theirs = await write(store, store.other, "theirs", THEIRS)
    assert await found(store, store.tenant, own) == before
    assert [len(hits) for hits in before] == [5, 5, 2, 0]
    assert await store.full_text.search(store.other, [own], WORDS, 10) == []
    assert await store.full_text.search(store.tenant, [theirs], WORDS, 10) == []
    # What is described again after a deletion may have the number of a row that is gone.
    await store.collections.delete(store.other, theirs)
    for file in (await store.files.list(store.other, Page())).items:
        await store.files.delete(store.other, file.id)
    await Deletions(store.database).sweep()
    again = await write(store, store.other, "again", THEIRS[:2])
    assert len(await store.full_text.search(store.other, [again], WORDS, 10)) == 2
    assert await found(store, store.tenant, own) == before


async def test_a_search_reads_of_the_index_what_is_the_tenants_own(store):
    own = await write(store, store.tenant, "own", OWN)
    await write(store, store.other, "theirs", THEIRS)
    async with searching(store) as sent:
        assert len(await store.full_text.search(store.tenant, [own], ["moon"], 10)) == 3
    if store.database.is_sqlite:
        assert f"JOIN {words_table(store.tenant)} WHERE" in sent[0][0]
        return
    (scan,) = [node for node in await _plan(store, *sent[0]) if _reads_words(node)]
    assert scan["Actual Rows"] == 3


async def test_a_phrase_is_looked_for_where_its_words_are_and_the_tenant_is_not_joined_to_them_again(store):
    own = await write(store, store.tenant, "own", OWN)
    async with searching(store) as sent:
        assert await store.full_text.search(store.tenant, [own], [], 10, phrases=["night boat"]) == []
        assert len(await store.full_text.search(store.tenant, [own], [], 10, phrases=["a boat"])) == 3
    if not store.database.is_sqlite:
        (rows,) = [
            node for node in await _plan(store, *sent[0]) if any(_reads_words(below) for below in node.get("Plans", ()))
        ]
        assert rows["Rows Removed by Filter"] == 1 and rows["Rows Removed by Index Recheck"] == 0


@asynccontextmanager
async def searching(store: Store) -> AsyncIterator[list[tuple[str, Any]]]:
    """The searches of the full text that the database is sent meanwhile, with their values."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        if "collection_files" in statement:
            sent.append((statement, values))

    for engine in store.database.engines:
        event.listen(engine, "before_cursor_execute", note)
    yield sent
    for engine in store.database.engines:
        event.remove(engine, "before_cursor_execute", note)


async def _plan(store: Store, statement: str, values: Any) -> list[dict[str, Any]]:
    """What PostgreSQL did, each part before those below it."""
    async with store.database.write() as connection:
        # Of so few rows it would look at the index of descriptions alone, or at all of them.
        leave = "ALTER TABLE segment_descriptions DROP CONSTRAINT IF EXISTS segment_descriptions_segment"
        await connection.exec_driver_sql(leave)
        for way in ("seqscan", "indexscan"):
            await connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        told = (await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)).scalar_one()
    return list(_nodes((json.loads(told) if isinstance(told, str) else told)[0]["Plan"]))


def _reads_words(node: dict[str, Any]) -> bool:
    return node.get("Index Name", "").startswith("segment_words")


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


async def test_the_words_of_a_tenant_go_with_it_and_those_of_others_stay(store):
    own = await write(store, store.tenant, "own", OWN)
    await write(store, store.other, "theirs", THEIRS[:2])
    before = await found(store, store.tenant, own)
    await Tenants(store.database, {}).delete(store.other, store.other)
    await Deletions(store.database).sweep()
    assert await found(store, store.tenant, own) == before
    if store.database.is_sqlite:
        kept = text("SELECT name FROM sqlite_schema WHERE name LIKE 'segment_words%' AND sql LIKE '%USING fts5%'")
        assert [row.name for row in await store.database.fetch(kept)] == [words_table(store.tenant)]


async def test_words_that_were_stored_with_those_of_others_are_found_alike(store):
    own, theirs = await write(store, store.tenant, "own", OWN), await write(store, store.other, "theirs", THEIRS[:3])
    before = [await found(store, store.tenant, own), await found(store, store.other, theirs)]

    def back(connection: Connection) -> None:
        _go(connection, command.downgrade, "0024")

    async with store.database.write() as connection:
        await connection.run_sync(back)
    await store.database.migrate()
    assert [await found(store, store.tenant, own), await found(store, store.other, theirs)] == before


@pytest.mark.parametrize("id", ["x; DROP TABLE tenants --", '"', "", "ä" * 100])
def test_a_table_is_named_by_letters_and_digits_whatever_the_tenants_id(id):
    assert words_table(id).isidentifier() and words_table(id).isascii() and len(words_table(id)) == 46
