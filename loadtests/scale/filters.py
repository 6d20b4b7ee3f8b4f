"""Filtered searches beside plain ones, and searches that wait for the same row: the front's retrieval and client and a replica of
the index, which is asked over a port of its own, in this process."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from loadtests.scale.figures import Figure
from loadtests.scale.filling import add_tenants, analyse
from loadtests.scale.library import DIMENSIONS, KEPT, MARK, fill_library
from loadtests.scale.sizes import Sizes
from ray_jobs.index.deployment import IndexReplica
from ray_jobs.index.device import CpuDevice
from ray_jobs.index.replica import ShardReplica
from ray_jobs.index.shard import Shard
from services.core.engines.config import parse_engine_config
from services.core.index.embedding_log import EmbeddingLog, LogRow
from services.core.library.collections import Collections
from services.core.library.descriptions import Descriptions
from services.core.library.files import Files
from services.core.library.members import Members
from services.core.library.segments import Segments
from services.core.search.filters import SearchFilter
from services.core.search.full_text import FullText
from services.core.settings import Settings
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.nimbus.context.retrieval import Retrieval, Scope
from services.nimbus.engine.client import EngineClient
from tests.contract.direct_world import ServedEdge, running

PER_FILE = 200
LIMIT = 10
GOAL_MS = 20.0


class Taken(NamedTuple):
    """looked_up: until the database has said what a filter keeps; worked: processor time of this process."""

    looked_up_seconds: float
    seconds: float
    worked_seconds: float

    @classmethod
    def median(cls, some: Sequence[Taken]) -> Taken:
        """Of each by itself."""
        return cls(*map(statistics.median, zip(*some, strict=True)))


class CountedLog(EmbeddingLog):
    """Counts the reads that found rows."""

    reads = 0

    async def read(self, shard: int, after_sequence: int, limit: int, *, trimmed_at_start: int = 0) -> list[LogRow]:
        rows = await super().read(shard, after_sequence, limit, trimmed_at_start=trimmed_at_start)
        self.reads += bool(rows)
        return rows


class ServedReplica(ServedEdge):
    """The edge of a shard over a replica that follows its log."""

    def __init__(self, replica: ShardReplica) -> None:
        edge: Any = object.__new__(IndexReplica.func_or_class)  # type: ignore[attr-defined]
        edge._dimensions, edge._replica = DIMENSIONS, replica
        methods = {"search": edge.Search, "search_many": edge.SearchMany}
        super().__init__(edge, methods, [pb_grpc.add_IndexServiceServicer_to_server], parse_engine_config(""))


async def filter_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    (owner,) = await add_tenants(database, 1)
    per_file = _per_file(sizes)
    made = await fill_library(
        database, owner, files_of=sizes.filtered_segments // per_file, segments_of=per_file, are_searched=False
    )
    await analyse(database)
    lists_from = Settings.model_fields["index_lists_vectors"].default
    log = CountedLog(database)
    replica = ShardReplica(0, log, Shard(device=CpuDevice(DIMENSIONS), lists_from=lists_from))
    await replica.start()
    await replica.upkeep()
    try:
        async with running(ServedReplica(replica)) as served:
            collections = Collections(database, shard_count=1)
            retrieval = _retrieval(database, served.client(timeout_seconds=120))
            found, placed = await collections.to_search(owner, made.collection_ids)
            scope = Scope(tuple(found), tuple(placed))
            figures = await _filtered(kind, retrieval, owner, scope, sizes)
            await fill_library(database, owner, files_of=1, segments_of=KEPT, are_searched=False)
            found, placed = await collections.to_search(owner, made.collection_ids)
            log.reads = 0
            vector = _vector(0)
            waiting = [
                retrieval.nearest(owner, replace(scope, placements=tuple(placed)), vector, LIMIT)
                for _ in range(sizes.waiting_searches)
            ]
            assert all(len(hits) == LIMIT for hits in await asyncio.gather(*waiting))
    finally:
        await replica.close()
    name = f"search, {sizes.waiting_searches} that wait for a row of the log: reads of it"
    return [*figures, Figure(kind, name, log.reads, "reads", 1.0)]


async def _filtered(kind: str, retrieval: Retrieval, owner: str, scope: Scope, sizes: Sizes) -> list[Figure]:
    """Plain searches and those with a filter take turns."""
    segments, per_file = sizes.filtered_segments, _per_file(sizes)
    held = f"{segments // KEPT} of {segments} segments"
    criterion = {"path": "part", "operator": "Equal", "valueText": MARK["part"]}
    filters = {
        "segments'": SearchFilter.from_json({"metadata": [{**criterion, "scope": "segment"}]}),
        "files'": SearchFilter.from_json({"metadata": [criterion]}),
    }
    plain: list[Taken] = []
    narrowed_by: dict[str, list[Taken]] = {name: [] for name in filters}
    for number in range(-1, sizes.filtered):  # the first warms
        vector = _vector(number)
        began, worked = time.perf_counter(), time.process_time()
        assert len(await retrieval.nearest(owner, scope, vector, LIMIT)) == LIMIT
        plain.append(Taken(0.0, time.perf_counter() - began, time.process_time() - worked))
        for name, filter in filters.items():
            began, worked = time.perf_counter(), time.process_time()
            narrowed = await retrieval.narrowed(owner, scope, filter)
            looked_up = time.perf_counter() - began
            assert len(await retrieval.nearest(owner, narrowed, vector, LIMIT)) == LIMIT
            narrowed_by[name].append(Taken(looked_up, time.perf_counter() - began, time.process_time() - worked))
            ids = narrowed.segment_ids
            kept = len(narrowed.file_ids or ()) * per_file if ids is None else len(ids)
            assert kept == segments // KEPT, f"{kept} are kept by {name} metadata"
    alone = Taken.median(plain[1:])
    figures = [Figure(kind, f"search, the nearest {LIMIT} of {segments} segments: p50", 1000 * alone.seconds, "ms")]
    for name, taken in narrowed_by.items():
        told, more = f"search, a filter by {name} metadata that keeps {held}", Taken.median(taken[1:])
        worked = max(0.0, more.worked_seconds - alone.worked_seconds)
        figures += [
            Figure(kind, f"{told}: p50 added", 1000 * (more.seconds - alone.seconds), "ms", GOAL_MS),
            Figure(kind, f"{told}: of that in the database", 1000 * more.looked_up_seconds, "ms"),
            Figure(kind, f"{told}: processor time here added", 1000 * worked, "ms"),
        ]
    return figures


def _per_file(sizes: Sizes) -> int:
    """So that a fifth of the files has a fifth of the segments."""
    return min(PER_FILE, sizes.filtered_segments // KEPT**2)


def _vector(number: int) -> bytes:
    made = np.random.default_rng(1_000_000 + number).standard_normal(DIMENSIONS).astype("<f4")
    return (made / np.linalg.norm(made)).tobytes()


def _retrieval(database: Database, engine: EngineClient) -> Retrieval:
    return Retrieval(
        engine=engine,
        log=EmbeddingLog(database),
        full_text=FullText(database),
        descriptions=Descriptions(database),
        files=Files(database, Objects("memory://"), max_upload_bytes=1),
        collections=Collections(database, shard_count=1),
        members=Members(database),
        segments=Segments(database),
    )
