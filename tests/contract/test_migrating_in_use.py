"""Migrations of a database that others use: each version by itself, short waits, indexes that stop nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text

from services.core.errors import ArcusError, Reason
from services.core.store import migration
from services.core.store.database import Database
from services.core.store.indexes import build_index


def _downgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migration.MIGRATIONS))
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


async def _go_back(database: Database, revision: str) -> None:
    async with database.write() as connection:
        await connection.run_sync(_downgrade, revision)


@pytest.fixture
async def in_use(postgres) -> AsyncIterator[Database]:
    name = await postgres.lend()
    database = Database(postgres.url(name))
    yield database
    await database.close()
    await postgres.take_back(name)


async def test_versions_up_to_one_whose_table_stays_in_use_are_kept_and_the_rest_follow(in_use, monkeypatch):
    await _go_back(in_use, "0007")
    monkeypatch.setattr(migration, "PAUSE_SECONDS", 0.01)
    async with in_use.write() as connection:
        await connection.execute(text("SELECT count(*) FROM jobs"))  # a reader that stays; 0009 adds a column
        with pytest.raises(ArcusError, match="stays at version 0008") as caught:
            await migration.upgrade_postgres(in_use.url, lock_seconds=0.1, tries=2)
        assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
        assert await in_use.schema() == "0008"
    await in_use.migrate()
    assert await in_use.schema() == migration.NEEDED


async def test_a_version_that_waits_for_a_reader_lets_others_read_between_its_tries(in_use):
    """Its own wait is what others would wait behind."""
    await _go_back(in_use, "0008")
    async with in_use.write() as long_one:
        await long_one.execute(text("SELECT count(*) FROM jobs"))
        migrating = asyncio.create_task(migration.upgrade_postgres(in_use.url, lock_seconds=0.2))
        async with in_use.read() as watching:
            waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
            while not (await watching.execute(waits)).scalar_one():  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
        async with asyncio.timeout(60), in_use.read() as short_one:
            await short_one.execute(text("SELECT count(*) FROM jobs"))
        assert not migrating.done()
    await migrating
    assert await in_use.schema() == migration.NEEDED


async def test_several_processes_migrate_a_new_database_once(postgres):
    name = f"test_{uuid4().hex}"
    await postgres.create(name, template="template0")
    databases = [Database(postgres.url(name)) for _ in range(4)]
    try:
        await asyncio.gather(*(each.migrate() for each in databases))
        assert {await each.schema() for each in databases} == {migration.NEEDED}
    finally:
        for each in databases:
            await each.close()
        await postgres.drop(name)


def _build(connection: Connection) -> None:
    context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
    with Operations.context(context), context.begin_transaction():
        build_index("jobs_by_try", "jobs", ["attempts"])


async def test_an_index_is_built_while_others_write_and_after_a_failure_anew(in_use):
    valid = text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'jobs_by_try'::regclass")
    update = text("UPDATE jobs SET attempts = 1")
    async with in_use._engine.connect() as building:
        async with in_use.write() as first:
            await first.execute(update)
            task = asyncio.create_task(building.run_sync(_build))
            async with in_use.read() as watching:
                begun = text("SELECT count(*) FROM pg_class WHERE relname = 'jobs_by_try'")
                while not (await watching.execute(begun)).scalar_one():
                    assert not task.done(), task.exception()
                    await asyncio.sleep(0.01)
            async with asyncio.timeout(60), in_use.write() as second:
                await second.execute(update)
            assert not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    async with in_use._engine.connect() as building:
        await building.run_sync(_build)
    async with in_use.read() as connection:
        assert (await connection.execute(valid)).scalar_one()


async def test_what_does_not_migrate_waits_for_the_tables_and_says_what_it_misses(database):
    await _go_back(database, "0012")
    with pytest.raises(
        ArcusError, match=f"version 0012, and {migration.NEEDED} is needed: run `arcus migrate`"
    ) as caught:
        await database.prepare(migrate=False)
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    assert await database.schema() == "0012", "it changes nothing"
    waiting = asyncio.create_task(database.prepare(migrate=False, wait_seconds=60))
    await database.migrate()
    await waiting


async def test_a_program_that_does_not_migrate_works_on_tables_of_a_newer_one(database):
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.prepare(migrate=False)
