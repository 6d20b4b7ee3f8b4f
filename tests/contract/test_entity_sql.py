"""What a process that runs SQL needs too much of ends it, as does whoever gives up; after each the next one answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable

import psutil
import pytest

from services.core.errors import ArcusError, Reason
from services.nimbus.entities.sql import EntitySql, SqlLimits, SqlResult
from tests.contract.hostile_sql import BOUNDED
from tests.contract.sql_tables import LIMITS, TABLES, answers_still, sandbox
from tests.waiting import async_until

Workers = Callable[[], list[psutil.Process]]


@pytest.fixture
async def sql() -> AsyncIterator[EntitySql]:
    async with sandbox() as opened:
        yield opened


@pytest.fixture(autouse=True)
def workers() -> Workers:
    """Those of the test: fronts of other tests in this process have theirs."""

    def found() -> list[psutil.Process]:
        children = psutil.Process().children()
        return [item for item in children if "services.nimbus.entities.sql_worker" in item.cmdline()]

    before = set(found())
    return lambda: [item for item in found() if item not in before]


def processor_seconds(workers: Workers) -> dict[int, float]:
    """By worker."""
    return {worker.pid: worker.cpu_times().user for worker in workers()}


async def begun(sql: EntitySql, workers: Workers) -> asyncio.Task[SqlResult]:
    """A query that would never end, once a worker that answered before computes it."""
    await answers_still(sql)
    before = processor_seconds(workers)
    task = asyncio.create_task(sql.query(TABLES, BOUNDED[0]))
    await async_until(
        lambda: any(processor_seconds(workers)[pid] > spent + 0.05 for pid, spent in before.items()), "it runs"
    )
    return task


@pytest.mark.parametrize("statement", BOUNDED)
async def test_what_needs_too_much_ends_and_the_process_answers_after_it(sql: EntitySql, statement: str) -> None:
    try:
        result = await sql.query(TABLES, statement)
    except ArcusError as error:
        assert error.reason in (Reason.INVALID_ARGUMENT, Reason.DEADLINE_EXCEEDED)
    else:
        assert result.truncated and len(result.rows) <= LIMITS.rows
        assert len(json.dumps(result.rows)) <= LIMITS.bytes
    await answers_still(sql)


async def test_a_query_that_takes_too_long_is_killed(sql: EntitySql) -> None:
    with pytest.raises(ArcusError) as late:
        await sql.query(TABLES, BOUNDED[0])
    assert late.value.reason is Reason.DEADLINE_EXCEEDED
    assert "1 s of processor time" in str(late.value)
    await answers_still(sql)


async def test_a_query_that_waits_too_long_by_the_clock_is_killed() -> None:
    sql = EntitySql(workers=1, limits=SqlLimits(processor_seconds=60.0, seconds=1.0))
    with pytest.raises(ArcusError, match=r"more than 1 s$") as late:
        await sql.query(TABLES, BOUNDED[0])
    assert late.value.reason is Reason.DEADLINE_EXCEEDED
    await sql.close()


async def test_a_worker_that_dies_is_replaced(sql: EntitySql, workers: Workers) -> None:
    await answers_still(sql)
    (child,) = workers()
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    with pytest.raises(ArcusError):
        await answers_still(sql)
    await answers_still(sql)


async def test_a_worker_knows_nothing_of_the_environment(sql: EntitySql, workers: Workers) -> None:
    await answers_still(sql)
    (child,) = workers()
    assert set(child.environ()) <= {"PYTHONPATH", "MALLOC_ARENA_MAX", "HOME", "LC_CTYPE"}


async def test_a_cancelled_query_frees_its_worker(sql: EntitySql, workers: Workers) -> None:
    task = await begun(sql, workers)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await answers_still(sql)


async def test_where_no_worker_is_free_in_time_it_is_said() -> None:
    sql = EntitySql(workers=1, limits=SqlLimits(seconds=3.0, wait_seconds=0.05))
    busy = asyncio.create_task(sql.query(TABLES, BOUNDED[0]))
    await asyncio.sleep(0)
    with pytest.raises(ArcusError) as refused:
        await sql.query(TABLES, "SELECT 1")
    assert refused.value.reason is Reason.LIMIT_EXCEEDED
    with pytest.raises(ArcusError):
        await busy
    await sql.close()


async def test_no_process_is_left_when_it_is_closed_in_the_middle(workers: Workers) -> None:
    sql = EntitySql(workers=2, limits=LIMITS)
    sql.warm()
    busy = await begun(sql, workers)
    await sql.close()
    with pytest.raises(ArcusError):
        await busy
    assert not workers()
