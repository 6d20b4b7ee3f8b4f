"""Many requests with a short time to live: tables, files and the database end as large as they were.

    python -m loadtests.soak [--requests 200000] [--database sqlite postgres] [--json PATH]

A front in this process with the scripted engine is asked for answers (kept or not, streamed, broken off, in the background),
chats, searches, uploads, collections and what takes them away again. What was asked is kept for TTL_SECONDS. At each quarter
all that is over its time is swept, and every table counted. Exits 1 where one has grown since the first quarter, or a request
failed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import structlog
from sqlalchemy import func, select, text

from loadtests.arguments import count
from loadtests.load.target import video_form
from loadtests.scale import postgres
from services.core.answers import ended_logs
from services.core.clock import now_ms
from services.core.jobs import Jobs
from services.core.settings import Settings
from services.core.store import deletions
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.schema import metadata, responses
from services.core.tenants import retention
from services.core.tenants.plans import Plans
from tests.acceptance.live_front import Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer
from tests.contract.postgres_server import migrate

SHORT = 2_400  # requests: what shows in minutes that nothing is left behind
AT_ONCE = 16
QUARTERS = 4
TTL_SECONDS = 10.0
MOST_ROWS = 1.0  # of one table, that may be left of each 1,000 requests
MOST_GROWTH = 1.25  # of the database, from the first quarter to the last
MAX_SWEEPS = 1_000  # at a quarter, after which what is left is counted
UPLOAD = b"not a video, but bytes that are kept " * 50

Json = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """After so many requests, with nothing left that is over its time."""

    requests: int
    seconds: float
    rows: Mapping[str, int]
    database_bytes: int
    files: int
    file_bytes: int
    memory_bytes: int  # of this process: the front, its engine and its clients


@dataclass(frozen=True)
class Slope:
    what: str
    first: float
    last: float
    value: float
    goal: float

    @property
    def is_met(self) -> bool:
        return self.value <= self.goal

    def __str__(self) -> str:
        missed = "" if self.is_met else "  MISSED"
        return (
            f"{self.what:44} {self.first:12,.0f} → {self.last:12,.0f}  {self.value:8.3f}, at most {self.goal:g}{missed}"
        )


def slopes(points: Sequence[Point]) -> list[Slope]:
    """Rows of each table and files by 1,000 requests; the database's bytes as a ratio. From the first point to the last."""
    first, last = points[0], points[-1]
    thousands = (last.requests - first.requests) / 1000
    counts = {f"rows of {table}": (rows, last.rows[table]) for table, rows in first.rows.items()}
    counts["files"] = (first.files, last.files)
    found = [
        Slope(f"{what}, more by 1,000 requests", one, other, (other - one) / thousands, MOST_ROWS)
        for what, (one, other) in counts.items()
        if one or other
    ]
    one, other = first.database_bytes, last.database_bytes
    return [*found, Slope("bytes of the database, last ÷ first", one, other, other / one, MOST_GROWTH)]


