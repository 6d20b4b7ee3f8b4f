"""An index shard, which the front's own client searches through the ingress."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from loadtests.index import index_processes
from loadtests.index_data import COLLECTION, TENANT, clustered, near, write_shards
from loadtests.knees.steps import Step, Swept, at_rate, step_of
from loadtests.load.generator import Clock, Run, WrongAnswerError, generate
from loadtests.load.outcomes import Outcome
from loadtests.load.scenario import Order, Scenario, schedule
from loadtests.load.verdict import judge
from loadtests.processes import cpu_seconds
from loadtests.search import runtime
from services.core.engines.config import parse_engine_config
from services.core.index.embedding_log import EmbeddingLog
from services.core.store.database import Database
from services.nimbus.engine.client import EngineClient
from services.nimbus.engine.shards import ShardSearch

ROWS, QUERIES, LIMIT = 100_000, 1000, 10
WARM_UP = 64
SCENARIO = Scenario.model_validate(
    {
        "name": "shard",
        "seed": 59,
        "duration_seconds": 10,
        "journeys": {"search": 1},
        "timeout_seconds": 20,
        "objectives": [{"measure": "first_event_seconds", "percentile": 95, "at_most": 0.5}],
    }
)


@contextmanager
def of_a_shard() -> Iterator[Swept]:
    vectors = clustered(ROWS, seed=1)
    queries = near(vectors, QUERIES, seed=2)
    secret = secrets.token_urlsafe()
    with tempfile.TemporaryDirectory(prefix="arcus-load-") as folder:
        database_url = f"sqlite+aiosqlite:///{folder}/arcus.db"
        write_shards(database_url, Path(folder) / "arcus.db", vectors, 1)
        with runtime(Path(folder), secret) as address:

            def step(rate: float) -> Step:
                scenario = at_rate(SCENARIO, rate)
                made, cores = asyncio.run(_searched(scenario, address, secret, database_url, queries))
                return step_of(scenario, judge(scenario, made), made, cores)

            yield Swept(
                step,
                "shard",
                "searches/s",
                1,
                "searches of a shard",
                f"a shard, {ROWS:,} × {vectors.shape[1]}, top {LIMIT}",
            )


async def _searched(
    scenario: Scenario, address: str, secret: str, database_url: str, queries: np.ndarray
) -> tuple[Run, float]:
    """The run, and the cores that the shard used."""
    database = Database(database_url)
    engine = EngineClient(address, secret, timeout_seconds=20, config=parse_engine_config(""))
    nearest = ShardSearch(engine, EmbeddingLog(database))

    async def search(order: Order, outcome: Outcome, clock: Clock) -> None:
        hits = await nearest.find(TENANT, [COLLECTION], queries[order.number % len(queries)].tobytes(), LIMIT)
        outcome.first_event_seconds = clock()
        if len(hits) != LIMIT:
            raise WrongAnswerError(f"{len(hits)} hits, not {LIMIT}")

    try:
        await asyncio.gather(
            *(nearest.find(TENANT, [COLLECTION], query.tobytes(), LIMIT) for query in queries[:WARM_UP])
        )
        (shard,) = index_processes()
        before = cpu_seconds(shard)
        made = await generate(schedule(scenario), search, timeout_seconds=scenario.timeout_seconds)
        return made, (cpu_seconds(shard) - before) / made.seconds
    finally:
        await engine.close()
        await database.close()
