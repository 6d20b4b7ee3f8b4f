"""A PostgreSQL that belongs to one test session."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from services.core.store.database import Database
from tests.waiting import until

STARTS = 5
GROWN_BYTES = 2 * 1024**2  # what deleted rows may leave behind

# Changes with every definition that is made, changed or dropped, with the version, and with what ANALYZE notes of our tables:
# the server looks at its own whenever it likes, in the template too.
DEFINITIONS = "SELECT " + ", ".join(
    f"(SELECT ARRAY[count(*), max(xmin::text::bigint)] FROM {table})"
    for table in (
        *("pg_class", "pg_attribute", "pg_constraint", "pg_index", "pg_proc", "pg_trigger", "alembic_version"),
        "pg_statistic WHERE starelid >= 16384",  # FirstNormalObjectId
    )
)
DELETE_ROWS = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    PERFORM setval(format('%I', sequencename), start_value, false)
    FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$
"""
END_OTHERS = """
SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def installed_postgres() -> Path:
    """The folder of its programs. Skips the test where there is none, and fails it in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found += [Path(path) for path in [shutil.which("initdb")] if path]
    if not found:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed; CI installs Debian's postgresql")
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return found[-1].parent


class PostgresServer:
    """A PostgreSQL of the test session's own, on a Unix socket, with one migrated template to clone.

    With `enter`, the words before a command that shall run on another host, it also listens at that host's 5432.
    """

    def __init__(self, binaries: Path, enter: Sequence[str] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="arcus-postgres-"))
        # PostgreSQL refuses to run as root.
        account = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        os.chown(self._folder, account.pw_uid, account.pw_gid)
        self._user = account.pw_name
        who: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        options: dict[str, Any] = {**(who if os.geteuid() == 0 else {}), "cwd": self._folder}
        data = self._folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            **options,
        )
        if enter:
            with (data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all all trust\n")
            become = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
            enter, options = [*enter, *become], {"cwd": self._folder}
        settings = [
            f"listen_addresses={'*' if enter else ''}",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=100",
        ]
        self._log = (self._folder / "log").open("wb")
        command = [*enter, str(binaries / "postgres"), "-D", str(data), "-k", str(self._folder)]
        self._start = lambda: subprocess.Popen(
            command + [part for setting in settings for part in ("-c", setting)],
            stdout=self._log,
            stderr=self._log,
            **options,
        )
        self._process = self._start()
        self._idle: list[str] = []
        self._lent = 0

    def restart(self) -> None:
        """As an operator does it: whoever is connected is cut off."""
        self._process.send_signal(signal.SIGINT)  # a fast shutdown
        self._process.wait(timeout=60)
        self._start_again()

    def crash(self) -> None:
        """All its processes are killed, and it is started again: it recovers by its log."""
        doomed = [*psutil.Process(self._process.pid).children(recursive=True), self._process]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(timeout=60)
        psutil.wait_procs(doomed[:-1], timeout=60)
        for socket in self._folder.glob(".s.PGSQL.*"):
            socket.unlink()
        self._start_again()

    def _start_again(self) -> None:
        """One that ends as it starts is started again."""
        for _ in range(STARTS):
            self._process = self._start()
            until(lambda: self._is_open() or self._process.poll() is not None, "PostgreSQL opens its socket", 120)
            if self._is_open():
                return
        raise RuntimeError((self._folder / "log").read_text())

    def _is_open(self) -> bool:
        return any(self._folder.glob(".s.PGSQL.*[0-9]"))

    async def prepare(self) -> None:
        await self.until_open()
        await self.create("template_arcus", template="template0")
        await migrate(self.url("template_arcus"))
        connection = await self._connect("template_arcus")
        try:
            self._made, self._made_bytes = await self._form(connection)
        finally:
            await connection.close()

    async def until_open(self) -> None:
        """It takes connections; raises RuntimeError with its log where it ends before, or takes too long."""
        for _ in range(200):
            try:
                await (await self._connect()).close()
                break
            except (OSError, asyncpg.CannotConnectNowError):
                if self._process.poll() is not None:
                    break
                await asyncio.sleep(0.05)
        else:
            raise RuntimeError((self._folder / "log").read_text())

    def url(self, name: str) -> str:
        return f"postgresql+asyncpg://{self._user}@/{name}?host={self._folder}"

    async def create(self, name: str, template: str = "template_arcus") -> None:
        # Half the time of writing each page to a log that is never read.
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')

    async def lend(self) -> str:
        """The name of a migrated database without rows, for `take_back` when it was used: copying one takes longer."""
        if self._idle:
            return self._idle.pop()
        self._lent += 1
        await self.create(f"lent_{self._lent}")
        return f"lent_{self._lent}"

    async def take_back(self, name: str) -> None:
        """Takes its rows away; drops it where the definition of a table isn't what it was, or where it grew large."""
        connection = await self._connect(name, session_replication_role="replica")  # without triggers
        try:
            await connection.execute(END_OTHERS)
            form, size_bytes = await self._form(connection)
            is_kept = form == self._made and size_bytes <= self._made_bytes + GROWN_BYTES
            if is_kept:
                await connection.execute(DELETE_ROWS)
        finally:
            await connection.close()
        if is_kept:
            self._idle.append(name)
        else:
            await self.drop(name)

    async def drop(self, name: str) -> None:
        await self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # a fast shutdown
        self._process.wait(timeout=30)
        self._log.close()
        shutil.rmtree(self._folder)

    async def _form(self, connection: asyncpg.Connection) -> tuple[list[list[int]], int]:
        """What `DEFINITIONS` tells of a database, and its size in bytes."""
        size_bytes = await connection.fetchval("SELECT pg_database_size(current_database())")
        return list(await connection.fetchrow(DEFINITIONS)), size_bytes

    async def _connect(self, name: str = "postgres", **settings: str) -> asyncpg.Connection:
        try:
            return await asyncpg.connect(
                user=self._user, database=name, host=str(self._folder), server_settings=settings or None
            )
        except OSError as error:
            if self._process.poll() is None:
                raise
            raise RuntimeError((self._folder / "log").read_text()[-4000:]) from error

    async def _execute(self, statement: str) -> None:
        connection = await self._connect()
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


async def migrate(url: str) -> None:
    database = Database(url)
    await database.migrate()
    await database.close()
