"""Databases of each kind for a measurement, and many rows in them at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from uuid import UUID

from sqlalchemy import Table, insert

from services.core.store.database import Database
from services.core.store.schema import tenants
from tests.contract.postgres_server import PostgresServer
from tests.migrated import copy_migrated

BATCH = 10_000
_numbers = count(1)


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
async def databases(server: PostgresServer | None, name: str = "scale") -> AsyncIterator[dict[str, str]]:
    """The URL of a migrated database of each kind, which nobody else uses; `name`: of PostgreSQL's, another each time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arcus.db"
        copy_migrated(path)
        urls = {"sqlite": f"sqlite+aiosqlite:///{path}"}
        if server is not None:
            await server.create(name)
            urls["postgres"] = server.url(name)
        yield urls
        if server is not None:
            await server.drop(name)