class Clients:
    """Ask for one thing after another, AT_ONCE at a time."""

    def __init__(self, session: aiohttp.ClientSession, url: str, collection_id: str) -> None:
        self._session = session
        self._url = url
        self._collection_id = collection_id
        self.failed: Counter[str] = Counter()
        self._numbers = itertools.count()
        kinds = (self._kept, self._kept, self._unkept, self._streamed, self._chat, self._chat)
        kinds += (self._search, self._search, self._background, self._broken_off, self._looked_up)
        self._kinds: tuple[Callable[[int], Awaitable[None]], ...] = kinds

    async def ask(self, count: int) -> None:
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                number = next(self._numbers)
                kind = self._upload if number % 50 == 0 else self._made if number % 200 == 1 else None
                kind = kind or self._kinds[number % len(self._kinds)]
                try:
                    await kind(number)
                except aiohttp.ClientResponseError as error:
                    self.failed[f"{kind.__name__} {error.status}"] += 1

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _call(self, method: str, path: str, body: Json | None = None, **more: Any) -> Json:
        async with self._session.request(method, f"{self._url}{path}", json=body, **more) as reply:
            reply.raise_for_status()
            return await reply.json()

    def _asked(self, **more: Any) -> Json:
        return {"model": "nimbus-001", "input": "What is said?", "instructions": '{"messages": 5}', **more}

    async def _kept(self, number: int) -> None:
        response = await self._call("POST", "/responses", self._asked())
        if number % 7 == 0:
            await self._call("DELETE", f"/responses/{response['id']}")

    async def _unkept(self, _number: int) -> None:
        await self._call("POST", "/responses", self._asked(store=False))

    async def _background(self, number: int) -> None:
        response = await self._call("POST", "/responses", self._asked(background=True))
        if number % 3 == 0:
            await self._call("POST", f"/responses/{response['id']}/cancel")

    async def _streamed(self, _number: int) -> None:
        async with self._session.post(f"{self._url}/responses", json=self._asked(stream=True)) as reply:
            reply.raise_for_status()
            await reply.read()

    async def _broken_off(self, _number: int) -> None:
        asked = self._asked(stream=True, instructions='{"messages": 50, "interval_seconds": 0.02}')
        async with self._session.post(f"{self._url}/responses", json=asked) as reply:
            reply.raise_for_status()
            await reply.content.readline()
            reply.close()

    async def _chat(self, _number: int) -> None:
        messages = [{"role": "system", "content": '{"messages": 5}'}, {"role": "user", "content": "What is said?"}]
        await self._call("POST", "/chat/completions", {"model": "nimbus-001", "messages": messages})

    async def _search(self, _number: int) -> None:
        asked = {"scope": "segment", "query": "a lecture", "collections": [self._collection_id]}
        await self._call("POST", "/search", asked)

    async def _looked_up(self, _number: int) -> None:
        await self._call("GET", "/responses?limit=20")

    async def _upload(self, number: int) -> None:
        form = video_form(f"{number}.mp4", UPLOAD)
        async with self._session.post(f"{self._url}/files", data=form) as reply:
            reply.raise_for_status()
            file = await reply.json()
        await self._call("DELETE", f"/files/{file['id']}")

    async def _made(self, number: int) -> None:
        body = {"name": f"of {number}", "collection_type": "media-descriptions"}
        collection = await self._call("POST", "/collections", body)
        await self._call("DELETE", f"/collections/{collection['id']}")


async def settled(database: Database, objects: Objects) -> None:
    """Once all that is over its time is gone. The ingest's part is done here: its jobs are of files that are gone."""
    sweeper = retention.Retention(database, Plans(database, {}), days=TTL_SECONDS / 86_400)
    jobs = Jobs(database, lease_seconds=60)
    running = select(func.count()).select_from(responses).where(responses.c.status == "in_progress")
    while (await database.fetch(running))[0][0]:  # noqa: ASYNC110  a front offers no event
        await asyncio.sleep(0.2)
    while job := await jobs.claim("the soak"):
        await jobs.finish(job, "the soak")
    await asyncio.sleep(TTL_SECONDS)
    await jobs.forget_finished(older_than_seconds=TTL_SECONDS)
    for _ in range(MAX_SWEEPS):
        if not (await sweeper.sweep() or await deletions.sweep(database, objects) or await _is_left(database)):
            return


async def _is_left(database: Database) -> bool:
    """Whether something is there that is over its time: a sweep deletes nothing while the front's own is at it."""
    before = now_ms() - int(1000 * TTL_SECONDS)
    return any(
        [
            await database.fetch(select(table.c.id).where(table.c.created_at < before, is_over).limit(1))
            for table, is_over in retention.KEPT
        ]
    )


