"""A knowledge base of entities, from its configuration to the results of queries, over the real store and DuckDB."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from services.core.errors import ArcusError, Reason
from services.nimbus.entities.knowledge import MAX_QUERIES, EntityKnowledge
from services.nimbus.entities.sql import EntitySql, SqlLimits
from services.nimbus.requests.knowledge_base import ENTITY_FIELD, EntityKnowledgeConfig
from tests.contract.store_steps import WORKER, Store


@pytest.fixture
async def knowledge(store: Store) -> AsyncIterator[EntityKnowledge]:
    sql = EntitySql(workers=1, limits=SqlLimits(rows=3))
    yield EntityKnowledge(collections=store.collections, entities=store.entities, sql=sql)
    await sql.close()


def config(*items: Any, **rest: Any) -> EntityKnowledgeConfig:
    named = [item if isinstance(item, dict) else {"collection_id": item} for item in items]
    return EntityKnowledgeConfig.from_json({"entity_collections": named, **rest})


async def filled(store: Store, *records: dict[str, Any] | None) -> str:
    """A collection with a file for each record; None leaves its file unfinished."""
    collection = await store.entity_collection()
    for number, record in enumerate(records):
        file = await store.ready(f"{number}.mp4", size=100 + number)
        member = await store.members.add(store.tenant, collection.id, file.id)
        await store.describe(member.description_id)
        job, extraction = await store.extracting(collection, file)
        if record is not None:
            await store.entities.start(job, WORKER)
            await store.entities.write_file(job, WORKER, extraction, record, segments_done=2)
            await store.entities.finish(job, WORKER)
            await store.jobs.finish(job, WORKER)
    return collection.id


def query(sql: str) -> pb.Query:
    return pb.Query(purpose="number of videos", sql=sql)


ANN, BEN = {"speaker": "Ann", "turbines": 24}, {"speaker": "Ben"}


async def test_queries_read_what_was_extracted(store: Store, knowledge: EntityKnowledge) -> None:
    id = await filled(store, ANN, BEN)
    opened = await knowledge.open(store.tenant, config(id, description="who speaks"))
    assert opened.description == "who speaks" and not opened.problem and not opened.notes
    assert [table.name for table in opened.tables.described] == ["files", "entities"]
    calls = await knowledge.run(opened, [query("SELECT filename, speaker, turbines FROM entities ORDER BY 1")])
    (call,) = calls
    assert list(call.result.columns) == ["filename", "speaker", "turbines"]
    assert json.loads(call.result.rows) == [["0.mp4", "Ann", 24], ["1.mp4", "Ben", None]]
    id = call.item.pop("id")
    assert id.startswith("query_")
    assert call.item == {
        "type": "cloudglue_query_call",
        "status": "completed",
        "sql": "SELECT filename, speaker, turbines FROM entities ORDER BY 1",
        "row_count": 2,
        "total_rows": 2,
        "truncated": False,
        "error": None,
    }


async def test_a_query_that_fails_says_so_and_leaves_the_others(store: Store, knowledge: EntityKnowledge) -> None:
    opened = await knowledge.open(store.tenant, config(await filled(store, ANN)))
    good = query("SELECT count(*) FROM entities")
    calls = await knowledge.run(opened, [query("SELECT * FROM read_text('/etc/passwd')"), good, query("SELECT nope")])
    assert [call.item["status"] for call in calls] == ["failed", "completed", "failed"]
    assert "read_text" in calls[0].item["error"] and calls[0].result.error == calls[0].item["error"]
    assert calls[0].item["row_count"] == 0 and calls[0].item["total_rows"] is None


async def test_a_long_result_is_cut_and_its_total_is_unknown(store: Store, knowledge: EntityKnowledge) -> None:
    opened = await knowledge.open(store.tenant, config(await filled(store, ANN)))
    (call,) = await knowledge.run(opened, [query("SELECT unnest([1, 2, 3, 4])")])
    assert (call.item["row_count"], call.item["truncated"], call.item["total_rows"]) == (3, True, None)


async def test_queries_are_bounded_in_number(store: Store, knowledge: EntityKnowledge) -> None:
    opened = await knowledge.open(store.tenant, config(await filled(store)))
    calls = await knowledge.run(opened, [query("SELECT 1")] * 10)
    assert len(calls) == MAX_QUERIES


async def test_files_that_are_not_read_yet_are_not_counted_and_that_is_said(
    store: Store, knowledge: EntityKnowledge
) -> None:
    opened = await knowledge.open(store.tenant, config(await filled(store, ANN, None)))
    (call,) = await knowledge.run(opened, [query("SELECT count(*) FROM files")])
    assert call.result.rows == "[[1]]"
    assert call.result.purpose == "number of videos; 1 video is still being read and not counted"


async def test_another_tenants_collection_is_not_found(store: Store, knowledge: EntityKnowledge) -> None:
    id = await filled(store, ANN)
    for asked in (knowledge.check, knowledge.open):
        with pytest.raises(ArcusError) as refused:
            await asked(store.other, config(id))
        assert refused.value.reason is Reason.NOT_FOUND


async def test_a_collection_of_another_type_is_named(store: Store, knowledge: EntityKnowledge) -> None:
    talks = await store.collection()
    with pytest.raises(ArcusError, match="is of type media-descriptions, not entities") as refused:
        await knowledge.open(store.tenant, config(await filled(store), talks.id))
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert refused.value.field == f"{ENTITY_FIELD}.entity_collections[1].collection_id"


async def test_names_fall_back_to_the_collections_own(store: Store, knowledge: EntityKnowledge) -> None:
    id = await filled(store, ANN)
    (own,) = await knowledge.check(store.tenant, config(id))
    (given,) = await knowledge.check(
        store.tenant, config({"collection_id": id, "name": "speakers", "description": "d"})
    )
    assert (own.name, given.name, given.description) == ("facts", "speakers", "d")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, ""),
        ({}, ".entity_collections"),
        ({"entity_collections": []}, ".entity_collections"),
        ({"entity_collections": [{"collection_id": "c"}] * 21}, ".entity_collections"),
        ({"entity_collections": [{}]}, ".entity_collections[0].collection_id"),
        ({"entity_collections": ["c"]}, ".entity_collections[0].collection_id"),
        ({"entity_collections": [{"collection_id": "c", "name": 1}]}, ".entity_collections[0].name"),
        ({"entity_collections": [{"collection_id": "c"}], "description": "x" * 2001}, ".description"),
    ],
)
def test_a_bad_configuration_is_named_by_its_field(value: Any, field: str) -> None:
    with pytest.raises(ArcusError) as refused:
        EntityKnowledgeConfig.from_json(value)
    assert refused.value.field == ENTITY_FIELD + field


def test_a_collection_that_is_named_twice_counts_once() -> None:
    assert len(config("a", "b", "a").collections) == 2
