"""What hot paths cost with much stored, beside their goals, on SQLite and PostgreSQL: python -m loadtests.scale [--small]

Writes build/scale.json. Exits 1 where a count is wrong or, unless --small, a figure misses its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from uuid import UUID

from sqlalchemy import Table, func, insert, select

from loadtests import following, words
from services.core.clock import now_ms
from services.core.jobs import Jobs
from services.core.store.database import Database
from services.core.store.job_schema import jobs
from services.core.store.schema import tenants
from tests.contract.postgres_server import PostgresServer, migrate

OUT = Path("build/scale.json")
BATCH = 10_000
_numbers = count(1)


@dataclass(frozen=True)
class Sizes:
    queued: int = 100_000
    tenants: int = 50
    running: int = 200
    claims: int = 300
    followed: int = 200
    followers: int = 1_000
    followed_seconds: int = 20
    own_segments: int = 10_000
    their_segments: int = 100_000
    searches: int = 50


SMALL = Sizes(
    queued=1_000,
    tenants=5,
    running=20,
    claims=20,
    followed=20,
    followers=100,
    followed_seconds=1,
    own_segments=60,
    their_segments=200,
    searches=3,
)


@dataclass(frozen=True)
class Figure:
    """One measurement; `goal`: the most that it may be, None where it stands beside others."""

    database: str
    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.value <= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"  goal {self.goal:g}{'' if self.is_met else '  MISSED'}"
        return f"{self.database:10} {self.name:52} {self.value:10.2f} {self.unit}{goal}"


def new_id() -> str:
    return str(UUID(int=next(_numbers) << 64))


async def fill(database: Database, table: Table, rows: Sequence[dict]) -> None:
    """By COPY on PostgreSQL, in batches on SQLite. Every row has the same columns."""
    if not rows:
        return
    columns = list(rows[0])
    async with database.write() as connection:
        if database.is_sqlite:
            for first in range(0, len(rows), BATCH):
                await connection.execute(insert(table), rows[first : first + BATCH])
            return
        driver = (await connection.get_raw_connection()).driver_connection
        records = [tuple(row[name] for name in columns) for row in rows]
        await driver.copy_records_to_table(table.name, records=records, columns=columns)


async def analyse(database: Database) -> None:
    async with database.write() as connection:
        await connection.exec_driver_sql("ANALYZE")


async def add_tenants(database: Database, number: int) -> list[str]:
    ids = [new_id() for _ in range(number)]
    await fill(database, tenants, [{"id": id, "name": id, "created_at": 0} for id in ids])
    return ids


async def claim_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    """Claims with a short and a long queue."""
    owners = await add_tenants(database, sizes.tenants)
    held = [queued_job(owners[number % len(owners)], "running") for number in range(sizes.running)]
    await fill(database, jobs, held)
    short = max(sizes.queued // 100, sizes.claims)
    medians = []
    figures = []
    for queued in (short, sizes.queued):
        await fill(database, jobs, [queued_job(owners[number % len(owners)]) for number in range(queued)])
        await analyse(database)
        queue = Jobs(database, lease_seconds=600)
        seconds, order = [], []
        for _ in range(sizes.claims):
            started = time.perf_counter()
            job = await queue.claim("bench")
            seconds.append(time.perf_counter() - started)
            assert job is not None
            order.append(job.tenant_id)
            await queue.finish(job, "bench")
        assert all(order.count(id) == len(order) // len(owners) for id in owners), "turns went round unevenly"
        medians.append(statistics.median(seconds))
        name = f"claim, {queued} queued, {len(owners)} tenants, {len(held)} running"
        goal = 20.0 if kind == "postgres" else None
        figures += [
            Figure(kind, f"{name}: p50", 1000 * medians[-1], "ms"),
            Figure(kind, f"{name}: p99", 1000 * sorted(seconds)[int(0.99 * len(seconds))], "ms", goal),
        ]
        async with database.write() as connection:
            left = await connection.execute(select(func.count()).select_from(jobs).where(jobs.c.state == "queued"))
            assert left.scalar_one() == queued - sizes.claims, "each claim takes one job"
            await connection.execute(jobs.delete().where(jobs.c.state != "running"))
    return [*figures, Figure(kind, "claim, long queue ÷ short queue", medians[1] / medians[0], "x", 2.0)]


def queued_job(tenant_id: str, state: str = "queued") -> dict:
    now = now_ms()
    return {
        "id": new_id(),
        "tenant_id": tenant_id,
        "kind": "describe",
        "subject_id": new_id(),
        "video_seconds": 20.0,
        "state": state,
        "attempts": 0,
        "owner": "another" if state == "running" else None,
        "lease_until": now + 3_600_000 if state == "running" else None,
        "run_after": now,
        "created_at": now,
    }


async def follow_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    """Followers in one front of responses that another process writes, an event a second each."""
    (owner,) = await add_tenants(database, 1)
    sights, rate = await following.measure(
        database.url, owner, responses=sizes.followed, followers=sizes.followers, seconds=sizes.followed_seconds
    )
    name = f"follow, {sizes.followers} followers of {sizes.followed} responses"
    delays = sorted(sights.delays)
    return [
        Figure(kind, f"{name}: statements", rate, "/s", 100.0),
        Figure(kind, f"{name}: p50 from write to sight", 1000 * statistics.median(delays), "ms"),
        Figure(kind, f"{name}: p99 from write to sight", 1000 * delays[int(0.99 * len(delays))], "ms", 100.0),
        Figure(kind, f"{name}: events seen", sights.events, "events"),
    ]


async def word_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    """A tenant's searches by words, alone and after another tenant has described much."""
    own, other = await add_tenants(database, 2)
    collection = await words.fill_segments(database, own, sizes.own_segments)
    await analyse(database)
    before, hits = await words.searched(database, own, collection, sizes.searches)
    await words.fill_segments(database, other, sizes.their_segments, seed=words.SEED + 1)
    await analyse(database)
    after, hits_after = await words.searched(database, own, collection, sizes.searches)
    moved = sum(one != another for name in hits for one, another in zip(hits[name], hits_after[name], strict=True))
    assert moved == 0, f"{moved} places of hits moved by what another tenant stores"
    figures = []
    for name in words.QUESTIONS:
        alone, beside = statistics.median(before[name]), statistics.median(after[name])
        told = f"words, {name}, {sizes.own_segments} own segments"
        figures += [
            Figure(kind, f"{told}: p50", 1000 * alone, "ms"),
            Figure(kind, f"{told}: p50 beside {sizes.their_segments} ÷ alone", beside / alone, "x", 1.5),
        ]
    return figures


