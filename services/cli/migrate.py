"""`arcus migrate`: brings the database's tables to this program's version, or says whether they have it."""

from __future__ import annotations

import asyncio

from services.core.errors import ArcusError, Reason
from services.core.settings import load_settings
from services.core.store.database import Database
from services.core.store.migration import NEEDED

RETRY_SECONDS = 1.0


async def migrate(*, check: bool, wait_seconds: float) -> str:
    """Returns what to tell. Raises STORAGE_UNAVAILABLE where the database is away, or only looked at and behind, for so long."""
    database = Database(load_settings().database)
    try:
        if check:
            await database.await_schema(wait_seconds)
            return f"schema {await database.schema()}, needed {NEEDED}"
        before = await _reached(database, wait_seconds)
        if before > NEEDED:
            return f"schema {before} is of a newer Arcus, which this one works on as well; nothing to do"
        await database.migrate()
        return f"schema {before or 'none'} -> {NEEDED}" if before != NEEDED else f"schema {NEEDED}; nothing to do"
    finally:
        await database.close()


async def _reached(database: Database, wait_seconds: float) -> str:
    """The version that a database has, which may still be starting."""
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while True:
        try:
            return await database.schema()
        except ArcusError as error:
            is_late = asyncio.get_running_loop().time() >= deadline
            if error.reason is not Reason.STORAGE_UNAVAILABLE or is_late:
                raise
        await asyncio.sleep(RETRY_SECONDS)
