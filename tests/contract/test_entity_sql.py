"""SQL over given rows: good queries answer, hostile ones get nowhere, and after each a good one answers still."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.core.errors import ArcusError, Reason
from services.nimbus.entities.sql import MAX_TABLE_BYTES, EntitySql, SqlLimits, SqlResult, SqlTable
from services.nimbus.entities.sql_grammar import FUNCTIONS
from tests.contract.hostile_sql import BOUNDED, REFUSED
from tests.waiting import async_until

FILES = 40
LIMITS = SqlLimits(rows=100, bytes=20_000, processor_seconds=1.0, seconds=60.0)
COLUMNS = (("file_id", "VARCHAR"), ("filename", "VARCHAR"), ("n", "BIGINT"), ("tags", "VARCHAR[]"), ("meta", "JSON"))


def columns(rows: Sequence[tuple[Any, ...]]) -> tuple[bytes, ...]:
    """A batch."""
    return tuple(json.dumps(column).encode() for column in zip(*rows, strict=True))


TABLES = (
    SqlTable(
        "files",
        COLUMNS,
        tuple(
            columns(
                [(f"id-{n}", f"{n}.mp4", n, ["a", f"t{n % 4}"], {"size": n}) for n in range(first, first + FILES // 2)]
            )
            for first in (0, FILES // 2)
        ),
    ),
    SqlTable("entities", (("file_id", "VARCHAR"), ('odd "name"; --', "DOUBLE"), ("at", "TIMESTAMP"))),
)


@pytest.fixture
async def sql() -> AsyncIterator[EntitySql]:
    sandbox = EntitySql(workers=1, limits=LIMITS)
    yield sandbox
    await sandbox.close()


def processor_seconds() -> dict[int, float]:
    """By worker."""
    workers = [item for item in psutil.Process().children() if "services.nimbus.entities.sql_worker" in item.cmdline()]
    return {worker.pid: worker.cpu_times().user for worker in workers}


async def begun(sql: EntitySql) -> asyncio.Task[SqlResult]:
    """A query that would never end, once a worker that answered before computes it."""
    await answers_still(sql)
    before = processor_seconds()
    task = asyncio.create_task(sql.query(TABLES, BOUNDED[0]))
    await async_until(lambda: any(processor_seconds()[pid] > spent + 0.05 for pid, spent in before.items()), "it runs")
    return task


async def answers_still(sql: EntitySql) -> None:
    assert (await sql.query(TABLES, "SELECT count(*) AS n, max(n) FROM files")).rows == [[FILES, FILES - 1]]


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT filename FROM files ORDER BY n DESC LIMIT 2", [["39.mp4"], ["38.mp4"]]),
        ("SELECT filename FROM files ORDER BY n DESC LIMIT 1;", [["39.mp4"]]),
        ("SELECT count(*) FROM files WHERE filename ILIKE '%1.MP4' -- those", [[4]]),
        ("SELECT count(*) FROM files WHERE list_contains(tags, 't2')", [[10]]),
        ("SELECT t, count(*) FROM files, unnest(tags) AS u(t) GROUP BY t ORDER BY 2 DESC, 1 LIMIT 2", [["a", 40], ["t0", 10]]),
        ("WITH big AS (SELECT * FROM files WHERE n > 37) SELECT count(*) FROM big", [[2]]),
        ("SELECT sum((meta->>'size')::BIGINT) FROM files", [[780]]),
        ('SELECT count("odd ""name""; --") FROM entities', [[0]]),
        ("SELECT DATE '2024-02-29' + INTERVAL 1 YEAR, 1.5::DECIMAL(4, 2), [1, NULL], {'a': true}",
         [["2025-02-28T00:00:00", 1.5, [1, None], {"a": True}]]),
        ("SELECT 1 AS a, 2 AS a", [[1, 2]]),
        # Columns that are read without being named.
        ("SELECT * FROM files LIMIT 1", [["id-0", "0.mp4", 0, ["a", "t0"], '{"size":0}']]),
        ("FROM files LIMIT 1", [["id-0", "0.mp4", 0, ["a", "t0"], '{"size":0}']]),
        ("SELECT f.* EXCLUDE (meta) FROM files AS f LIMIT 1", [["id-0", "0.mp4", 0, ["a", "t0"]]]),
        ("SELECT max(COLUMNS('^n$')) FROM files", [[39]]),
        ("SELECT b FROM files AS f(a, b) LIMIT 1", [["0.mp4"]]),
        ("SELECT f FROM files AS f LIMIT 1",
         [[{"file_id": "id-0", "filename": "0.mp4", "n": 0, "tags": ["a", "t0"], "meta": '{"size":0}'}]]),
        ("SELECT files FROM files LIMIT 1",
         [[{"file_id": "id-0", "filename": "0.mp4", "n": 0, "tags": ["a", "t0"], "meta": '{"size":0}'}]]),
        ("SELECT F.FileName, \"N\" FROM files f LIMIT 1", [["0.mp4", 0]]),
        ("SELECT count(*) FROM files NATURAL JOIN (SELECT n AS n, filename AS filename FROM files)", [[40]]),
        ("SELECT count(*) FROM files a JOIN files b USING (n)", [[40]]),
        ("SELECT 'nan'::DOUBLE", [[None]]),
        ("SELECT filename FROM files WHERE n IN (SELECT max(n) FROM files) UNION ALL SELECT 'x'", [["39.mp4"], ["x"]]),
    ],
)  # fmt: skip
async def test_a_select_answers(sql: EntitySql, statement: str, rows: list) -> None:
    assert (await sql.query(TABLES, statement)).rows == rows


@pytest.mark.parametrize("aim", REFUSED)
async def test_hostile_statements_are_refused_and_the_process_answers_after_each(sql: EntitySql, aim: str) -> None:
    for statement in REFUSED[aim]:
        with pytest.raises(ArcusError) as refused:
            await sql.query(TABLES, statement)
        assert refused.value.reason is Reason.INVALID_ARGUMENT, statement
        await answers_still(sql)


def test_there_are_enough_hostile_statements() -> None:
    assert sum(map(len, REFUSED.values())) + len(BOUNDED) >= 100


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


async def test_rows_beyond_the_bound_are_cut_and_said_to_be(sql: EntitySql) -> None:
    result = await sql.query(TABLES, "SELECT a.n FROM files a, files b ORDER BY a.n, b.n")
    assert result.truncated and len(result.rows) == LIMITS.rows
    assert result.rows[:FILES] == [[0]] * FILES


async def test_bytes_beyond_the_bound_are_cut(sql: EntitySql) -> None:
    result = await sql.query(TABLES, "SELECT (SELECT string_agg(filename, ' ') FROM files) FROM files a, files b")
    assert result.truncated and 0 < len(result.rows) < LIMITS.rows


async def test_a_worker_that_dies_is_replaced(sql: EntitySql) -> None:
    await answers_still(sql)
    (child,) = [item for item in psutil.Process().children() if "services.nimbus.entities.sql_worker" in item.cmdline()]
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    with pytest.raises(ArcusError):
        await answers_still(sql)
    await answers_still(sql)


async def test_a_worker_knows_nothing_of_the_environment(sql: EntitySql) -> None:
    await answers_still(sql)
    (child,) = [item for item in psutil.Process().children() if "services.nimbus.entities.sql_worker" in item.cmdline()]
    assert set(child.environ()) <= {"PYTHONPATH", "MALLOC_ARENA_MAX", "HOME", "LC_CTYPE"}


async def test_a_query_sees_only_the_rows_that_it_is_given(sql: EntitySql) -> None:
    other = SqlTable("secrets", (("key", "VARCHAR"),), (columns([("cg-1",)]),))
    assert (await sql.query([other], "SELECT key FROM secrets")).rows == [["cg-1"]]
    with pytest.raises(ArcusError, match="no table 'secrets'"):
        await sql.query(TABLES, "SELECT key FROM secrets")


async def test_a_cancelled_query_frees_its_worker(sql: EntitySql) -> None:
    task = await begun(sql)
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


async def test_no_process_is_left_when_it_is_closed_in_the_middle() -> None:
    sql = EntitySql(workers=2, limits=LIMITS)
    sql.warm()
    busy = await begun(sql)
    await sql.close()
    with pytest.raises(ArcusError):
        await busy
    assert not [item for item in psutil.Process().children() if "services.nimbus.entities.sql_worker" in item.cmdline()]


async def test_tables_that_are_too_large_are_refused(sql: EntitySql) -> None:
    with pytest.raises(ArcusError, match="fewer collections"):
        await sql.query([SqlTable("files", COLUMNS, ((b" " * (MAX_TABLE_BYTES + 1),),))], "SELECT 1")


WORDS = st.sampled_from(
    [
        *"SELECT FROM WHERE GROUP BY ORDER LIMIT UNION ALL WITH AS JOIN ON".split(),
        *"( ) , . * ; -- /* */ ' \" :: [ ] { } = <> + ->>".split(),
        *"files entities main duckdb_settings read_text '/etc/passwd' glob COPY ATTACH SET PRAGMA LATERAL VALUES".split(),
        *sorted(FUNCTIONS)[::4],
        *"filename n tags meta 1 'x' NULL CASE WHEN THEN END DISTINCT OVER PARTITION IN EXISTS NOT CAST INTERVAL".split(),
    ]
)  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.lists(WORDS, max_size=30).map(lambda words: "SELECT " + " ".join(words)), st.text(max_size=200)))
async def test_whatever_is_sent_it_answers_or_refuses_and_goes_on(sql: EntitySql, statement: str) -> None:
    try:
        assert isinstance(await sql.query(TABLES, statement), SqlResult)
    except ArcusError as error:
        assert error.reason in (Reason.INVALID_ARGUMENT, Reason.DEADLINE_EXCEEDED)
    await answers_still(sql)
