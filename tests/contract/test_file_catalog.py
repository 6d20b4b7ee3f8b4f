"""Questions about the files of a knowledge base, from the plan to what DuckDB counts, over the real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.planner import plan
from ray_jobs.engines.embedded.extractive.slots.planner import queries
from services.core.library.catalog import Catalog
from services.core.settings import load_settings
from services.nimbus.context.retrieval import Retrieval
from services.nimbus.context.sources import ContextBuilder
from services.nimbus.entities import catalog as catalogs
from services.nimbus.entities.catalog import FileCatalog
from services.nimbus.entities.knowledge import EntityKnowledge
from services.nimbus.entities.sql import EntitySql
from services.nimbus.requests.responses import parse_request
from tests.contract.store_steps import Store


@pytest.fixture
async def sql() -> AsyncIterator[EntitySql]:
    made = EntitySql(workers=1)
    yield made
    await made.close()


@pytest.fixture
def catalog(store: Store, sql: EntitySql) -> FileCatalog:
    return FileCatalog(Catalog(store.database), sql)


class Asking:
    def __init__(self, catalog: FileCatalog, sql: EntitySql) -> None:
        self.catalog = catalog
        self.sql = sql

    async def __call__(self, tenant: str, question: str, *scope: Any) -> list[list[Any]]:
        opened = await self.catalog.open(tenant, *scope)
        planned, _ = queries(question, "en", opened.tables.described)
        return (await self.sql.query(opened.tables.sql, planned[0].sql)).rows


async def test_a_tenants_own_files_are_counted(store: Store, catalog: FileCatalog, sql: EntitySql) -> None:
    asked = Asking(catalog, sql)
    talks = await store.collection("talks")
    file = await store.ready("a.mp4", duration=90.0, metadata={"camera": "Ana"})
    await store.ready("b.mp4", size=101, duration=30.0, metadata={"camera": "Teo"})
    await store.ready("theirs.mp4", tenant=store.other, size=102, duration=500.0)
    await store.members.add(store.tenant, talks.id, file.id)
    assert await asked(store.tenant, "How many videos are there?") == [[2]]
    assert await asked(store.tenant, "How many videos are there?", [talks.id]) == [[1]]
    assert (await asked(store.tenant, "Which is the longest video?"))[0][:2] == ["a.mp4", 90.0]
    assert await asked(store.tenant, "How many videos have the camera Teo?") == [[1]]
    assert await asked(store.other, "How many videos are there?") == [[1]]
    assert await asked(store.tenant, "How many videos are there?", None, [file.id]) == [[1]]
    assert await asked(store.other, "How many videos are there?", [talks.id]) == [[0]]
    assert await asked(store.other, "How many videos are there?", None, [file.id]) == [[0]]


async def test_more_files_than_a_query_may_read_are_told_of(
    store: Store, catalog: FileCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs, "MAX_CATALOG_FILES", 1)
    for number in range(2):
        await store.ready(f"{number}.mp4", size=100 + number)
    opened = await catalog.open(store.tenant)
    planned, _ = queries("How many videos are there?", "en", opened.tables.described)
    (call,) = await catalog.run(opened, planned)
    assert "more than 1 videos" in call.result.error and not call.result.rows


class PlanningEngine:
    """Plans as the embedded engine does, in this process; nothing else may be asked of it."""

    embedder = ""

    def __init__(self) -> None:
        self.plans: list[pb.PlanRequest] = []

    async def plan(self, request: pb.PlanRequest) -> pb.PlanResponse:
        self.plans.append(request)
        return plan(request)


@pytest.mark.parametrize("model", ["nimbus-001", "nimbus-002-preview"])
async def test_an_answer_is_made_from_what_is_known_of_files(
    store: Store, catalog: FileCatalog, sql: EntitySql, model: str
) -> None:
    engine: Any = PlanningEngine()
    log: Any = store.log
    retrieval = Retrieval(
        engine=engine,
        log=log,
        full_text=store.full_text,
        descriptions=store.descriptions,
        files=store.files,
        collections=store.collections,
        members=store.members,
        segments=store.segments,
    )
    entities = EntityKnowledge(collections=store.collections, entities=store.entities, sql=sql)
    sources = ContextBuilder(
        settings=load_settings(), engine=engine, retrieval=retrieval, entities=entities, catalog=catalog, embedder=""
    )
    for number in range(3):
        await store.ready(f"{number}.mp4", size=100 + number)
    await sql.query((), "SELECT 1")  # which starts a process
    request = parse_request({"model": model, "input": "Wie viele Videos gibt es?"})
    prepared = await sources.prepare(store.tenant, request, "r")
    (result,) = prepared.prompt.results
    assert (result.error, result.rows, result.purpose) == ("", "[[3]]", "Videos")
    assert len(engine.plans) == 1 and not prepared.annotations and len(prepared.items) == 1
