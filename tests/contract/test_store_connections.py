"""What a statement costs and waits for, how long it may take, and what becomes of connections that died unused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import event, select, text, update

from services.core.answers.log import ResponseLog
from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason
from services.core.jobs import Jobs
from services.core.store.database import DIRECT_THREADS, Database
from services.core.store.job_schema import jobs
from services.core.store.limit_tables import fronts
from services.core.store.pool_pings import IDLE_SINCE
from services.core.store.schema import responses, tenants
from services.core.tenants.limiter import Limiter
from services.core.tenants.plans import Plans
from tests.contract.store_steps import WORKER
from tests.waiting import async_until

ONE = text("SELECT 1")


@pytest.fixture
async def postgres_database(postgres: Any) -> AsyncIterator[Database]:
    name = await postgres.lend()
    database = Database(postgres.url(name), statement_seconds=0.3)
    yield database
    await database.close()
    await postgres.take_back(name)


def url_of(database: Database) -> str:
    return database.engines[0].url.render_as_string(hide_password=False)


async def test_a_read_opens_no_transaction_and_a_write_is_one(postgres_database: Database):
    began = text("SELECT now()")  # when its transaction did
    for opened, times in ((postgres_database.read, 2), (postgres_database.write, 1)):
        async with opened() as connection:
            assert len({(await connection.execute(began)).scalar() for _ in range(2)}) == times


async def test_a_write_that_fails_leaves_nothing_though_reads_have_no_transaction(postgres_database: Database):
    async with postgres_database.write() as connection:
        await connection.execute(text("CREATE TABLE numbers (number int)"))
    await postgres_database.fetch(ONE)
    with pytest.raises(RuntimeError):
        async with postgres_database.write() as connection:
            await connection.execute(text("INSERT INTO numbers VALUES (1)"))
            raise RuntimeError
    assert await postgres_database.fetch(text("SELECT * FROM numbers")) == []


@pytest.mark.parametrize("kind", ["statement", "lock"])
async def test_what_takes_too_long_is_ended_and_the_next_one_runs(postgres_database: Database, kind: str):
    async with postgres_database.write() as connection:
        await connection.execute(text("CREATE TABLE numbers (number int)"))
    patient = Database(url_of(postgres_database), statement_seconds=0)
    async with patient.write() as holding:
        if kind == "lock":
            await holding.execute(text("LOCK TABLE numbers"))
        with pytest.raises(ArcusError) as refused:
            await postgres_database.fetch(
                text("SELECT pg_sleep(60)" if kind == "statement" else "SELECT * FROM numbers")
            )
        assert refused.value.reason is Reason.STORAGE_UNAVAILABLE
        assert (await postgres_database.fetch(ONE))[0][0] == 1
    await patient.close()


@pytest.mark.parametrize("idle_seconds", [0, 60])
async def test_connections_that_were_cut_while_they_lay_unused_are_made_anew(
    postgres_database: Database, idle_seconds: int
):
    def as_if_time_went_by(_connection: Any, record: Any) -> None:
        record.info[IDLE_SINCE] -= idle_seconds

    event.listen(postgres_database.engines[0], "checkin", as_if_time_went_by)
    async with postgres_database.read() as one, postgres_database.read() as other:
        await one.execute(ONE)
        await other.execute(ONE)
        async with postgres_database.read() as third:
            own = (await third.execute(text("SELECT pg_backend_pid()"))).scalar()
            ended = text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()"
            )
            mine = [(await each.execute(text("SELECT pg_backend_pid()"))).scalar() for each in (one, other)]
    cut = Database(url_of(postgres_database))
    await cut.fetch(text(f"{ended} AND pid <> pg_backend_pid()"))
    await cut.close()
    assert len({own, *mine}) == 3
    for _ in range(4):
        assert (await postgres_database.fetch(ONE))[0][0] == 1


async def test_statements_are_not_compiled_which_takes_longer_than_they_run(database):
    if database.is_sqlite:
        return
    async with database.read() as connection:
        assert (await connection.exec_driver_sql("SHOW jit")).scalar_one() == "off"


async def test_a_write_waits_for_no_read(database):
    """A writer of SQLite that has its turn holds up all others; whoever waits too long for theirs is refused."""
    if not database.is_sqlite:
        return
    small, going = Database(url_of(database), pool_size=1), threading.Event()
    reads = [asyncio.create_task(small.reading(lambda _: going.wait(60))) for _ in range(10)]
    try:
        await async_until(lambda: small.waiting == len(reads) - DIRECT_THREADS, "reads that wait")
        async with asyncio.timeout(20):
            await small.writing(lambda connection: connection.execute(text("CREATE TABLE numbers (number int)")))
            async with small.read(), small.read(), small.write() as connection:
                await connection.execute(text("INSERT INTO numbers VALUES (1)"))
        assert not any(each.done() for each in reads)
    finally:
        going.set()
    await asyncio.gather(*reads)
    assert await small.fetch(text("SELECT number FROM numbers")) == [(1,)]
    await small.close()


@asynccontextmanager
async def rushed(database: Database) -> AsyncIterator[None]:
    """Requests hold all connections that its pool of one has, and as many more as it may make."""
    async with database.read(), database.read():
        yield


async def test_leases_are_renewed_while_requests_hold_all_connections(store, database_url):
    lease, file = await store.begin_response("r1"), await store.upload()
    job = await store.claim("probe", file.id)
    front = Database(database_url, pool_size=1)
    async with store.database.write() as connection:
        for table in (responses, jobs):
            await connection.execute(update(table).values(lease_until=1))
    async with rushed(front), asyncio.timeout(20):
        await ResponseLog(front).renew([lease])
        assert await Jobs(front, lease_seconds=30).renew(job, WORKER)
    for table in (responses, jobs):
        assert (await store.database.fetch(select(table.c.lease_until)))[0].lease_until > now_ms()
    await front.close()


async def test_a_front_keeps_its_places_while_requests_hold_all_connections(store, database_url):
    now = 1_800_000_000_000_000
    await store.database.store(update(tenants).values(limits={"requests_in_progress": 2}), [{}])
    front = Database(database_url, pool_size=1)
    limiter = Limiter(front, Plans(front, {}), clock=lambda: now, lease_seconds=0.3)
    ending, _going = [await limiter.admit(store.tenant) for _ in range(2)]
    loop = asyncio.create_task(limiter.run())
    async with rushed(front), asyncio.timeout(20):
        end = asyncio.create_task(ending.close())  # what it gives back waits
        for _ in range(3):
            now += 200_000
            while now + 300_000 not in {  # noqa: ASYNC110  the database offers no event
                row.alive_until for row in await store.database.fetch(select(fronts))
            }:
                await asyncio.sleep(0.02)
    loop.cancel()
    await asyncio.wait({loop, end})
    await limiter.close()
    await front.close()
