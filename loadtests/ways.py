"""Searches of a shard over connections to its replica, beside the same through the ingress, by turns in one run.

    python -m loadtests.ways [--rounds N] [--queries N] [--json PATH]

One replica of one shard with the vectors of `loadtests.peers stores`; of each round both ways ask the same, in an order that
changes. Prints one JSON object: of each way queries a second (median of the rounds, and each), the longest search of each round
with how long a thread of the client or of the replica stood ready in it and was given no processor, and processor milliseconds
of a question, of the client and of everything behind it. Ends with status 1 where the hits differ, or a search that should have
gone one way went the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import uvloop

from loadtests.index_data import TENANT, write_shards
from loadtests.peers.stores import LIMIT, Sizes, World, asked, each_case
from loadtests.processes import all_cpu_seconds, cpu_seconds
from loadtests.search import runtime
from services.core.engines.config import parse_engine_config
from services.core.index.embedding_log import EmbeddingLog
from services.core.store.database import Database
from services.nimbus.engine.client import EngineClient
from services.nimbus.engine.shards import ShardSearch
from services.telemetry.metrics import Metrics

WAYS = ("direct", "ingress")


def spent() -> tuple[float, float]:
    """Processor seconds of this process, and of all that it started."""
    own = cpu_seconds(psutil.Process())
    return own, all_cpu_seconds(os.getpid()) - own


def kept_waiting() -> dict[str, int]:
    """Nanoseconds that each thread of this process and of the replica has waited for a processor."""
    processes = [each for each in psutil.Process().children(recursive=True) if "index-0" in "".join(each.cmdline()[:1])]
    threads = [thread for each in (psutil.Process(), *processes) for thread in Path(f"/proc/{each.pid}/task").iterdir()]
    return {thread.name: int((thread / "schedstat").read_text().split()[1]) for thread in threads}


async def measure(folder: Path, sizes: Sizes, rounds: int) -> dict[str, Any]:
    world = World.of(sizes)
    url = f"sqlite+aiosqlite:///{folder / 'arcus.db'}"
    await asyncio.to_thread(write_shards, url, folder / "arcus.db", world.vectors, 1, world.collections.tolist())
    database, secret = Database(url), secrets.token_urlsafe()
    cases: dict[str, Any] = {}
    with runtime(folder, secret) as address:
        engines, shards = {}, {}
        for way in WAYS:
            engines[way] = EngineClient(
                address,
                secret,
                timeout_seconds=60,
                config=parse_engine_config(""),
                engine_direct=way == "direct",
                metrics=Metrics(),
            )
            shards[way] = ShardSearch(engines[way], EmbeddingLog(database))

        async def find(way: str, collection: str, number: int) -> list[int]:
            hits = await shards[way].find(TENANT, [collection], world.queries[number].tobytes(), LIMIT)
            return [hit.embedding_id - 1 for hit in hits[:LIMIT]]

        def by(way: str, counted: str) -> float:
            labels = {"application": "index-0", "way": counted}
            return engines[way]._metrics.registry.get_sample_value("arcus_engine_asked_total", labels) or 0

        first = {way: await find(way, "hundredth", 0) for way in WAYS}
        async with asyncio.timeout(30):
            while by("direct", "direct") == 0:
                await asyncio.sleep(0.1)
                await find("direct", "hundredth", 0)
        strayed = by("direct", "ingress")
        is_same = first["direct"] == first["ingress"]
        for collection, callers in each_case():
            told: dict[str, list[tuple[float, ...]]] = {way: [] for way in WAYS}
            for turn in range(rounds):
                found = {}
                for way in WAYS if turn % 2 else WAYS[::-1]:
                    before, waited = spent(), kept_waiting()
                    answers = await asked(partial(find, way, collection), len(world.queries), callers)
                    client, behind = (now - then for now, then in zip(spent(), before, strict=True))
                    most = max(now - waited.get(thread, now) for thread, now in kept_waiting().items())
                    total = len(answers.found) + min(2 * callers, len(world.queries))
                    told[way].append(
                        (
                            len(answers.found) / answers.seconds,
                            max(answers.each) * 1000,
                            most / 1e6,
                            client * 1000 / total,
                            behind * 1000 / total,
                        )
                    )
                    found[way] = answers.found
                is_same = is_same and found["direct"] == found["ingress"]
            figures: dict[str, Any] = {}
            for way, each in told.items():
                rates, longest, waits, client_ms, behind_ms = (np.array(column) for column in zip(*each, strict=True))
                figures[way] = {
                    "queries_per_second": round(median(rates), 1),
                    "rounds": rates.round().astype(int).tolist(),
                    "longest_ms": longest.round(1).tolist(),
                    "no_processor_ms": waits.round(1).tolist(),
                    "client_cpu_ms": round(median(client_ms), 3),
                    "behind_cpu_ms": round(median(behind_ms), 3),
                }
            figures["ratio"] = round(
                median(a[0] / b[0] for a, b in zip(told["direct"], told["ingress"], strict=True)), 2
            )
            cases[f"{collection}, {callers} callers"] = figures
        strayed = by("direct", "ingress") - strayed + by("ingress", "direct")
        for engine in engines.values():
            await engine.close()
    await database.close()
    return {"cases": cases, "identical": is_same, "strayed": strayed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    started, load = time.time(), os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="arcus-load-") as folder:
        result = uvloop.run(measure(Path(folder), Sizes(given.rows, given.queries), given.rounds))
    result |= {"seconds": round(time.time() - started), "load_before": load, "load_after": os.getloadavg()}
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))
    sys.exit(0 if result["identical"] and not result["strayed"] else 1)


if __name__ == "__main__":
    main()
