"""Tenants and keys from the command line, with the system running or not: they are rows of the database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr

from services.core.settings import Settings, load_settings
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.tenants.admin_keys import AdminKeys
from services.core.tenants.keys import Keys
from services.core.tenants.plans import load_plans
from services.core.tenants.tenants import Tenants

T = TypeVar("T")


def with_database(data_dir: Path, use: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        settings = load_settings(data_dir=data_dir)
        database = Database(settings.database)
        try:
            await database.prepare(migrate=settings.migrate_on_start)
            return await use(database)
        finally:
            await database.close()

    return asyncio.run(run())


def with_storage(data_dir: Path, use: Callable[[Database, Objects], Awaitable[T]]) -> T:
    objects = Objects(load_settings(data_dir=data_dir).objects)
    return with_database(data_dir, lambda database: use(database, objects))


def with_keys(data_dir: Path, use: Callable[[Keys], Awaitable[T]]) -> T:
    return with_database(data_dir, lambda database: use(Keys(database)))


def with_tenants(data_dir: Path, use: Callable[[Tenants], Awaitable[T]]) -> T:
    plans = load_plans(load_settings(data_dir=data_dir).plans)
    return with_database(data_dir, lambda database: use(Tenants(database, plans)))


async def start_key(settings: Settings) -> str:
    """The key that `arcus up` prints: that of ARCUS_API_KEY, or one made once and kept in the data folder, mode 0600.

    An admin key is kept there too, or taken from ARCUS_ADMIN_KEY. It is not printed.
    """
    database = Database(settings.database)
    try:
        await database.prepare(migrate=settings.migrate_on_start)
        given, kept = _given(settings.api_key, settings.data_dir / "api_key")
        key = await Keys(database).create("default", given or None)
        if not kept:
            _keep(settings.data_dir / "api_key", key)
        admin_keys = AdminKeys(database)
        given, kept = _given(settings.admin_key, settings.data_dir / "admin_key")
        if given:
            await admin_keys.ensure(given, "start")
        else:
            given, _ = await admin_keys.create("start")
        if not kept:
            _keep(settings.data_dir / "admin_key", given)
    finally:
        await database.close()
    return key


def _given(setting: SecretStr, path: Path) -> tuple[str, bool]:
    """A key from the settings or from its file, empty if there is neither; and whether it is not to be written."""
    given = setting.get_secret_value()
    if given:
        return given, True
    return (path.read_text().strip(), True) if path.exists() else ("", False)


def _keep(path: Path, key: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")
