"""The database: SQLite in the data folder or PostgreSQL, through one SQLAlchemy engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import structlog
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    QueuePool,
    Row,
    String,
    cast,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.core.errors import ArcusError, Reason, invalid
from services.core.store import migration
from services.core.store.comparisons import json_holds, text_form, text_is_like
from services.core.store.free_space import FreeSpace
from services.core.store.glances import Glances
from services.core.store.notices import Notices
from services.core.store.pool_pings import ping_after_pause
from services.core.store.postgres_sessions import session_settings

BUSY_TIMEOUT_SECONDS = 30
DIRECT_THREADS = 2
SCHEMA_POLL_SECONDS = 0.5
SETUP_LOCK = 7146725  # any number, the same in every process
POOL_SIZE = 5
STATEMENT_SECONDS = 60.0
Result = TypeVar("Result")
UNAVAILABLE = (
    "locked",
    "connect",
    "deadlock",
    "starting up",
    "shutting down",
    "too many clients",
    "unable to open",
    "timeout",
)
DAMAGED = ("malformed", "not a database", "invalid page", "could not read block")

log = structlog.get_logger(__name__)


class DamagedDatabaseError(ArcusError):
    """What is stored can't be read: no new try mends it."""

    def __init__(self) -> None:
        super().__init__(
            Reason.STORAGE_UNAVAILABLE, "The database is damaged; restore it from a backup, then start again."
        )


