"""Searches a second through the engine's ingress, against bare FAISS called once a query, in one run.

    python loadtests/search.py

Starts an engine runtime of its own on a scratch folder with SQLite, whose log it fills with random unit vectors, and
compares both the rates and the hits. Prints one JSON object; ends with status 1 if the hits
differ or the rate is below 0.7 of bare FAISS.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc

from loadtests.processes import wait_for_rest
from ray_jobs.runtime import free_ports
from services.cli.instance import START_SECONDS, first_line
from services.core.engines.config import SCRIPTED_ANSWERS, parse_engine_config
from services.core.index.embedder import ensure_embedder
from services.core.index.shards import ensure_shards
from services.core.store.database import Database

DIMENSIONS = 384
TENANT, COLLECTION, FILE, DESCRIPTION = "tenant", "collection", "file", "description"
WARM_UP_QUERIES = 64


def unit_vectors(count: int, seed: int) -> np.ndarray:
    """float32 [count, 384], each of unit length."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSIONS), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure_bare(vectors: np.ndarray, queries: np.ndarray, limit: int, callers: int) -> tuple[float, list[list[int]]]:
    """(queries a second, rows hit by each) of FAISS called once a query from `callers` threads."""
    import faiss

    index = faiss.IndexFlatIP(DIMENSIONS)
    index.add(vectors)

    def search(query: np.ndarray) -> list[int]:
        faiss.omp_set_num_threads(1)  # of the calling thread: the callers are the parallelism
        return index.search(query[None], limit)[1][0].tolist()

    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(search, queries[:WARM_UP_QUERIES]))
        started = time.perf_counter()
        found = list(pool.map(search, queries))
        return len(queries) / (time.perf_counter() - started), found


async def measure_ingress(
    address: str, secret: str, rows: int, queries: np.ndarray, limit: int, callers: int
) -> tuple[float, list[list[int]]]:
    """The same through the ingress, from `callers` concurrent calls of one client."""
    metadata = (("application", "index-0"), ("x-arcus-secret", secret))
    found: list[list[int]] = [[] for _ in queries]
    async with grpc.aio.insecure_channel(address) as channel:
        stub = engine_pb2_grpc.IndexServiceStub(channel)

        async def search(number: int) -> None:
            request = pb.SearchRequest(
                tenant_id=TENANT,
                collection_ids=[COLLECTION],
                vector=queries[number].tobytes(),
                limit=limit,
                min_sequence=rows,
            )
            response = await stub.Search(request, metadata=metadata)
            found[number] = [hit.embedding_id - 1 for hit in response.hits]

        async def call(numbers: Iterator[int]) -> None:
            for number in numbers:  # shared by all callers: each takes the next
                await search(number)

        async def search_all(count: int) -> None:
            numbers = iter(range(count))
            await asyncio.gather(*(call(numbers) for _ in range(callers)))

        await search_all(WARM_UP_QUERIES)
        started = time.perf_counter()
        await search_all(len(queries))
        return len(queries) / (time.perf_counter() - started), found


def write_log(data_dir: Path, vectors: np.ndarray) -> None:
    """Stores row n as embedding n + 1 and logs it in shard 0, without the files and descriptions it would come from."""
    path = data_dir / "arcus.db"

    async def make_tables() -> None:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await database.migrate()
        await ensure_shards(database, 1)
        await ensure_embedder(database, parse_engine_config(""))
        await database.close()

    asyncio.run(make_tables())
    with (
        contextlib.closing(sqlite3.connect(path)) as connection,
        connection,
    ):  # a bare connection checks no foreign keys
        connection.executemany(
            "INSERT INTO embeddings (id, tenant_id, description_id, segment_id, kind, text, start_time, end_time, vector)"
            " VALUES (?, ?, ?, ?, 'summary', '', 0, 1, ?)",
            ((row + 1, TENANT, DESCRIPTION, f"segment-{row}", vector.tobytes()) for row, vector in enumerate(vectors)),
        )
        connection.executemany(
            "INSERT INTO index_log (shard, sequence, operation, tenant_id, collection_id, file_id, embedding_id)"
            " VALUES (0, ?, 'add', ?, ?, ?, ?)",
            ((row + 1, TENANT, COLLECTION, FILE, row + 1) for row in range(len(vectors))),
        )
        connection.execute("UPDATE shards SET last_sequence = ? WHERE shard = 0", (len(vectors),))


@contextlib.contextmanager
def runtime(data_dir: Path, secret: str, settings: Mapping[str, str] = {}) -> Iterator[str]:
    """The address of an engine runtime that runs meanwhile, and has all its parts started."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    environment = {
        **os.environ,
        "ARCUS_DATA_DIR": str(data_dir),
        "ARCUS_DATABASE_URL": "",
        "ARCUS_ENGINE_ADDRESS": address,
        "ARCUS_ENGINE_SECRET": secret,
        "ARCUS_ROLES": SCRIPTED_ANSWERS,
        "ARCUS_INDEX_SHARDS": "1",
        **settings,
    }
    with tempfile.TemporaryDirectory(prefix="arcus-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "ray_jobs.runtime", folder], env=environment, stdout=subprocess.PIPE
        )
        try:
            if not first_line(process, START_SECONDS):
                raise SystemExit("The engine runtime did not start; its last lines above say why.")
            wait_for_rest(process.pid, START_SECONDS)
            yield address
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--json", type=Path, help="where to write the results")
    given = parser.parse_args()

    vectors, queries = unit_vectors(given.vectors, seed=1), unit_vectors(given.queries, seed=2)
    secret = secrets.token_urlsafe()
    with tempfile.TemporaryDirectory(prefix="arcus-load-") as data_dir:
        write_log(Path(data_dir), vectors)
        with runtime(Path(data_dir), secret) as address:
            # Bare FAISS is measured while the runtime idles beside it, so that both have the same machine.
            bare_rate, bare = measure_bare(vectors, queries, given.limit, given.callers)
            rate, found = asyncio.run(
                measure_ingress(address, secret, given.vectors, queries, given.limit, given.callers)
            )
    identical = found == bare
    result = {
        "vectors": given.vectors,
        "dimensions": DIMENSIONS,
        "limit": given.limit,
        "callers": given.callers,
        "bare_queries_per_second": round(bare_rate, 1),
        "ingress_queries_per_second": round(rate, 1),
        "ratio": round(rate / bare_rate, 2),
        "identical": identical,
    }
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))
    sys.exit(0 if identical and rate >= 0.7 * bare_rate else 1)


if __name__ == "__main__":
    main()
