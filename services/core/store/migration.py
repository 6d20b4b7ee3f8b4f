"""The version of the database's tables: what this program needs, what is there, and the way from one to the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, NullPool, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.core.errors import ArcusError, Reason, invalid

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parent / "migrations"
NEEDED = max(path.stem[:4] for path in (MIGRATIONS / "versions").glob("*.py"))
LOCK_SECONDS = 2.0  # that a version waits for a table, while every statement on it waits behind
LOCK_TRIES = 30
PAUSE_SECONDS = 1.0  # between tries, for those statements
MIGRATION_LOCK = 7146726  # any number but that of set-up, the same in every process
POLL_SECONDS = 0.2
ALONE_SECONDS = 3600.0  # that another process may take to migrate
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code


def found(connection: Connection) -> str:
    """The version that alembic noted; empty in a new database."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none() or ""


def upgrade_one(connection: Connection) -> bool:
    """Goes on by one version; False where there is nothing to do. Raises INVALID_ARGUMENT in a newer database."""
    version = found(connection)
    if version == NEEDED:
        return False
    if version > NEEDED:
        raise invalid(
            f"The database is of a newer Arcus: its tables have version {version}, and this one knows up to {NEEDED}. "
            "Run that Arcus, or restore a copy from before it."
        )
    # A quarter of a second, which every process would take that opens a database.
    from alembic.runtime.environment import EnvironmentContext

    config, scripts = _config(), _scripts()
    if connection.dialect.name == "postgresql":
        connection.rollback()  # what was read: each version begins a transaction of its own
    config.attributes["connection"] = connection
    with EnvironmentContext(
        config, scripts, fn=lambda revision, _: scripts._upgrade_revs("+1", revision), destination_rev="+1"
    ):
        scripts.run_env()
    return True


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


@lru_cache(maxsize=1)
def _scripts() -> ScriptDirectory:
    """Read once: `alembic.command` reads all versions again for each of them."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


async def upgrade_postgres(url: str, *, lock_seconds: float = LOCK_SECONDS, tries: int = LOCK_TRIES) -> None:
    """Each version in a transaction of its own, which waits shortly for a table and tries again.

    Raises STORAGE_UNAVAILABLE where a table stays in use; what was done until there stays done.
    """
    milliseconds = str(round(lock_seconds * 1000))
    engine = create_async_engine(
        url, poolclass=NullPool, connect_args={"server_settings": {"lock_timeout": milliseconds}}
    )
    try:
        async with _alone(engine), engine.connect() as connection:
            tried = 0
            while True:
                try:
                    if not await connection.run_sync(upgrade_one):
                        return
                    tried = 0
                except DBAPIError as error:
                    if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                        raise
                    await connection.rollback()
                    tried += 1
                    if tried >= tries:
                        at = await connection.run_sync(found)
                        raise ArcusError(
                            Reason.STORAGE_UNAVAILABLE,
                            f"The database stays at version {at or 'none'} of its tables: one that the next version changes "
                            f"was in use at each of {tries} tries. End long transactions (pg_stat_activity), then run "
                            "`arcus migrate` again.",
                        ) from error
                    await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """Keeps other migrations out.

    The lock is asked for again and again: a statement that waited for it would hold a snapshot, for whose end an index that
    is built concurrently waits.
    """
    async with engine.connect() as connection:
        held = await connection.execution_options(isolation_level="AUTOCOMMIT")
        deadline = asyncio.get_running_loop().time() + ALONE_SECONDS
        while not (await held.exec_driver_sql(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK})")).scalar_one():
            if asyncio.get_running_loop().time() > deadline:
                raise ArcusError(Reason.STORAGE_UNAVAILABLE, "Another process migrates the database; try again later.")
            await asyncio.sleep(POLL_SECONDS)
        yield  # the lock ends with its connection
