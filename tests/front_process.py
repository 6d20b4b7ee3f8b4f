"""A front alone, as a process, for tests that bring the engines and the database themselves.

Each is a copy of one process that has imported what a front needs: of the 2.5 processor seconds that a start takes, it saves
two. Nothing else about it differs from `python -m services.front`.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from services.cli.instance import ROOT, START_SECONDS
from services.core.store.database import Database
from services.core.tenants.keys import Keys

COPIES = multiprocessing.get_context("forkserver")
COPIES.set_forkserver_preload(
    [
        "services.front",
        "services.core.store.migration",  # and what else a front imports when it starts, or is first asked
        "alembic.command",
        "sqlalchemy.dialects.sqlite.aiosqlite",
        "sqlalchemy.dialects.postgresql.asyncpg",
        "asyncpg",
        "uvloop",
    ]
)


class Running:
    """One copy."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int:
        """Its exit status, or minus the signal that ended it. Raises TimeoutError."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise TimeoutError(f"the front has not ended after {seconds} s")
        return self._process.exitcode


@dataclass
class FrontProcess:
    process: Running
    url: str
    grpc_port: int

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def make_key(data_dir: Path, key: str) -> None:
    """A tenant with this key, in the database of a front that runs on the folder."""

    async def make() -> None:
        database = Database(f"sqlite+aiosqlite:///{data_dir / 'arcus.db'}")
        try:
            await Keys(database).create("tenant", key)
        finally:
            await database.close()

    asyncio.run(make())


def start_front(
    environment: Mapping[str, str], log: Path = Path(os.devnull), ports: tuple[int, int] = (0, 0)
) -> FrontProcess:
    """Waits until it listens. `ports`: of HTTP and gRPC, 0 is a free one. Its log is added to `log`."""
    process, says = begin_front(
        {**environment, "ARCUS_HTTP_PORT": str(ports[0]), "ARCUS_GRPC_PORT": str(ports[1])}, log
    )
    told = said_ports(says)
    return FrontProcess(process, f"http://127.0.0.1:{told['http_port']}/v1", told["grpc_port"])


def begin_front(environment: Mapping[str, str], log: Path = Path(os.devnull)) -> tuple[Running, Connection]:
    """(the process, its standard output): it may not listen yet."""
    says, writes = multiprocessing.Pipe(duplex=False)
    process = COPIES.Process(target=_front, args=(dict(environment), log, writes), daemon=True)
    process.start()
    writes.close()
    return Running(process), says


def said_ports(says: Connection) -> dict[str, int]:
    """{http_port, grpc_port} once it listens. Raises AssertionError where it ends before."""
    with open(says.fileno(), "rb", buffering=0, closefd=False) as output:
        assert says.poll(START_SECONDS), "the front says nothing"
        line = output.readline()
    assert line, "the front ended before it listened; see its log"
    said: dict[str, int] = json.loads(line)
    return said


def _front(environment: Mapping[str, str], log: Path, writes: Connection) -> None:
    """In the copy."""
    from services.front import main

    os.dup2(writes.fileno(), 1)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), 2)
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w", buffering=1)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # as a program does at its end, and a copy does not