Rows = Callable[[str, Database, Sizes], Awaitable[list[Figure]]]
ROWS: dict[str, Rows] = {"claim": claim_rows, "follow": follow_rows, "words": word_rows}


@contextmanager
def postgres() -> Iterator[PostgresServer | None]:
    """None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
        Path(path) for path in [shutil.which("initdb")] if path
    ]
    if not found:
        yield None
        return
    server = PostgresServer(found[-1].parent)
    try:
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def databases(server: PostgresServer | None) -> AsyncIterator[dict[str, str]]:
    """The URL of a migrated database of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        urls = {"sqlite": f"sqlite+aiosqlite:///{folder}/arcus.db"}
        await migrate(urls["sqlite"])
        if server is not None:
            await server.prepare()
            await server.create("scale")
            urls["postgres"] = server.url("scale")
        yield urls


async def measure(sizes: Sizes, names: Sequence[str]) -> list[Figure]:
    figures = []
    with postgres() as server:
        if server is None:
            print("PostgreSQL is not installed: only SQLite is measured")
        async with databases(server) as urls:
            for kind, url in urls.items():
                database = Database(url, pool_size=20)
                try:
                    for name in names:
                        for figure in await ROWS[name](kind, database, sizes):
                            print(figure, flush=True)
                            figures.append(figure)
                finally:
                    await database.close()
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="which; all where none is named")
    parser.add_argument("--small", action="store_true", help="little data: shows that the rows run, and times nothing")
    arguments = parser.parse_args()
    figures = asyncio.run(measure(SMALL if arguments.small else Sizes(), arguments.rows or list(ROWS)))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
    missed = [figure for figure in figures if not figure.is_met]
    print(f"{len(figures)} figures, {len(missed)} miss their goal; {OUT}")
    return 1 if missed and not arguments.small else 0


if __name__ == "__main__":
    sys.exit(main())