class Database:
    """Hands out connections. Each statement of a `read()` sees the newest commit; a `write()` is one transaction."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = POOL_SIZE,
        statement_seconds: float = STATEMENT_SECONDS,
        min_free_bytes: int = 0,
    ) -> None:
        """`min_free_bytes`: what `check_space` keeps free on SQLite's disk.

        `pool_size`: connections kept open; as many more are made while they are all in use. PostgreSQL ends a statement
        after `statement_seconds`, one that waits for a lock and a transaction that stands still too; 0 means never.
        """
        self.is_sqlite = url.startswith("sqlite")
        self._space: FreeSpace | None = None
        self._damage: Path | None = None  # where any process notes that it found the file damaged, for all to see
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": pool_size, "pool_timeout": 30}
        options["hide_parameters"] = True  # else what people ask and say stands in errors, and so in logs
        if self.is_sqlite:
            path = Path(url.split("///", 1)[1])
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise invalid(
                    f"The folder {path.parent} can't be made ({error.strerror}); set ARCUS_DATA_DIR to another."
                ) from error
            self._space = FreeSpace(path.parent, min_free_bytes)
            self._damage = path.with_name(path.name + ".damaged")
            options["connect_args"] = {"timeout": BUSY_TIMEOUT_SECONDS}
        else:
            options["pool_use_lifo"] = True  # what was used last is the least likely to have died meanwhile
            options["connect_args"] = {"server_settings": session_settings(statement_seconds)}
        self.url = url
        self.glances = Glances(url)
        self._engine = create_async_engine(url, **options)
        # Behind many requests some would not come in time, and have a connection of their own: SQLite's writer, which
        # holds its turn while it waits for one and for a thread, and on PostgreSQL leases.
        self._own_engine = create_async_engine(url, **{**options, "pool_size": 1, "max_overflow": 0})
        # aiosqlite goes to its thread and back about six times for one query, which here costs more than the query.
        self._direct: Engine | None = None
        if self.is_sqlite:
            sync_url = make_url(url).set(drivername="sqlite")
            self._direct = create_engine(
                sync_url, poolclass=QueuePool, connect_args=options["connect_args"], hide_parameters=True
            )
            event.listen(self._direct, "connect", _prepare_sqlite)
            event.listen(self._direct, "begin", _begin_sqlite)
        self._readers = ThreadPoolExecutor(DIRECT_THREADS, thread_name_prefix="sqlite")
        self._writers = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._direct_reads = 0
        self._connecting = 0
        self._writing = asyncio.Lock()
        self._writer = (self._own_engine if self.is_sqlite else self._engine).execution_options(arcus_write=True)
        self._reader = self._engine
        engines = (self._engine.sync_engine, self._own_engine.sync_engine)
        if self.is_sqlite:
            for engine in engines:
                event.listen(engine, "connect", _prepare_sqlite)
                event.listen(engine, "begin", _begin_sqlite)
        else:  # a read is one round trip: no BEGIN before it, no ROLLBACK after, and no ping but after a pause
            self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            for engine in engines:
                ping_after_pause(engine)
        self.notices = Notices(url, self._reader)

    @property
    def engines(self) -> Sequence[Engine]:
        """All that statements go through, for who wants to watch them."""
        return [self._engine.sync_engine, self._own_engine.sync_engine, *([self._direct] if self._direct else [])]

    @property
    def waiting(self) -> int:
        """How many wait for a connection, a thread or their turn to write."""
        return self._connecting + max(0, self._direct_reads - DIRECT_THREADS)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with _mapped(self._damage):
            async with AsyncExitStack() as stack:
                with self._counted_waiting():
                    connection = await stack.enter_async_context(self._reader.connect())
                yield connection

    async def fetch(self, query: Executable, values: Mapping[str, Any] = MappingProxyType({})) -> Sequence[Row]:
        """All rows of one query. values: of the query's parameters, for a query that is built once."""
        return await self.reading(lambda connection: connection.execute(query, values).all())

    async def store(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """One statement for all rows, in a transaction."""
        await self.writing(lambda connection: connection.execute(statement, rows))

    async def reading(self, work: Callable[[Connection], Result]) -> Result:
        """A `read()` in one trip, for where many requests wait for it: `work` runs in a thread, or in a greenlet."""
        if self._direct is None:
            async with self.read() as connection:
                return await connection.run_sync(work)
        self._direct_reads += 1
        try:
            with _mapped(self._damage):
                return await asyncio.get_running_loop().run_in_executor(self._readers, _read, self._direct, work)
        finally:
            self._direct_reads -= 1

    async def writing(self, work: Callable[[Connection], Result]) -> Result:
        """A `write()` in one trip: `work` is one transaction."""
        if self._direct is None:
            async with self.write() as connection:
                return await connection.run_sync(work)
        with _mapped(self._damage):
            async with self._turn():
                return await asyncio.get_running_loop().run_in_executor(self._writers, _write, self._direct, work)

    async def renewing(self, work: Callable[[Connection], Result]) -> Result:
        """A `writing()` of leases, which lapse where they are not renewed in time: it waits for no request."""
        if self.is_sqlite:
            return await self.writing(work)
        with _mapped(self._damage):
            async with self._own_engine.begin() as connection:
                return await connection.run_sync(work)

    async def charge(self, statement: Executable, values: Mapping[str, Any]) -> Sequence[Row]:
        """One statement that writes, as a transaction of its own, in one round trip; its rows, if it returns any."""

        def work(connection: Connection) -> Sequence[Row]:
            result = connection.execute(statement, values)
            return result.all() if result.returns_rows else []

        return await (self.writing(work) if self.is_sqlite else self.reading(work))

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        with _mapped(self._damage):
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self._turn())
                with self._counted_waiting():
                    connection = await stack.enter_async_context(self._writer.begin())
                yield connection

    @contextmanager
    def _counted_waiting(self) -> Iterator[None]:
        self._connecting += 1
        try:
            yield
        finally:
            self._connecting -= 1

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One writer at a time in this process: they would only wait for SQLite's lock, and without an order."""
        if not self.is_sqlite:
            yield
            return
        with self._counted_waiting():
            async with asyncio.timeout(BUSY_TIMEOUT_SECONDS):
                await self._writing.acquire()
        try:
            yield
        finally:
            self._writing.release()

    def check_space(self) -> None:
        """Before something more is kept for a client. What runs already, and what is deleted, may use the reserve.

        Raises STORAGE_FULL where it is reached. PostgreSQL watches its own disk.
        """
        if self._space is not None:
            self._space.check()

    def among(self, column: ColumnElement, ids: Collection[str] | ColumnElement[str]) -> ColumnElement[bool]:
        """Whether a column holds one of the ids (or of a parameter that is JSON): one statement for any number of them."""
        array = ids if isinstance(ids, ColumnElement) else json.dumps(list(ids))
        if self.is_sqlite:
            return column.in_(select(func.json_each(array).table_valued("value").c.value))
        return column.in_(select(func.json_array_elements_text(cast(cast(array, String), JSON)).column_valued()))

    async def migrate(self) -> None:
        """Brings the tables to the newest version. Safe to run from several processes at once."""
        if await self.schema() != migration.NEEDED:
            if self.is_sqlite:
                while await self._upgrade_one():
                    pass
            else:
                with _mapped(None):
                    await migration.upgrade_postgres(self.url)
        await self._look_at_damage()

    async def _upgrade_one(self) -> bool:
        async with self.write() as connection:
            return await connection.run_sync(migration.upgrade_one)

    async def schema(self) -> str:
        """The version of the tables; empty in a new database."""
        return await self.reading(migration.found)

    async def await_schema(self, seconds: float = 0.0) -> None:
        """Returns when the tables are what this program needs, or newer: what a version adds, older programs don't miss.

        Raises STORAGE_UNAVAILABLE where they are not after so long.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        told = ""
        while True:
            try:
                version = await self.schema()
                if version >= migration.NEEDED:
                    return await self._look_at_damage()
                problem = f"its tables have version {version or 'none'}, and {migration.NEEDED} is needed: run `arcus migrate`"
            except DamagedDatabaseError:
                raise
            except ArcusError as error:
                problem = error.message
            if asyncio.get_running_loop().time() >= deadline:
                raise ArcusError(Reason.STORAGE_UNAVAILABLE, f"The database can't be used yet: {problem}")
            if problem != told:
                told = problem
                log.warning("waits_for_the_database", problem=problem)
            await asyncio.sleep(SCHEMA_POLL_SECONDS)

    async def prepare(self, *, migrate: bool, wait_seconds: float = 0.0) -> None:
        """At the start of what uses the tables: migrates, or waits until somebody has."""
        if migrate:
            await self.migrate()
        else:
            await self.await_schema(wait_seconds)

    async def _look_at_damage(self) -> None:
        """What was found damaged may have been restored before this start."""
        if self._damage is None or not self._damage.exists():
            return
        async with self.read() as connection:
            found = (await connection.exec_driver_sql("PRAGMA quick_check(1)")).scalar()
        if found == "ok":
            self._damage.unlink(missing_ok=True)

    async def check(self) -> None:
        """Raises STORAGE_UNAVAILABLE where the database is away, or where any process has found it damaged."""
        async with self.read() as connection:
            await connection.exec_driver_sql("SELECT 1")
        if self._damage is not None and self._damage.exists():
            raise DamagedDatabaseError

    async def lock(self, connection: AsyncConnection) -> None:
        """Keeps other set-up (shards, keys) out until the transaction ends; SQLite's writer is alone anyway."""
        if not self.is_sqlite:
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SETUP_LOCK})")

    async def close(self) -> None:
        await asyncio.gather(self._engine.dispose(), self._own_engine.dispose())
        self._readers.shutdown()
        self._writers.shutdown()
        if self._direct is not None:
            self._direct.dispose()
        self.glances.close()


