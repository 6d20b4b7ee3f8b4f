"""A database that was used comes back as a new one would be, or not at all."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from services.core.library.collections import Collections
from services.core.store.database import Database
from services.core.store.schema import metadata
from services.core.tenants.keys import Keys
from tests.contract.postgres_server import PostgresServer

AUDIT = """
INSERT INTO audit_records (at, action, target_type, target_id, address, request_id)
VALUES (1, 'create', 'tenant', 'id', '', '') RETURNING id
"""


async def execute(postgres: PostgresServer, name: str, statement: str) -> object:
    connection = await asyncpg.connect(postgres.url(name).replace("+asyncpg", ""))
    value = await connection.fetchval(statement)
    await connection.close()
    return value


async def new(postgres: PostgresServer) -> str:
    """One that was never used: what many uses leave behind makes another of the same name too large to be lent again."""
    name = f"new_{uuid4().hex[:12]}"
    await postgres.create(name)
    return name


async def test_one_that_is_lent_again_holds_no_row_and_counts_from_one(postgres):
    name = await new(postgres)
    database = Database(postgres.url(name))
    keys = Keys(database)
    tenant = (await keys.authenticate(await keys.create("first"))).tenant_id
    await Collections(database, shard_count=4).create(tenant, name="talks", collection_type="media-descriptions")
    await database.close()
    assert await execute(postgres, name, AUDIT) > 1  # no row of which may be deleted
    await postgres.take_back(name)
    assert await postgres.lend() == name
    rows = [await execute(postgres, name, f"SELECT count(*) FROM {table}") for table in metadata.tables]
    assert sum(rows) == 0
    assert await execute(postgres, name, AUDIT) == 1
    await postgres.take_back(name)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE files ADD COLUMN more text",
        "ALTER TABLE files ALTER COLUMN tenant_id DROP NOT NULL",
        "DROP INDEX audit_records_by_time",
        "DROP TRIGGER audit_records_append_only ON audit_records",
        "CREATE TABLE more (id int)",
        "UPDATE alembic_version SET version_num = '9999'",
        "INSERT INTO tenants (id, name, created_at) SELECT n, n, n FROM generate_series(1, 50000) n",
        "ANALYZE",
    ],
)
async def test_one_that_is_no_longer_as_a_new_one_is_not_lent_again(postgres, statement):
    name = await new(postgres)
    await execute(postgres, name, statement)
    await postgres.take_back(name)
    other = await postgres.lend()
    assert other != name
    assert await execute(postgres, other, "SELECT count(*) FROM files") == 0
    await postgres.take_back(other)


async def test_what_the_server_notes_of_its_own_tables_makes_no_other_of_it(postgres):
    name = await new(postgres)
    await execute(postgres, name, "ANALYZE pg_class")
    await postgres.take_back(name)
    assert await postgres.lend() == name
    await postgres.take_back(name)


async def test_whoever_still_writes_to_it_is_cut_off_first(postgres):
    name = await new(postgres)
    connection = await asyncpg.connect(postgres.url(name).replace("+asyncpg", ""))
    writing = connection.transaction()
    await writing.start()
    await connection.execute(AUDIT)
    await postgres.take_back(name)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await writing.commit()
    assert await postgres.lend() == name
    assert await execute(postgres, name, "SELECT count(*) FROM audit_records") == 0
    await postgres.take_back(name)
