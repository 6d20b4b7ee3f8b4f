"""The PostgreSQL of the tests comes back after a crash with all that was written: what load tests kill is what stays."""

from __future__ import annotations

import asyncio

from sqlalchemy import insert, select

from services.core.store.database import Database
from services.core.store.schema import tenants
from tests.contract.postgres_server import PostgresServer, installed_postgres


async def test_what_was_written_is_there_after_a_crash():
    server = PostgresServer(installed_postgres())
    try:
        await server.prepare()
        await server.create("crashed")
        database = Database(server.url("crashed"))
        async with database.write() as connection:
            await connection.execute(insert(tenants).values(id="one", name="one", created_at=0))
        await asyncio.to_thread(server.crash)
        await server.until_open()
        assert (await database.fetch(select(tenants.c.id)))[0][0] == "one"
        await database.close()
    finally:
        server.stop()
