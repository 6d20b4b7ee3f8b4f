"""Keys from the command line, with the system running or not: they are rows of the database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from services.core.settings import Settings, load_settings
from services.core.store.database import Database
from services.core.tenants.keys import Keys

T = TypeVar("T")


def with_keys(data_dir: Path, use: Callable[[Keys], Awaitable[T]]) -> T:
    async def run() -> T:
        settings = load_settings(data_dir=data_dir)
        database = Database(settings.database)
        try:
            await database.prepare(migrate=settings.migrate_on_start)
            return await use(Keys(database))
        finally:
            await database.close()

    return asyncio.run(run())


async def start_key(settings: Settings) -> str:
    """The key that `arcus up` prints: that of ARCUS_API_KEY, or one made once and kept in the data folder, mode 0600."""
    given = settings.api_key.get_secret_value()
    path = settings.data_dir / "api_key"
    if not given and path.exists():
        given = path.read_text().strip()
    database = Database(settings.database)
    try:
        await database.prepare(migrate=settings.migrate_on_start)
        key = await Keys(database).create("default", given or None)
    finally:
        await database.close()
    if not settings.api_key.get_secret_value() and not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key + "\n")
    return key
