import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from services.core.database import Database
from services.core.schema import metadata
from services.core.shards import ensure_shards
from tests.contract.store_steps import SHARDS

# Full text differs between the two databases and lives in the migration alone.
FULL_TEXT = ("segment_text", "segment_words", "text_vector")


def _differences(connection: Connection) -> list:
    def is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
        return not (name or "").startswith(FULL_TEXT)

    context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": is_ours})
    return compare_metadata(context, metadata)


async def test_the_migrations_make_the_tables_of_the_schema(database):
    async with database.read() as connection:
        assert await connection.run_sync(_differences) == []


async def test_migrating_again_changes_nothing(database):
    await database.migrate()
    async with database.read() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert set(metadata.tables) <= set(names)


async def test_several_fronts_may_migrate_and_count_shards_at_once(database_url):
    databases = [Database(database_url) for _ in range(4)]
    try:
        await asyncio.gather(*(each.migrate() for each in databases))
        await asyncio.gather(*(ensure_shards(each, SHARDS) for each in databases))
    finally:
        for each in databases:
            await each.close()
