"""What a question about many records costs, part by part, on SQLite and PostgreSQL: python -m loadtests.entity_scale [--small]

Exits 1 where a count is wrong or, unless --small, a question over 10,000 records misses its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice, pairwise
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

from loadtests.entities import RECORDS
from loadtests.scale import Figure, analyse, databases, fill, new_id, postgres
from ray_jobs.engines.embedded.extractive.planner import plan
from services.core.index.shards import ensure_shards
from services.core.library.collections import Collections
from services.core.library.entities import Entities
from services.core.media import MediaInfo
from services.core.store.database import Database
from services.core.store.schema import (
    collection_files,
    descriptions,
    extractions,
    files,
    segment_entities,
    segmentations,
    segments,
    tenants,
)
from services.front import SWITCH_SECONDS, keep_what_is_loaded
from services.nimbus.entities.knowledge import EntityKnowledge
from services.nimbus.entities.sql import EntitySql
from services.nimbus.requests.knowledge_base import EntityKnowledgeConfig

SEGMENTS = 20  # of a video, where segments have records
ASKED = 5
GOAL_MS = {10_000: 300.0}
# A collection of loadtests/entity_records.json, a question, and which of its records are counted.
QUESTIONS = {
    "videos": ("lectures", "How many lectures are introductory?", ("level", "introductory")),
    "segments": ("match clips", "How many goals are there?", ("event", "goal")),
}


@dataclass
class Pauses:
    """How long the event loop stood still, at most, while something else was awaited.

    `longest_worked`: no longer than this process had processors meanwhile: without what other processes took.
    """

    longest: float = 0.0
    longest_worked: float = 0.0
    tick: float = field(default=0.001)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        async def look() -> None:
            while True:
                begun, worked = time.perf_counter(), time.process_time()
                await asyncio.sleep(self.tick)
                pause = time.perf_counter() - begun - self.tick
                self.longest = max(self.longest, pause)
                self.longest_worked = max(self.longest_worked, min(pause, time.process_time() - worked))

        task = asyncio.create_task(look())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def filled(database: Database, kind: str, records: int) -> tuple[str, str, int]:
    """(tenant, collection, how many records the question counts) of a new collection with so many records."""
    name, _, (counted, value) = QUESTIONS[kind]
    source = next(item for item in RECORDS if item["name"] == name)
    known = [
        part["entities"] for file in source["files"] for part in file.get("segments", [file]) if "entities" in part
    ]
    made = list(islice(cycle(known), records))
    tenant = new_id()
    await fill(database, tenants, [{"id": tenant, "name": tenant, "created_at": 0}])
    collection = await Collections(database, shard_count=1).create(
        tenant,
        name=name,
        collection_type="entities",
        extract_config={"schema": source["schema"], "enable_segment_level_entities": kind == "segments"},
    )
    rows: dict[Any, list[dict[str, Any]]] = {
        table: [] for table in (files, segmentations, descriptions, collection_files, segments, extractions)
    }
    rows[segment_entities] = []
    each = SEGMENTS if kind == "segments" else 1
    is_text = not database.is_sqlite  # COPY takes JSON as its text
    for number in range(-(-records // each)):
        _add_file(rows, tenant, collection.id, number, made[number * each : (number + 1) * each], kind, is_text)
    for table, items in rows.items():
        await fill(database, table, items)
    await analyse(database)
    return tenant, collection.id, sum(record.get(counted) == value for record in made)


def _add_file(
    rows: dict[Any, list[dict[str, Any]]],
    tenant: str,
    collection_id: str,
    number: int,
    records: list[dict[str, Any]],
    kind: str,
    is_text: bool,
) -> None:
    def stored(value: Any) -> Any:
        return json.dumps(value) if is_text else value

    file_id, cut_id, description_id, extraction_id = (new_id() for _ in range(4))
    own = {"tenant_id": tenant, "created_at": 1_700_000_000_000 + number}
    info = MediaInfo("video", 60.0 + number % 600, "mp4", has_audio=True).to_json()
    rows[files].append(
        {
            **own,
            "id": file_id,
            "filename": f"video_{number:06}.mp4",
            "status": "completed",
            "size_bytes": 1,
            "sha256": str(number),
            "object_key": file_id,
            "source": "upload",
            "metadata": stored({"series": f"series {number % 40}"}),
            "media_info": stored(info),
            "segment_thumbnails": True,
        }
    )
    cut = {"config": stored({}), "config_hash": "h", "status": "completed"}
    rows[segmentations].append({**own, **cut, "id": cut_id, "file_id": file_id})
    rows[descriptions].append(
        {
            **own,
            **cut,
            "id": description_id,
            "file_id": file_id,
            "segmentation_id": cut_id,
            "stage": "done",
            "segments_done": 1,
            "segments_total": 1,
            "title": "",
            "summary": "",
        }
    )
    place = {"tenant_id": tenant, "collection_id": collection_id, "file_id": file_id}
    rows[collection_files].append(
        {
            **place,
            "description_id": description_id,
            "segmentation_id": cut_id,
            "segmentation_config": stored({}),
            "segment_thumbnails": True,
            "shard": 0,
            "added_at": number,
        }
    )
    whole = records[0] if kind == "videos" else None
    rows[extractions].append(
        {
            **place,
            "id": extraction_id,
            "status": "completed",
            "segments_done": 1,
            "entities": stored(whole) if whole is not None else None,
            "sources": stored([]),
            "created_at": number,
        }
    )
    for position, record in enumerate(records if kind == "segments" else ()):
        segment_id = new_id()
        rows[segments].append(
            {
                "id": segment_id,
                "tenant_id": tenant,
                "segmentation_id": cut_id,
                "file_id": file_id,
                "position": position,
                "start_time": 3.0 * position,
                "end_time": 3.0 * position + 3,
                "metadata": stored({}),
            }
        )
        rows[segment_entities].append(
            {
                "extraction_id": extraction_id,
                "segment_id": segment_id,
                "tenant_id": tenant,
                "entities": stored(record),
                "sources": stored([]),
            }
        )


async def asked(kind_of_database: str, database: Database, kind: str, records: int) -> list[Figure]:
    """Asked for the first time, and again with nothing changed."""
    tenant, collection, right = await filled(database, kind, records)
    collections, entities = Collections(database, shard_count=1), Entities(database)
    config = EntityKnowledgeConfig.from_json({"entity_collections": [{"collection_id": collection}]})
    sql = EntitySql(workers=1)
    await sql.query((), "SELECT 1")  # which starts its process
    found = []
    try:
        for when in ("first", "again"):
            parts: dict[str, list[float]] = {
                name: []
                for name in ("tables made", "planned", "queried", "loop stood still", "question", "processor time here")
            }
            knowledge = EntityKnowledge(collections=collections, entities=entities, sql=sql)
            if when == "again":
                await knowledge.open(tenant, config)
            for _ in range(ASKED):
                if when == "first":
                    knowledge = EntityKnowledge(collections=collections, entities=entities, sql=sql)
                for name, ms in (await _asked_once(knowledge, tenant, config, kind, right)).items():
                    parts[name].append(ms)
            for name, all_ms in parts.items():
                goal = GOAL_MS.get(records) if name == "question" else None
                label = f"{records} records of {kind}, {when}: {name}"
                found.append(Figure(kind_of_database, label, statistics.median(all_ms), "ms", goal))
    finally:
        await sql.close()
    return found


async def _asked_once(
    knowledge: EntityKnowledge, tenant: str, config: EntityKnowledgeConfig, kind: str, right: int
) -> dict[str, float]:
    """Milliseconds by part."""
    pauses = Pauses()
    times, worked = [time.perf_counter()], time.process_time()
    async with pauses.watched():
        opened = await knowledge.open(tenant, config)
        times.append(time.perf_counter())
        question = [pb.Message(role="user", text=QUESTIONS[kind][1])]
        request = pb.PlanRequest(messages=question, tables=opened.tables.described)
        made = await asyncio.to_thread(plan, request)  # in another process, where the engine is
        times.append(time.perf_counter())
        (call,) = await knowledge.run(opened, made.queries)
        times.append(time.perf_counter())
        worked = time.process_time() - worked  # without that of the database and of the process that queries
    if call.result.rows != f"[[{right}]]":
        raise SystemExit(f"{right} was to be counted: {call.result.rows or call.result.error}")
    spent = [1000 * (later - sooner) for sooner, later in pairwise(times)]
    names = ("tables made", "planned", "queried")
    whole = {"question": sum(spent), "processor time here": 1000 * worked}
    return dict(zip(names, spent, strict=True)) | {"loop stood still": 1000 * pauses.longest} | whole


async def measure(sizes: list[int]) -> list[Figure]:
    found: list[Figure] = []
    with postgres() as server:
        if server is not None:
            await server.prepare()
        async with databases(server) as urls:
            for name, url in urls.items():
                database = Database(url)
                await ensure_shards(database, 1)
                try:
                    for kind in QUESTIONS:
                        for records in sizes:
                            for figure in await asked(name, database, kind, records):
                                print(figure, flush=True)
                                found.append(figure)
                finally:
                    await database.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few records, no goals: does it run")
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 100_000])
    options = parser.parse_args()
    sys.setswitchinterval(SWITCH_SECONDS)  # as a front's process does both
    keep_what_is_loaded()
    found = asyncio.run(measure([200] if options.small else options.records))
    return 0 if options.small or all(figure.is_met for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
