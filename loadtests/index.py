"""A collection spread over index shards, against one bare FAISS index with the same vectors, in one run.

    python -m loadtests.index [--rows N] [--shards N] [--json PATH]

Fills a scratch database, builds every shard from its log and from its snapshot, then starts an engine runtime of its own
and searches as the front does: all shards of the collection through the ingress, merged. First exactly, which must find
what bare FAISS does, then by inverted lists beside bare FAISS with lists of its own, and at last while a replica is killed.
Prints one JSON object; ends with status 1 if results are wrong, recall@10 is below 0.95, a search fails, a shard looks at
more than it must, or the rate is below 0.7 of bare FAISS. A million rows take about 8 GiB of memory and 4 of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from loadtests.index_data import COLLECTION, DIMENSIONS, TENANT, clustered, near, write_shards
from loadtests.search import runtime
from ray_jobs.index.device import CpuDevice
from ray_jobs.index.lists import list_count, train
from ray_jobs.index.replica import ShardReplica
from ray_jobs.index.shard import Query, Shard
from services.core.engines.config import parse_engine_config
from services.core.errors import ArcusError
from services.core.index.embedding_log import EmbeddingLog
from services.core.index.snapshots import Snapshots
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.nimbus.engine.client import EngineClient
from services.nimbus.engine.shards import ShardSearch

LIMIT = 10
TARGET, RECALL = 0.7, 0.95
PROBES = (4, 8, 16, 32, 64)
NEVER = 1 << 40

Found = list[list[int]]


def told(seconds: Sequence[float], whole: float) -> dict[str, float]:
    """Queries a second, and the time of a query in milliseconds."""
    return {
        "queries_per_second": round(len(seconds) / whole, 1),
        "p50_ms": round(float(np.percentile(seconds, 50)) * 1000, 1),
        "p99_ms": round(float(np.percentile(seconds, 99)) * 1000, 1),
    }


def recall(found: Found, truth: Found) -> float:
    return sum(len(set(one) & set(other)) for one, other in zip(found, truth, strict=True)) / (LIMIT * len(truth))


def is_same(found: Found, truth: Found, vectors: np.ndarray, queries: np.ndarray) -> bool:
    """Whether both are equally near: of two that score the same, either may come first."""
    for query, one, other in zip(queries, found, truth, strict=True):
        if len(set(one)) != LIMIT or not np.allclose(vectors[one] @ query, vectors[other] @ query, atol=1e-5):
            return False
    return True


def measure_bare(index: Any, queries: np.ndarray, callers: int) -> tuple[dict[str, float], Found]:
    """FAISS called once a query from `callers` threads."""
    import faiss

    def search(query: np.ndarray) -> tuple[float, list[int]]:
        faiss.omp_set_num_threads(1)  # of the calling thread: the callers are the parallelism
        started = time.perf_counter()
        rows = index.search(query[None], LIMIT)[1][0].tolist()
        return time.perf_counter() - started, rows

    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(search, queries[:callers]))
        started = time.perf_counter()
        answers = list(pool.map(search, queries))
        whole = time.perf_counter() - started
    return told([seconds for seconds, _ in answers], whole), [rows for _, rows in answers]


def bare_lists(vectors: np.ndarray, queries: np.ndarray, truth: Found) -> Any:
    """Bare FAISS with lists as many as a shard's would be for these, and the fewest probes that reach the recall."""
    import faiss

    lists = list_count(len(vectors))
    sample = vectors[np.random.default_rng(1).choice(len(vectors), min(len(vectors), 32 * lists), replace=False)]
    quantizer = faiss.IndexFlatIP(DIMENSIONS)
    quantizer.add(train(sample, lists, threads=psutil.cpu_count()))
    index = faiss.IndexIVFFlat(quantizer, DIMENSIONS, lists, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    faiss.omp_set_num_threads(psutil.cpu_count())
    index.add(vectors)
    for index.nprobe in PROBES:
        if recall(index.search(queries, LIMIT)[1].tolist(), truth) >= RECALL:
            break
    return index, quantizer  # which must live as long as the index


async def measure_shards(
    nearest: ShardSearch, queries: np.ndarray, callers: int, during: Callable[[], Awaitable[None]] | None = None
) -> tuple[dict[str, Any], Found]:
    """The same as the front does it, from concurrent callers; `during` happens when a third of them are answered."""
    found: Found = [[] for _ in queries]
    seconds, failed = [], 0
    numbers = iter(range(len(queries)))
    happening: asyncio.Task[None] | None = None

    async def call() -> None:
        nonlocal failed, happening
        for number in numbers:  # shared by all callers: each takes the next
            if during is not None and happening is None and number >= len(queries) // 3:
                happening = asyncio.ensure_future(during())
            started = time.perf_counter()
            try:
                hits = await nearest.find(TENANT, [COLLECTION], queries[number].tobytes(), LIMIT)
                found[number] = [hit.embedding_id - 1 for hit in hits[:LIMIT]]
            except ArcusError:
                failed += 1
            seconds.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    whole = time.perf_counter() - started
    if happening is not None:
        await happening
    return {**told(seconds, whole), "failed": failed}, found


async def build(
    settings: argparse.Namespace, database: Database, snapshots: Snapshots, queries: np.ndarray, *, lists: bool
):
    """Starts a replica of each shard, here, one by one, and stores its snapshot. Returns what that took."""
    taken: list[dict[str, float]] = []
    for number in range(settings.shards):
        shard = Shard(
            device=CpuDevice(DIMENSIONS), lists_from=settings.rows // settings.shards // 2 if lists else NEVER
        )
        replica = ShardReplica(number, EmbeddingLog(database), shard, snapshots=snapshots)
        gc.collect()  # what the shard before left behind
        before = psutil.Process().memory_info().rss
        started = time.perf_counter()
        await replica.start()
        restarted = time.perf_counter()
        await replica.upkeep()
        kept = time.perf_counter()
        if lists or number == 0:
            looked = replica.held.looked_at
            await asyncio.gather(*(replica.search(Query(TENANT, (COLLECTION,), query, LIMIT), 0) for query in queries))
            looked = (replica.held.looked_at - looked) // len(queries)
        held_bytes = psutil.Process().memory_info().rss - before
        stored = time.perf_counter()
        await replica.write_snapshot()
        taken.append(
            {
                "start_seconds": round(restarted - started, 2),
                "lists_seconds": round(kept - restarted, 2),
                "snapshot_seconds": round(time.perf_counter() - stored, 2),
                "vectors": replica.held.size,
                "looked_at_per_query": looked,
            }
        )
        if number == 0:  # the next ones are given the memory that this one leaves
            taken[0]["bytes_per_vector"] = round(held_bytes / replica.held.size)
        await replica.close()
        del replica, shard
    return taken


def index_processes() -> list[psutil.Process]:
    """The index replicas of the runtime that was started here."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any("index-" in part for part in process.cmdline()[:1]):
                found.append(process)
    return found


async def searched(
    data_dir: Path, settings: argparse.Namespace, database: Database, queries: np.ndarray, *, replicas: int
) -> dict[str, Any]:
    """Rates through a runtime that starts from the snapshots, with all its replicas and while one is killed."""
    secret = secrets.token_urlsafe()
    environment = {
        "ARCUS_INDEX_SHARDS": str(settings.shards),
        "ARCUS_INDEX_REPLICAS": str(replicas),
        "ARCUS_INDEX_LISTS_VECTORS": str(NEVER),  # those of the snapshots are kept
        "ARCUS_INDEX_SNAPSHOT_ROWS": "0",
    }
    started = time.perf_counter()
    with runtime(data_dir, secret, environment) as address:
        up = time.perf_counter() - started
        config = parse_engine_config("")
        engine = EngineClient(address, secret, timeout_seconds=60, config=config, index_replicas=replicas)
        nearest = ShardSearch(engine, EmbeddingLog(database))
        await measure_shards(nearest, queries[: settings.callers * 2], settings.callers)
        rates, found = await measure_shards(nearest, queries, settings.callers)
        processes = index_processes()
        result = {
            **rates,
            "found": found,
            "start_seconds": round(up, 1),
            "replica_bytes": [process.memory_info().rss for process in processes],
        }
        if replicas > 1:

            async def kill() -> None:
                processes[0].kill()

            many = np.concatenate([queries] * 3)
            lost, again = await measure_shards(nearest, many, settings.callers, kill)
            result["lost_replica"] = {**lost, "as_before": again == found * 3}
        await engine.close()
    return result


async def measure(data_dir: Path, settings: argparse.Namespace) -> dict[str, Any]:
    import faiss

    vectors = clustered(settings.rows, seed=1)
    queries = near(vectors, settings.queries, seed=2)
    url = f"sqlite+aiosqlite:///{data_dir / 'arcus.db'}"
    await asyncio.to_thread(write_shards, url, data_dir / "arcus.db", vectors, settings.shards)
    database = Database(url)
    snapshots = Snapshots(database, Objects(f"file://{data_dir / 'objects'}"))
    flat = faiss.IndexFlatIP(DIMENSIONS)
    flat.add(vectors)
    bare, truth = measure_bare(flat, queries, settings.callers)
    from_log = await build(settings, database, snapshots, queries[:64], lists=False)
    exact = await searched(data_dir, settings, database, queries, replicas=1)
    from_snapshot = await build(settings, database, snapshots, queries[:64], lists=True)
    by_lists = await searched(data_dir, settings, database, queries, replicas=2)
    del flat
    with_lists, quantizer = bare_lists(vectors, queries, truth)
    listed, listed_found = measure_bare(with_lists, queries, settings.callers)
    del with_lists, quantizer
    await database.close()
    result = {
        "rows": settings.rows,
        "dimensions": DIMENSIONS,
        "shards": settings.shards,
        "callers": settings.callers,
        "limit": LIMIT,
        "from_log": from_log,
        "from_snapshot": from_snapshot,
        "exact": {
            "bare": bare,
            "shards": exact,
            "ratio": ratio(exact, bare),
            "identical": is_same(exact.pop("found"), truth, vectors, queries),
        },
        "lists": {
            "bare": {**listed, "recall": round(recall(listed_found, truth), 3)},
            "shards": by_lists,
            "ratio": ratio(by_lists, listed),
            "ratio_to_exact_bare": ratio(by_lists, bare),
            "recall": round(recall(by_lists.pop("found"), truth), 3),
        },
    }
    return result


def ratio(shards: dict[str, Any], bare: dict[str, float]) -> float:
    return round(shards["queries_per_second"] / bare["queries_per_second"], 2)


def problems(result: dict[str, Any]) -> list[str]:
    exact, lists = result["exact"], result["lists"]
    made = [
        (exact["identical"], "an exact search differs from bare FAISS"),
        (exact["ratio"] >= TARGET, f"exact searches are below {TARGET} of bare FAISS"),
        (lists["recall"] >= RECALL, f"recall@{LIMIT} is below {RECALL}"),
        (lists["ratio_to_exact_bare"] >= TARGET, f"searches by lists are below {TARGET} of bare FAISS"),
        (exact["shards"]["failed"] + lists["shards"]["failed"] == 0, "a search failed"),
        (lists["shards"]["lost_replica"]["failed"] == 0, "a search failed when a replica was lost"),
        (result["from_log"][0]["looked_at_per_query"] <= result["from_log"][0]["vectors"], "too much was looked at"),
        (
            all(4 * each["looked_at_per_query"] <= each["vectors"] for each in result["from_snapshot"]),
            "a search by lists looked at more than a quarter",
        ),
    ]
    return [problem for is_right, problem in made if not is_right]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--json", type=Path, help="where to write the results")
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="arcus-load-") as folder:
        result = asyncio.run(measure(Path(folder), settings))
    wrong = problems(result)
    print(json.dumps({**result, "problems": wrong}, indent=1))
    if settings.json:
        settings.json.write_text(json.dumps(result, indent=1))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
