"""SQL over given rows: good queries answer, hostile ones get nowhere, and after each a good one answers still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.core.errors import ArcusError, Reason
from services.nimbus.entities.sql import MAX_TABLE_BYTES, EntitySql, SqlBatch, SqlResult, SqlTable
from services.nimbus.entities.sql_grammar import FUNCTIONS
from tests.contract.hostile_sql import BOUNDED, REFUSED
from tests.contract.sql_tables import COLUMNS, FILES, LIMITS, TABLES, answers_still, batch, sandbox

one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sql() -> AsyncIterator[EntitySql]:
    """One process for all of them, as none ends it."""
    async with sandbox() as opened:
        yield opened


@one_loop
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


@one_loop
@pytest.mark.parametrize("aim", REFUSED)
async def test_hostile_statements_are_refused_and_the_process_answers_after_each(sql: EntitySql, aim: str) -> None:
    for statement in REFUSED[aim]:
        with pytest.raises(ArcusError) as refused:
            await sql.query(TABLES, statement)
        assert refused.value.reason is Reason.INVALID_ARGUMENT, statement
        await answers_still(sql)


def test_there_are_enough_hostile_statements() -> None:
    assert sum(map(len, REFUSED.values())) + len(BOUNDED) >= 100


@one_loop
async def test_rows_beyond_the_bound_are_cut_and_said_to_be(sql: EntitySql) -> None:
    result = await sql.query(TABLES, "SELECT a.n FROM files a, files b ORDER BY a.n, b.n")
    assert result.truncated and len(result.rows) == LIMITS.rows
    assert result.rows[:FILES] == [[0]] * FILES


@one_loop
async def test_bytes_beyond_the_bound_are_cut(sql: EntitySql) -> None:
    result = await sql.query(TABLES, "SELECT (SELECT string_agg(filename, ' ') FROM files) FROM files a, files b")
    assert result.truncated and 0 < len(result.rows) < LIMITS.rows


@one_loop
async def test_a_query_sees_only_the_rows_that_it_is_given(sql: EntitySql) -> None:
    other = SqlTable("secrets", (("key", "VARCHAR"),), (batch([("cg-1",)]),))
    assert (await sql.query([other], "SELECT key FROM secrets")).rows == [["cg-1"]]
    with pytest.raises(ArcusError, match="no table 'secrets'"):
        await sql.query(TABLES, "SELECT key FROM secrets")


@one_loop
@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT count(*) FROM files", [[3]]),
        ("SELECT DISTINCT kind, tags, meta, none FROM files", [["film", ["a"], '{"a":1}', None]]),
        ("SELECT n, kind FROM files ORDER BY n", [[1, "film"], [2, "film"], [3, "film"]]),
        ("SELECT count(kind), count(none) FROM files WHERE tags[1] = 'a'", [[3, 0]]),
    ],
)
async def test_a_value_that_all_rows_of_a_batch_have_is_told_once(
    sql: EntitySql, statement: str, rows: list[list[Any]]
) -> None:
    columns = (("kind", "VARCHAR"), ("tags", "VARCHAR[]"), ("meta", "JSON"), ("none", "DOUBLE"), ("n", "BIGINT"))
    one = (b'["film"]', b'[["a"]]', b'[{"a":1}]', b"[null]")
    table = SqlTable("files", columns, (SqlBatch(2, (*one, b"[1,2]"), (0, 1, 2, 3)), SqlBatch(1, (*one, b"[3]"))))
    assert (await sql.query([table], statement)).rows == rows


@pytest.mark.parametrize("statement", ["SELECT sum(n) FROM entities", "SELECT sum(e.n) FROM entities AS e"])
async def test_a_process_is_sent_only_what_its_statement_reads(statement: str) -> None:
    """Though a column is called as its table is."""
    async with sandbox() as sql:
        unread = (("wide", "VARCHAR"), ("entities", "JSON"))
        batch = SqlBatch(2, (b"no JSON", b"nor this", b"[1,2]"))
        table = SqlTable("entities", (*unread, ("n", "BIGINT")), (batch,))
        assert (await sql.query([table], statement)).rows == [[3]]
        for read, _ in unread:
            with pytest.raises(ArcusError):
                await sql.query([table], f"SELECT {read} FROM entities")


@one_loop
async def test_tables_that_are_too_large_are_refused(sql: EntitySql) -> None:
    with pytest.raises(ArcusError, match="fewer collections"):
        await sql.query([SqlTable("files", COLUMNS, (SqlBatch(1, (b" " * (MAX_TABLE_BYTES + 1),)),))], "SELECT 1")


WORDS = st.sampled_from(
    [
        *"SELECT FROM WHERE GROUP BY ORDER LIMIT UNION ALL WITH AS JOIN ON".split(),
        *"( ) , . * ; -- /* */ ' \" :: [ ] { } = <> + ->>".split(),
        *"files entities main duckdb_settings read_text '/etc/passwd' glob COPY ATTACH SET PRAGMA LATERAL VALUES".split(),
        *sorted(FUNCTIONS)[::4],
        *"filename n tags meta 1 'x' NULL CASE WHEN THEN END DISTINCT OVER PARTITION IN EXISTS NOT CAST INTERVAL".split(),
    ]
)  # fmt: skip


@one_loop
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.lists(WORDS, max_size=30).map(lambda words: "SELECT " + " ".join(words)), st.text(max_size=200)))
async def test_whatever_is_sent_it_answers_or_refuses_and_goes_on(sql: EntitySql, statement: str) -> None:
    try:
        assert isinstance(await sql.query(TABLES, statement), SqlResult)
    except ArcusError as error:
        assert error.reason in (Reason.INVALID_ARGUMENT, Reason.DEADLINE_EXCEEDED)
    await answers_still(sql)
