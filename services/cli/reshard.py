"""`arcus reshard`: moves files between index shards and shows how many."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from services.core.index.reshard import reshard
from services.core.settings import load_settings
from services.core.store.database import Database


async def spread(data_dir: Path, shard_count: int) -> int:
    """Returns how many files moved."""
    settings = load_settings(data_dir=data_dir)
    database = Database(settings.database)
    try:
        await database.prepare(migrate=settings.migrate_on_start)
        with Console(stderr=True).status("0 files moved") as status:
            return await reshard(
                database,
                shard_count,
                spread_vectors=settings.index_spread_vectors,
                on_moved=lambda moved: status.update(f"{moved} files moved"),
            )
    finally:
        await database.close()
