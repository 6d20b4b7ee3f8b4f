"""Read-only SQL over given rows, in processes of their own: no files, no network, bounded in time, memory and size.

DuckDB does not run inside the front: a call of repeat('x', 1e9) did not heed an interrupt for 23 s and used a gigabyte
beyond its memory limit (measured, DuckDB 2.0.1). A process can be killed.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from services.core.errors import ArcusError, Reason, invalid

MAX_STATEMENT_CHARACTERS = 20_000
MAX_TABLE_BYTES = 128 * 1024**2  # of all tables together
START_SECONDS = 20.0
GRACE_SECONDS = 1.0  # a worker ends itself this long after it should have been killed

log = structlog.get_logger()


@dataclass(frozen=True)
class SqlLimits:
    rows: int = 200
    bytes: int = 128 * 1024  # of the result's rows, as JSON
    processor_seconds: float = 5.0  # of one query, with the filling of its tables: the same on a busy machine
    seconds: float = 20.0  # by the clock
    wait_seconds: float = 10.0  # for a free worker


@dataclass(frozen=True)
class SqlBatch:
    """Some rows of a table."""

    rows: int
    columns: tuple[bytes, ...]  # of each a JSON array of its values
    same: tuple[int, ...] = ()  # the places of columns whose array holds one value, which all rows have


@dataclass(frozen=True)
class SqlTable:
    name: str
    columns: tuple[tuple[str, str], ...]  # (name, DuckDB type), names unique without regard to case
    batches: tuple[SqlBatch, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(len(column) for batch in self.batches for column in batch.columns)


@dataclass(frozen=True)
class SqlResult:
    columns: tuple[str, ...]
    rows: list[list[Any]]
    truncated: bool  # there were more rows, or they were too large


class _Worker:
    """One process. Its calls block; killing it from another thread ends them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services.nimbus.entities.sql_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            # Nothing of the front's environment: there are secrets in it.
            env={"PYTHONPATH": str(Path(__file__).parents[3]), "MALLOC_ARENA_MAX": "1", "HOME": "/nonexistent"},
        )
        self.pid = self._process.pid

    def wait_until_ready(self) -> bool:
        return self._receive() == b"ready"

    def run(self, header: bytes, tables: Sequence[SqlTable]) -> bytes | None:
        """The reply, or None when the process died. Of the tables it is sent what the statement reads."""
        reply = self._asked([header])
        wanted = json.loads(reply).get("wanted") if reply else None
        if wanted is None:
            return reply
        return self._asked(
            batch.columns[place]
            for table, places in zip(tables, wanted, strict=True)
            for batch in table.batches
            for place in places
        )

    def _asked(self, messages: Iterable[bytes]) -> bytes | None:
        assert self._process.stdin is not None
        try:
            for message in messages:
                self._process.stdin.write(len(message).to_bytes(4, "little"))
                self._process.stdin.write(message)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return None
        return self._receive()

    def _receive(self) -> bytes | None:
        stream = self._process.stdout
        assert stream is not None
        length = stream.read(4)
        if len(length) < 4:
            return None
        message = stream.read(int.from_bytes(length, "little"))
        return message if len(message) == int.from_bytes(length, "little") else None

    def ended_by(self) -> int:
        """The signal that ended a process whose stream has ended; 0 if it was none."""
        return max(0, -self._process.wait())

    def kill(self) -> None:
        self._process.kill()

    def reap(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # what was not yet sent to a process that is gone


class EntitySql:
    """At most `workers` queries at once; workers stay warm between queries and hold no rows then."""

    def __init__(self, *, workers: int = 2, limits: SqlLimits = SqlLimits()) -> None:
        self._limits = limits
        self._count = workers
        self._free = asyncio.Semaphore(workers)
        self._warm: list[_Worker] = []
        self._alive: set[_Worker] = set()
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="entity-sql")
        self._starting: set[asyncio.Task[None]] = set()
        self._closed = False

    def warm(self) -> None:
        """Starts the workers, if there are none, while something else is waited for."""
        for _ in range(self._count - len(self._alive) - len(self._starting)):
            task = asyncio.create_task(self._start_one(), name="entity-sql-start")
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def query(self, tables: Sequence[SqlTable], sql: str) -> SqlResult:
        """Runs one SELECT over these tables and nothing else.

        Raises INVALID_ARGUMENT for what may not run, fails or needs too much memory, DEADLINE_EXCEEDED, LIMIT_EXCEEDED
        where no worker is free in time.
        """
        if len(sql) > MAX_STATEMENT_CHARACTERS:
            raise invalid(f"The statement has more than {MAX_STATEMENT_CHARACTERS} characters")
        if "\0" in sql or any("\ud800" <= letter <= "\udfff" for letter in sql):
            raise invalid("The statement has characters that are not text")
        if sum(table.size_bytes for table in tables) > MAX_TABLE_BYTES:
            raise invalid(f"The tables have more than {MAX_TABLE_BYTES} bytes; name fewer collections")
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise ArcusError(Reason.LIMIT_EXCEEDED, "Too many queries are running; try again.") from None
        try:
            return await self._query(tables, sql)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Ends every worker, busy or not."""
        self._closed = True
        for task in list(self._starting):
            task.cancel()
        for worker in list(self._alive):
            worker.kill()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)
        for worker in list(self._alive):
            worker.reap()
        self._alive.clear()

    async def _query(self, tables: Sequence[SqlTable], sql: str) -> SqlResult:
        header = {
            "sql": sql,
            "tables": [
                {
                    "name": table.name,
                    "columns": table.columns,
                    "batches": [(batch.rows, batch.same) for batch in table.batches],
                }
                for table in tables
            ],
            "max_rows": self._limits.rows,
            "max_bytes": self._limits.bytes,
            "processor_seconds": self._limits.processor_seconds,
            "seconds": self._limits.seconds + GRACE_SECONDS,
        }
        worker = await self._take()
        kept = False
        try:
            reply = await self._within(worker, self._limits.seconds, worker.run, json.dumps(header).encode(), tables)
            if reply is None and worker.ended_by() == signal.SIGPROF:
                raise _late(f"{self._limits.processor_seconds:g} s of processor time")
            if reply is None:
                raise invalid("The query ended the process that ran it; it may need too much memory")
            found = json.loads(reply)
            # What needed much memory may have left the process without room.
            kept = found.get("kind") != "memory"
            if "error" in found:
                raise invalid(found["error"])
            return SqlResult(tuple(found["columns"]), found["rows"], found["truncated"])
        except TimeoutError:
            raise _late(f"{self._limits.seconds:g} s") from None
        finally:
            if kept and not self._closed:
                self._warm.append(worker)
            else:
                self._drop(worker)

    async def _take(self) -> _Worker:
        while self._starting and not self._warm:
            await asyncio.wait(set(self._starting), return_when=asyncio.FIRST_COMPLETED)
        return self._warm.pop() if self._warm else await self._started()

    async def _start_one(self) -> None:
        try:
            self._warm.append(await self._started())
        except ArcusError as error:
            log.warning("sql_worker_not_started", reason=error.reason)

    async def _started(self) -> _Worker:
        if self._closed:
            raise ArcusError(Reason.CANCELLED, "The server is stopping")
        worker = _Worker()
        self._alive.add(worker)
        ready = False
        try:
            ready = bool(await self._within(worker, START_SECONDS, worker.wait_until_ready))
        except TimeoutError:
            pass
        finally:
            if not ready:
                self._drop(worker)
        if not ready:
            raise ArcusError(Reason.INTERNAL, "The process that runs queries did not start")
        return worker

    async def _within(self, worker: _Worker, seconds: float, call: Any, *arguments: Any) -> Any:
        """The call's result. On time-out, and when the caller is cancelled, the worker is killed, which ends the call."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(running)
        except BaseException:
            worker.kill()
            await asyncio.wait({running})
            raise

    def _drop(self, worker: _Worker) -> None:
        worker.reap()
        self._alive.discard(worker)


def _late(bound: str) -> ArcusError:
    return ArcusError(Reason.DEADLINE_EXCEEDED, f"The query took more than {bound}")
