"""A copy of the whole database at one moment, while others write to it, and the way back into an empty one."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

from sqlalchemy import NullPool, inspect, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.core.backup.manifest import DatabaseKind
from services.core.errors import ArcusError, Reason, invalid

FILES: dict[DatabaseKind, str] = {"sqlite": "database.sqlite", "postgresql": "database.pgdump"}
NO_LIMITS = dict.fromkeys(("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"), "0")
TOLD_CHARACTERS = 2000  # of what PostgreSQL's programs say


def kind_of(url: str) -> DatabaseKind:
    return "sqlite" if url.startswith("sqlite") else "postgresql"


def sqlite_path(url: str) -> Path:
    return Path(make_url(url).database or "")


@asynccontextmanager
async def dumped(url: str, folder: Path) -> AsyncIterator[AsyncConnection]:
    """Writes the copy into the folder; the connection reads the same moment. Raises STORAGE_UNAVAILABLE, STORAGE_FULL."""
    kind = kind_of(url)
    to = folder / FILES[kind]
    if kind == "sqlite":
        await asyncio.to_thread(_copy_sqlite, sqlite_path(url), to)
        url = f"sqlite+aiosqlite:///{to}"
    settings = {} if kind == "sqlite" else {"server_settings": {"application_name": "arcus backup", **NO_LIMITS}}
    engine = create_async_engine(url, poolclass=NullPool, connect_args=settings, hide_parameters=True)
    try:
        async with engine.connect() as connection:
            if kind == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ")
                snapshot = (await connection.exec_driver_sql("SELECT pg_export_snapshot()")).scalar_one()
                options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={to}"]
                await _run(["pg_dump", *options], url)
            yield connection
    finally:
        await engine.dispose()


async def tables(connection: AsyncConnection) -> list[str]:
    return sorted(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def load(url: str, folder: Path, to: Path | None = None) -> None:
    """Into an empty PostgreSQL database, in one transaction, or into the SQLite file `to`."""
    if to is not None:
        await asyncio.to_thread(shutil.copyfile, folder / FILES["sqlite"], to)
        return
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
    dump = str(folder / FILES["postgresql"])
    await _run(["pg_restore", *options, f"--dbname={make_url(url).database}", dump], url)


def _copy_sqlite(source: Path, to: Path) -> None:
    """In one step: SQLite reads one moment, and writers go on beside it."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as database,
            closing(sqlite3.connect(to)) as copy,
        ):
            database.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        if "full" in str(error):
            raise ArcusError(
                Reason.STORAGE_FULL, f"The disk of {to.parent.parent} is full; free space on it."
            ) from error
        raise ArcusError(Reason.STORAGE_UNAVAILABLE, f"{source} can't be copied: {error}.") from error
    if found != "ok":
        raise ArcusError(
            Reason.STORAGE_UNAVAILABLE, f"{source} is damaged ({found}); restore it from an earlier backup."
        )


async def _run(command: Sequence[str], url: str) -> None:
    """One of PostgreSQL's programs; the password goes by its environment."""
    at = make_url(url)
    host = at.host or at.query.get("host")
    given = {
        "PGHOST": host,
        "PGPORT": at.port or at.query.get("port"),
        "PGUSER": at.username,
        "PGPASSWORD": at.password,
        "PGDATABASE": at.database,
        "PGSSLMODE": at.query.get("ssl") or at.query.get("sslmode"),
    }
    environment = {**os.environ, **{name: str(value) for name, value in given.items() if value}}
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise invalid(
            f"{command[0]} is not installed; install PostgreSQL's clients, of the server's version or newer "
            "(Debian: postgresql-client)."
        ) from error
    try:
        _, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = told.decode(errors="replace").strip()[-TOLD_CHARACTERS:]
        reason = Reason.STORAGE_FULL if "No space left" in said else Reason.STORAGE_UNAVAILABLE
        raise ArcusError(reason, f"{command[0]} failed: {said}")
