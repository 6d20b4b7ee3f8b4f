"""What collections hold is read as it is at one moment, within bounds, and not by the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from arcus.engine.v1 import engine_pb2 as pb
from sqlalchemy import event

from loadtests.entity_scale import SEGMENTS, filled
from services.core.library.holdings import Bounds
from services.core.library.members import Members
from services.core.store.database import Database
from services.nimbus.entities import knowledge as knowledge_module
from services.nimbus.entities.knowledge import EntityKnowledge
from services.nimbus.entities.sql import EntitySql
from services.nimbus.requests.knowledge_base import EntityKnowledgeConfig
from tests.contract.store_steps import Store

MANY = 150  # more than a page of a list


@pytest.fixture
async def sql() -> AsyncIterator[EntitySql]:
    made = EntitySql(workers=1)
    yield made
    await made.close()


def knowledge_of(store: Store, sql: EntitySql, **rest: Any) -> EntityKnowledge:
    return EntityKnowledge(collections=store.collections, entities=store.entities, sql=sql, **rest)


def config(collection: str) -> EntityKnowledgeConfig:
    return EntityKnowledgeConfig.from_json({"entity_collections": [{"collection_id": collection}]})


@contextmanager
def between(store: Store, column: str, act: Callable[[], None]) -> Iterator[None]:
    """Acts once, when the first statement that reads the column of rows has been executed and before another begins."""
    waiting = [act]

    def executed(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        is_read = statement.startswith("SELECT") and not statement.startswith("SELECT count")
        if is_read and column in statement and waiting:
            waiting.pop()()

    engines = store.database.engines
    for engine in engines:
        event.listen(engine, "after_cursor_execute", executed)
    try:
        yield
    finally:
        for engine in engines:
            event.remove(engine, "after_cursor_execute", executed)
    assert not waiting, "nothing read the column"


def elsewhere(store: Store, work: Callable[[Database], Any]) -> None:
    """Runs it in a loop and on connections of its own, to its end."""

    async def alone() -> None:
        database = Database(store.database.url)
        try:
            await work(database)
        finally:
            await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(alone()))
    thread.start()
    thread.join()


@pytest.mark.parametrize("kind", ["videos", "segments"])
async def test_a_file_that_leaves_while_they_are_read_hides_no_other(store: Store, sql: EntitySql, kind: str) -> None:
    each = SEGMENTS if kind == "segments" else 1
    tenant, collection, _ = await filled(store.database, kind, MANY * each)
    everything = (await store.entities.held(tenant, [collection])).files
    first = everything.file_id[0]

    def leave() -> None:
        elsewhere(store, lambda database: Members(database).remove(tenant, collection, first))

    knowledge = knowledge_of(store, sql)
    with between(store, "collection_files.added_at", leave):
        opened = await knowledge.open(tenant, config(collection))
    of_files, of_videos, of_segments = (
        {id for batch in table.batches for id in json.loads(batch.columns[0 if table.name == "files" else 2])}
        for table in opened.tables.sql
    )
    records = of_segments if kind == "segments" else of_videos
    assert of_files | {first} == set(everything.file_id), "a file that stayed was not read"
    assert records == of_files, "a file without its records, or records without their file"
    again = await knowledge.open(tenant, config(collection))
    (call,) = await knowledge.run(again, [pb.Query(purpose="videos", sql="SELECT count(*) FROM files")])
    assert call.result.rows == f"[[{MANY - 1}]]"


@pytest.mark.parametrize(
    "bounds", [Bounds(members=1), Bounds(records=2 * SEGMENTS - 1), Bounds(characters=2_000)], ids=str
)
async def test_more_than_a_query_may_read_is_told(store: Store, sql: EntitySql, bounds: Bounds) -> None:
    tenant, collection, _ = await filled(store.database, "segments", 2 * SEGMENTS)
    opened = await knowledge_of(store, sql, bounds=bounds).open(tenant, config(collection))
    assert str(bounds) in opened.problem and "name fewer collections" in opened.problem
    (call,) = await knowledge_of(store, sql).run(opened, [pb.Query(purpose="n", sql="SELECT count(*) FROM files")])
    assert call.result.error == opened.problem and not call.result.rows
    assert not (await store.entities.held(tenant, [collection])).is_too_much


async def test_tables_are_made_beside_the_event_loop(
    store: Store, sql: EntitySql, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, collection, _ = await filled(store.database, "videos", 3)
    threads = []
    build = knowledge_module.build_tables

    def watched(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return build(*arguments)

    monkeypatch.setattr(knowledge_module, "build_tables", watched)
    await knowledge_of(store, sql).open(tenant, config(collection))
    assert threads and threading.current_thread() not in threads


async def test_tables_are_made_again_only_where_something_changed(store: Store, sql: EntitySql) -> None:
    tenant, collection, _ = await filled(store.database, "videos", 3)
    knowledge = knowledge_of(store, sql)
    first = await knowledge.open(tenant, config(collection))
    again = await knowledge.open(tenant, config(collection))
    assert again == first and again.tables is first.tables
    renamed = EntityKnowledgeConfig.from_json({"entity_collections": [{"collection_id": collection, "name": "Other"}]})
    other = await knowledge.open(tenant, renamed)
    assert other.tables is not first.tables
    file_id = (await store.entities.held(tenant, [collection])).files.file_id[0]
    await store.files.update(tenant, file_id, filename="another name.mp4")
    again = await knowledge.open(tenant, config(collection))
    assert (
        again.tables not in (first.tables, other.tables)
        and b"another name.mp4" in again.tables.sql[0].batches[0].columns[1]
    )
    await store.members.remove(tenant, collection, file_id)
    (call,) = await knowledge.run(
        await knowledge.open(tenant, config(collection)), [pb.Query(purpose="n", sql="SELECT count(*) FROM files")]
    )
    assert call.result.rows == "[[2]]"
