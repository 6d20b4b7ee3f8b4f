"""Limits over three fronts that are processes of their own, on one PostgreSQL; and what is left of one that is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from services.core.store.database import Database
from services.core.store.limit_tables import limiters
from services.core.store.schema import tenants
from services.core.tenants.keys import Keys
from services.core.tenants.limiter import LEASE_SECONDS
from services.core.tenants.plans import CACHE_SECONDS
from tests.faults.fronts import environment
from tests.front_process import FrontProcess, start_front

CLIENTS, PER_SECOND, BURST = 50, 5, 40


@pytest.fixture
def database_url(postgres: Any) -> Iterator[str]:
    name = asyncio.run(postgres.lend())
    yield postgres.url(name)
    asyncio.run(postgres.take_back(name))


@pytest.fixture
def fronts(database_url: str, tmp_path: Path) -> Iterator[list[FrontProcess]]:
    settings = environment(tmp_path, database_url, "127.0.0.1:1")
    started = [start_front(settings) for _ in range(3)]
    yield started
    for front in started:
        front.kill()


async def _account(database: Database, **limits: Any) -> tuple[str, str]:
    keys = Keys(database)
    key = await keys.create("first")
    tenant_id = (await keys.authenticate(key)).tenant_id
    async with database.write() as connection:
        await connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(limits=limits))
    return key, tenant_id


async def test_three_fronts_admit_together_what_one_would_and_a_killed_one_gives_its_places_back(
    fronts: list[FrontProcess], database_url: str
):
    database = Database(database_url)
    key, tenant_id = await _account(
        database, requests_per_minute=60 * PER_SECOND, requests_burst=BURST, requests_in_progress=CLIENTS
    )
    admitted: list[float] = []
    refusals: list[float] = []
    headers = {"Authorization": f"Bearer {key}"}

    async def hammer(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, verify=False) as client:
            while not refusals or time.monotonic() < refusals[0] + 4:
                asked = time.monotonic()
                reply = await client.get("/models")
                if reply.status_code == 200:
                    admitted.append(time.monotonic())
                else:
                    assert reply.status_code == 429, reply.text
                    refusals.append(asked)

    began = time.monotonic()
    await asyncio.gather(*(hammer(fronts[number % 3].url) for number in range(CLIENTS)))
    most = BURST + PER_SECOND * (time.monotonic() - began)
    least = BURST + PER_SECOND * (refusals[-1] - admitted[0])
    print(f"admitted {len(admitted)}, at most {most:.1f}, at least {least:.1f}; refused {len(refusals)}")
    assert 0.99 * least - 1 <= len(admitted) <= most

    async def limit(**limits: Any) -> None:
        async with database.write() as connection:
            await connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(limits=limits))

    async def until(url: str, status: int, seconds: float) -> float:
        asked = time.monotonic()
        async with asyncio.timeout(seconds), httpx.AsyncClient(base_url=url, headers=headers, verify=False) as client:
            while (await client.get("/models", timeout=30)).status_code != status:  # noqa: ASYNC110  a front offers no event
                await asyncio.sleep(0.1)
        return time.monotonic() - asked

    await limit(requests_in_progress=1)
    await asyncio.sleep(CACHE_SECONDS)  # until no front goes by what it was told before
    doomed, living = fronts[0], fronts[1].url
    for front in fronts:
        await until(front.url, 200, 60)
    # An upload whose bytes do not come holds a place of the first front.
    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(doomed.url).port)
    lines = ["POST /v1/files HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", "Content-Length: 1000000"]
    writer.write("\r\n".join([*lines, "Content-Type: multipart/form-data; boundary=x", "", ""]).encode())
    await writer.drain()
    await until(living, 429, 60)
    doomed.kill()
    took = await until(living, 200, LEASE_SECONDS + 30)
    print(f"its place was free again after {took:.1f} s; a lease is {LEASE_SECONDS:g} s")
    async with database.read() as connection:
        row = (await connection.execute(select(limiters).where(limiters.c.id == tenant_id))).one()
    assert took > 1, "the killed front held no place"
    assert sum(row.in_progress.values()) <= 1, "nothing of the killed front's is left"
    writer.close()
    await database.close()
