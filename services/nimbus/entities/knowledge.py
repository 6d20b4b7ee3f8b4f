"""A knowledge base of entities: its collections checked, its tables filled, and the queries that a plan asks for run."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from arcus.engine.v1 import engine_pb2 as pb

from services.core.entities.configs import ExtractConfig
from services.core.errors import ArcusError, Reason, invalid
from services.core.library.collections import Collections
from services.core.library.entities import Entities
from services.core.library.holdings import Bounds, Holdings, only
from services.nimbus.entities.kept_tables import KeptTables, Made, key_of
from services.nimbus.entities.sql import EntitySql
from services.nimbus.entities.tables import EntityCollection, EntityTables, build_tables
from services.nimbus.requests.knowledge_base import ENTITY_FIELD, EntityKnowledgeConfig

MAX_QUERIES = 4
TOTAL_SECONDS = 15.0


@dataclass(frozen=True)
class Knowledge:
    """What a plan may ask of: `tables.described` for PlanRequest.tables, `description` for its tables_description."""

    tables: EntityTables
    description: str
    notes: tuple[str, ...] = ()  # what to know before a count is trusted
    problem: str = ""  # why no query can be run


@dataclass(frozen=True)
class QueryCall:
    """One query that was run: for the engine, and for whoever reads the response."""

    result: pb.QueryResult
    item: dict[str, Any]  # an output item of type cloudglue_query_call


class EntityKnowledge:
    def __init__(
        self,
        *,
        collections: Collections,
        entities: Entities,
        sql: EntitySql,
        bounds: Bounds = Bounds(),
    ) -> None:
        self._collections = collections
        self._entities = entities
        self._sql = sql
        self._bounds = bounds
        self._kept = KeptTables()

    async def check(self, tenant_id: str, config: EntityKnowledgeConfig) -> list[EntityCollection]:
        """The collections that are named. Raises NOT_FOUND for one that is not the tenant's, INVALID_ARGUMENT for one
        that holds no entities."""
        found = []
        for index, named in enumerate(config.collections):
            field = f"{ENTITY_FIELD}.entity_collections[{index}].collection_id"
            collection = await self._collections.get(tenant_id, named.collection_id)
            if collection.extract_config is None:  # which every collection of type entities has, and no other
                kind = collection.collection_type
                raise invalid(f"{field}: {collection.id} is of type {kind}, not entities", field=field)
            extract = ExtractConfig.from_json(collection.extract_config)
            found.append(
                EntityCollection(
                    id=collection.id,
                    name=named.name or collection.name,
                    description=named.description or collection.description or "",
                    schema=extract.schema,
                    by_segment=extract.level == "segment",
                )
            )
        return _distinctly_named(found)

    async def open(self, tenant_id: str, config: EntityKnowledgeConfig) -> Knowledge:
        """Checks as `check` does, and reads what the collections hold now."""
        self._sql.warm()
        collections = await self.check(tenant_id, config)
        held = await self._entities.held(tenant_id, [item.id for item in collections], self._bounds)
        problem = ""
        if held.is_too_much:
            problem = (
                f"The collections hold more than {self._bounds}: more than a query may read; name fewer collections"
            )
        made = await self._made(tenant_id, collections, held)
        lines = [config.description, *(f"{item.name}: {item.description}" for item in collections if item.description)]
        return Knowledge(
            tables=made.tables,
            description="\n".join(line for line in lines if line),
            notes=made.notes,
            problem=problem,
        )

    async def _made(self, tenant_id: str, collections: Sequence[EntityCollection], held: Holdings) -> Made:
        key = await asyncio.to_thread(key_of, tenant_id, collections, held)
        made = self._kept.get(key)
        if made is None:
            made = await asyncio.to_thread(_make, collections, held)
            self._kept.put(key, made)
        return made

    async def run(self, knowledge: Knowledge, queries: Sequence[pb.Query]) -> list[QueryCall]:
        """Runs the first MAX_QUERIES at once, within TOTAL_SECONDS. A query that fails says so; it does not raise."""
        return await run_queries(self._sql, knowledge, queries)


def _make(collections: Sequence[EntityCollection], held: Holdings) -> Made:
    statuses = held.files.status
    files = only(held.files, [place for place, status in enumerate(statuses) if status == "completed"])
    unread = Counter("failed" if status == "failed" else "unfinished" for status in statuses if status != "completed")
    notes = tuple(_unread(status, count) for status, count in sorted(unread.items()))
    return Made(build_tables(collections, files, held.records), notes)


def no_query() -> pb.QueryResult:
    """For the engine, where entities alone were to answer and the plan has no query: it is to say that it can't tell."""
    return pb.QueryResult(purpose="answer", error="No query fits the question")


async def run_queries(sql: EntitySql, knowledge: Knowledge, queries: Sequence[pb.Query]) -> list[QueryCall]:
    async def one(query: pb.Query) -> QueryCall:
        result = pb.QueryResult(purpose="; ".join((query.purpose, *knowledge.notes)), sql=query.sql)
        try:
            if knowledge.problem:
                raise invalid(knowledge.problem)
            async with asyncio.timeout_at(deadline):
                found = await sql.query(knowledge.tables.sql, query.sql)
            result.columns.extend(found.columns)
            result.rows = json.dumps(found.rows)
            result.row_count, result.truncated = len(found.rows), found.truncated
        except ArcusError as error:
            # What is our own fault is told as such, and no more of it.
            result.error = error.message if error.reason is not Reason.INTERNAL else "The query could not be run"
        except TimeoutError:
            result.error = f"The queries took more than {TOTAL_SECONDS:g} s"
        return QueryCall(result, _item(result))

    deadline = asyncio.get_running_loop().time() + TOTAL_SECONDS
    return list(await asyncio.gather(*(one(query) for query in queries[:MAX_QUERIES])))


def _item(result: pb.QueryResult) -> dict[str, Any]:
    known = not result.error and not result.truncated
    return {
        "type": "cloudglue_query_call",
        "id": f"query_{uuid4().hex}",
        "status": "failed" if result.error else "completed",
        "sql": result.sql,
        "row_count": result.row_count,
        "total_rows": result.row_count if known else None,
        "truncated": result.truncated,
        "error": result.error or None,
    }


def _distinctly_named(collections: list[EntityCollection]) -> list[EntityCollection]:
    """Two collections that a request gives the same name stay apart."""
    taken: set[str] = set()
    found = []
    for collection in collections:
        name, number = collection.name, 1
        while name in taken:
            number += 1
            name = f"{collection.name} {number}"
        taken.add(name)
        found.append(replace(collection, name=name))
    return found


def _unread(status: str, count: int) -> str:
    who = "1 video" if count == 1 else f"{count} videos"
    if status == "failed":
        return f"{who} could not be read and {'is' if count == 1 else 'are'} not counted"
    return f"{who} {'is' if count == 1 else 'are'} still being read and not counted"
