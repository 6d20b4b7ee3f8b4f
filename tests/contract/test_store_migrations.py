import asyncio
import importlib
import pkgutil
from collections.abc import Callable

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, UniqueConstraint, inspect, select

from services.core import store
from services.core.errors import ArcusError
from services.core.index.shards import ensure_shards
from services.core.store.database import Database
from services.core.store.migration import MIGRATIONS
from services.core.store.schema import collection_files, collection_shards, metadata
from tests.contract.store_steps import SHARDS

for module in pkgutil.iter_modules(store.__path__):  # a table is known once its module is imported
    importlib.import_module(f"{store.__name__}.{module.name}")

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


def _unindexed(connection: Connection) -> list[str]:
    """Foreign keys whose columns are not the first of some index, by the tables as they are in the database."""
    found, tables = [], inspect(connection)
    for table in set(tables.get_table_names()) & set(metadata.tables):
        indexes = [tables.get_pk_constraint(table)["constrained_columns"]]
        indexes += [index["column_names"] for index in tables.get_indexes(table)]
        indexes += [unique["column_names"] for unique in tables.get_unique_constraints(table)]
        for key in tables.get_foreign_keys(table):
            columns = key["constrained_columns"]
            if not any(set(index[: len(columns)]) == set(columns) for index in indexes):
                found.append(f"{table}({', '.join(columns)})")
    return found


async def test_every_foreign_key_leads_an_index_so_that_deleting_what_it_names_reads_no_other_rows(database):
    async with database.read() as connection:
        assert await connection.run_sync(_unindexed) == []


def test_every_foreign_key_of_the_schema_leads_an_index():
    for table in metadata.tables.values():
        indexes = [list(index.columns) for index in table.indexes] + [list(table.primary_key.columns)]
        indexes += [list(c.columns) for c in table.constraints if isinstance(c, UniqueConstraint)]
        for key in table.foreign_key_constraints:
            columns = list(key.columns)
            assert any(set(index[: len(columns)]) == set(columns) for index in indexes), key


async def test_migrating_again_changes_nothing(database):
    await database.migrate()
    async with database.read() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert set(metadata.tables) <= set(names)


async def test_a_database_of_a_newer_version_is_refused_with_what_to_do(database):
    async with database.write() as connection:
        newest = (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalar_one()
        assert newest == ScriptDirectory(str(MIGRATIONS)).get_current_head(), "files are named by their revision"
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ArcusError, match="newer Arcus: its tables have version 9999"):
        await database.migrate()


async def test_several_fronts_may_migrate_and_count_shards_at_once(database_url):
    databases = [Database(database_url) for _ in range(4)]
    try:
        await asyncio.gather(*(each.migrate() for each in databases))
        await asyncio.gather(*(ensure_shards(each, SHARDS) for each in databases))
    finally:
        for each in databases:
            await each.close()


async def test_what_was_stored_in_one_shard_a_collection_stays_where_it_is(store):
    """Shards came to be recorded by file: those of data from before are their collection's."""
    collections = [await store.collection(name) for name in "abc"]
    file = await store.ready()
    for collection in collections[:2]:
        member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    before = await store.log.placements(collection.id for collection in collections)
    async with store.database.write() as connection:
        await connection.run_sync(_go, command.downgrade, "0006")
    await store.database.migrate()
    after = await store.log.placements(collection.id for collection in collections)
    assert sorted(after, key=str) == sorted(before, key=str) and len(after) == 2
    async with store.database.read() as connection:
        counted = (await connection.execute(select(collection_shards.c.vectors))).scalars().all()
        placed = (await connection.execute(select(collection_files.c.shard))).scalars().all()
    assert counted == [4, 4] and sorted(placed) == sorted(place.shard for place in before)


def _go(connection: Connection, move: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    move(config, revision)


async def test_what_was_stored_before_is_found_by_the_words_that_are_indexed_now(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    job, segments = await store.begin(member.description_id)
    await store.write(job, segments[0], "地铁延误的原因")
    async with store.database.write() as connection:
        await connection.run_sync(_go, command.downgrade, "0011")
        before = "SELECT 1 FROM segment_text WHERE segment_text MATCH '\"延误\"'"
        if not store.database.is_sqlite:
            before = "SELECT 1 FROM segment_descriptions WHERE text_vector @@ CAST('延误' AS tsquery)"
        assert (await connection.exec_driver_sql(before)).all() == []
    await store.database.migrate()
    (hit,) = await store.full_text.search(store.tenant, [collection.id], ["延误"], 10)
    assert hit.segment_id == segments[0].id