def _read(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    with engine.connect() as connection:
        return work(connection)


def _write(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    with engine.execution_options(arcus_write=True).begin() as connection:
        return work(connection)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy says BEGIN itself, below
    connection.create_function("arcus_holds", 4, json_holds, deterministic=True)
    connection.create_function("arcus_text_form", 1, text_form, deterministic=True)
    connection.create_function("arcus_is_like", 2, text_is_like, deterministic=True)
    connection.create_function("ln", 1, math.log, deterministic=True)  # which not every build has
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns into a write can fail at once with "locked"; an immediate one waits its turn.
    # A read needs no BEGIN: each of its statements sees the newest commit, as on PostgreSQL.
    if connection.get_execution_options().get("arcus_write"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


class _mapped:
    """Turns driver errors into ArcusError, in this one place. Integrity errors pass: the caller knows their meaning."""

    def __init__(self, damage: Path | None) -> None:
        self._damage = damage

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, IntegrityError):
            return
        if isinstance(error, UnicodeEncodeError) or "surrogates not allowed" in str(error):
            raise invalid("The text holds characters that are not valid Unicode.") from error
        if isinstance(error, DBAPIError):
            text = str(error.orig).lower()
            if ("full" in text and "disk" in text) or "no space left" in text:
                raise ArcusError(Reason.STORAGE_FULL) from error
            if any(word in text for word in DAMAGED):
                if self._damage is not None:
                    with contextlib.suppress(OSError):
                        self._damage.touch()
                raise DamagedDatabaseError from error
            if "readonly" in text or "read-only" in text:
                raise ArcusError(Reason.STORAGE_UNAVAILABLE, "Storage can't be written to; try again later.") from error
            if "invalid byte sequence" in text:
                raise invalid("The text holds a NUL character; leave it out.") from error
            if error.connection_invalidated or any(word in text for word in UNAVAILABLE):
                raise ArcusError(Reason.STORAGE_UNAVAILABLE) from error
        elif isinstance(error, OSError | PoolTimeoutError) or _is_asyncpg(error):
            raise ArcusError(Reason.STORAGE_UNAVAILABLE) from error


def _is_asyncpg(error: BaseException | None) -> bool:
    """Raised while it connects, where SQLAlchemy does not wrap what the driver raises."""
    return error is not None and type(error).__module__.startswith("asyncpg.")