async def counted(database: Database, settings: Settings, requests: int, began: float) -> Point:
    rows = {}
    for table in metadata.sorted_tables:
        rows[table.name] = (await database.fetch(select(func.count()).select_from(table)))[0][0]
    if database.is_sqlite:
        async with database.write() as connection:
            pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
            pages -= (await connection.execute(text("PRAGMA freelist_count"))).scalar_one()  # room for what comes
            size = pages * (await connection.execute(text("PRAGMA page_size"))).scalar_one()
    else:
        async with database.read() as connection:  # as its autovacuum does within minutes: what is deleted makes room
            await connection.exec_driver_sql("VACUUM")
        size = (await database.fetch(text("SELECT pg_database_size(current_database())")))[0][0]
    sizes = await asyncio.to_thread(_file_sizes, Path(settings.objects))
    memory = psutil.Process().memory_info().rss
    seconds = time.monotonic() - began
    return Point(requests, seconds, rows, size, len(sizes), sum(sizes), memory)


def _file_sizes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.rglob("*") if path.is_file()]


async def soak(kind: str, settings: Settings, requests: int) -> tuple[list[Point], Counter[str]]:
    front = Front(settings, ScriptedServer()).start()
    database, objects = Database(settings.database), Objects(settings.objects, min_free_bytes=0)
    points: list[Point] = []
    began = time.monotonic()
    try:
        account = front.account()
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {account.key}"}) as session:
            url = f"{front.url}/v1"
            body = {"name": "kept", "collection_type": "media-descriptions"}
            async with session.post(f"{url}/collections", json=body) as reply:
                collection_id = (await reply.json())["id"]
            clients = Clients(session, url, collection_id)
            for quarter in range(1, QUARTERS + 1):
                await clients.ask(requests * quarter // QUARTERS - requests * (quarter - 1) // QUARTERS)
                await settled(database, objects)
                points.append(await counted(database, settings, requests * quarter // QUARTERS, began))
                print(_line(kind, points[-1]), flush=True)
    finally:
        await database.close()
        front.stop()
    return points, clients.failed


def _line(kind: str, point: Point) -> str:
    kept = " ".join(f"{table}={rows}" for table, rows in point.rows.items() if rows)
    return (
        f"{kind:9} {point.requests:7} requests, {point.seconds:6.0f} s: database {point.database_bytes / 1e6:.1f} MB, "
        f"{point.files} files, memory {point.memory_bytes / 1e6:.0f} MB; {kept}"
    )


def make_short() -> None:
    """What is kept by constants is kept as long as what is kept by settings, and seen to as often."""
    retention.SWEEP_SECONDS, retention.RECORDS_DAYS = 2.0, TTL_SECONDS / 86_400  # type: ignore[assignment]
    ended_logs.AFTER_MS, ended_logs.SWEEP_SECONDS = 2_000, 2.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=count(least=4), default=SHORT)
    parser.add_argument("--database", nargs="+", default=["sqlite", "postgres"], choices=["sqlite", "postgres"])
    parser.add_argument("--json", type=Path, help="where to write the points")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    make_short()
    found: dict[str, list[Point]] = {}
    missed = 0
    with postgres() as server, tempfile.TemporaryDirectory() as folder:
        for kind in given.database:
            more: Json = {"kept_days": TTL_SECONDS / 86_400}
            if kind == "postgres":
                if server is None:
                    print("PostgreSQL is not installed: only SQLite is measured")
                    continue
                asyncio.run(server.prepare())
                asyncio.run(server.create("soak"))
                more["database_url"] = server.url("soak")
            settings = front_settings(Path(folder) / kind, **more)
            asyncio.run(migrate(settings.database))
            found[kind], failed = asyncio.run(soak(kind, settings, given.requests))
            judged = slopes(found[kind])
            print("\n".join(f"{kind:9} {slope}" for slope in judged))
            print(f"{kind:9} failed: {dict(failed) or 'none'}")
            missed += sum(not slope.is_met for slope in judged) + bool(failed)
    if given.json:
        given.json.write_text(json.dumps({kind: list(map(asdict, points)) for kind, points in found.items()}) + "\n")
    print(f"{sum(points[-1].requests for points in found.values())} requests, {missed} misses")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
