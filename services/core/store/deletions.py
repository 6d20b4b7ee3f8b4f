"""Deletes the objects of deleted rows and of uploads that never ended, from the list that the database keeps."""

from __future__ import annotations

from sqlalchemy import delete, select

from services.core.clock import now_ms
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.schema import object_deletions

BATCH = 100


async def sweep(database: Database, objects: Objects) -> int:
    """Deletes at most BATCH folders that are due; returns how many. Safe to run anywhere, at any time, repeatedly."""
    due = select(object_deletions.c.prefix).where(object_deletions.c.not_before <= now_ms()).limit(BATCH)
    async with database.read() as connection:
        prefixes = list((await connection.execute(due)).scalars())
    for prefix in prefixes:
        await objects.delete_prefix(prefix)
    if prefixes:
        async with database.write() as connection:
            await connection.execute(delete(object_deletions).where(object_deletions.c.prefix.in_(prefixes)))
    return len(prefixes)
