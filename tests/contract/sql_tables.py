"""Tables that SQL is tried on, and a sandbox over them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from services.nimbus.entities.sql import EntitySql, SqlBatch, SqlLimits, SqlTable

FILES = 40
LIMITS = SqlLimits(rows=100, bytes=20_000, processor_seconds=1.0, seconds=60.0)
COLUMNS = (("file_id", "VARCHAR"), ("filename", "VARCHAR"), ("n", "BIGINT"), ("tags", "VARCHAR[]"), ("meta", "JSON"))


def batch(rows: Sequence[tuple[Any, ...]]) -> SqlBatch:
    return SqlBatch(len(rows), tuple(json.dumps(column).encode() for column in zip(*rows, strict=True)))


TABLES = (
    SqlTable(
        "files",
        COLUMNS,
        tuple(
            batch(
                [(f"id-{n}", f"{n}.mp4", n, ["a", f"t{n % 4}"], {"size": n}) for n in range(first, first + FILES // 2)]
            )
            for first in (0, FILES // 2)
        ),
    ),
    SqlTable("entities", (("file_id", "VARCHAR"), ('odd "name"; --', "DOUBLE"), ("at", "TIMESTAMP"))),
)


@asynccontextmanager
async def sandbox() -> AsyncIterator[EntitySql]:
    sql = EntitySql(workers=1, limits=LIMITS)
    yield sql
    await sql.close()


async def answers_still(sql: EntitySql) -> None:
    assert (await sql.query(TABLES, "SELECT count(*) AS n, max(n) FROM files")).rows == [[FILES, FILES - 1]]
