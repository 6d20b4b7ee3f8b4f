"""The systems that scenarios start for themselves: a whole one by `arcus up`, or several fronts on one PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType

import psutil
from sqlalchemy import update

from loadtests.load.backlog import Workers, queue_up
from loadtests.load.doors import Doors
from loadtests.load.scenario import Fault, OwnSystem, Part, Scenario
from loadtests.load.stored import unsound_of
from loadtests.processes import named
from loadtests.running import running_system
from loadtests.scale import postgres
from ray_jobs.runtime import free_ports
from services.cli.instance import LOG_CHARACTERS, ROOT, START_SECONDS, first_line
from services.core.engines.config import SCRIPTED_ANSWERS, ScriptedOptions
from services.core.errors import ArcusError, Reason
from services.core.store.database import Database
from services.core.store.schema import tenants
from services.core.tenants.keys import Keys
from services.core.tenants.plans import Limits
from tests.contract.postgres_server import PostgresServer
from tests.faults.fronts import environment
from tests.front_process import FrontProcess, start_front

# Words of the command line, or title, of its process.
PARTS: dict[Part, tuple[str, ...]] = {
    "front": ("services.front",),
    "engines": ("ray_jobs.runtime",),
    "index": ("ray::", "index-0"),
    "ingest": ("ray::", "ingest:ingest"),
}
LEASE = {"ARCUS_LEASE_SECONDS": "6"}  # what a killed one was at is taken over soon
ROOMY = {"ARCUS_MAX_REQUESTS_PER_TENANT": "4096", "ARCUS_MAX_RESPONSES": "4096"}
OF_FRONTS = {
    **ROOMY,
    **LEASE,
    "ARCUS_DATABASE_CONNECTIONS": "8",  # a PostgreSQL of its own takes 100
    "ARCUS_DRAIN_SECONDS": "2",  # less than answers last: they are told where they go on
}
STOP_SECONDS = 60  # a hang guard


def together(scenarios: Iterable[Scenario]) -> list[list[Scenario]]:
    """Those that share a system. Several fronts are started anew for each, on a database without rows."""
    whole: list[Scenario] = []
    apart: list[list[Scenario]] = []
    for scenario in scenarios:
        if scenario.system.fronts == 1:
            whole.append(scenario)
        else:
            apart.append([scenario])
    return [whole, *apart] if whole else apart


@contextmanager
def own_system(scenarios: Sequence[Scenario]) -> Iterator[Doors]:
    """For scenarios that stand `together`. Raises INTERNAL where it does not start."""
    names = sorted({name for scenario in scenarios for name in scenario.tenants})
    own = scenarios[0].system
    with _several_fronts(own, names) if own.fronts > 1 else _whole_system(names) as doors:
        yield doors


def kill(pid: int, part: Part) -> int:
    """Kills what of a system does the part, and says how many processes that was. `pid`: of its `arcus up`."""
    killed = 0
    for process in named(pid, *PARTS[part]):
        with suppress(psutil.NoSuchProcess):
            process.kill()
            killed += 1
    return killed


def _make(pid: int, fault: Fault) -> int:
    assert fault.kill is not None, "scenarios see to that"
    return kill(pid, fault.kill)


@contextmanager
def _whole_system(names: Sequence[str]) -> Iterator[Doors]:
    (metrics_port,) = free_ports(1)
    settings = {**ROOMY, **LEASE, "ARCUS_ROLES": SCRIPTED_ANSWERS, "ARCUS_METRICS_PORT": str(metrics_port)}
    with running_system(settings) as system:
        keys = asyncio.run(_new_keys(system.settings.database, names))
        unsound = partial(unsound_of, system.settings)
        yield Doors(
            [system.url], [system.grpc], keys, [_page(metrics_port)], partial(_make, system.pid), unsound=unsound
        )


class Fronts:
    """Processes on one PostgreSQL. One that is started again is where it was."""

    def __init__(self, settings: Mapping[str, str], server: PostgresServer, log: Path) -> None:
        self._settings = settings
        self._server = server
        self._log = log
        self._metrics_ports: list[int] = []
        self.running: list[FrontProcess] = []

    def start(self, metrics_port: int) -> None:
        self._metrics_ports.append(metrics_port)
        self.running.append(self._started(metrics_port))

    def make(self, fault: Fault) -> int:
        if fault.kill == "postgres":
            self._server.crash()
            return 1
        if fault.kill == "front":
            self.running[0].kill()
            self._start_again(0)
            return 1
        for number, front in enumerate(self.running):
            front.process.send_signal(signal.SIGTERM)
            front.process.wait(STOP_SECONDS)
            self._start_again(number)
        return len(self.running)

    def kill(self) -> None:
        for front in self.running:
            front.kill()

    def _start_again(self, number: int) -> None:
        before = self.running[number]
        ports = int(before.url.removesuffix("/v1").rpartition(":")[2]), before.grpc_port
        self.running[number] = self._started(self._metrics_ports[number], ports)

    def _started(self, metrics_port: int, ports: tuple[int, int] = (0, 0)) -> FrontProcess:
        return start_front({**self._settings, "ARCUS_METRICS_PORT": str(metrics_port)}, self._log, ports)


@contextmanager
def _several_fronts(own: OwnSystem, names: Sequence[str]) -> Iterator[Doors]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arcus-load-")))
        server = stack.enter_context(postgres())
        if server is None:
            raise ArcusError(Reason.INTERNAL, "PostgreSQL is not installed (Debian: apt-get install postgresql)")
        asyncio.run(server.prepare())
        asyncio.run(server.create("load"))
        keys = asyncio.run(_new_keys(server.url("load"), names, own.limits))
        if own.backlog:
            asyncio.run(queue_up(server.url("load"), own.backlog))
        engine, told = _started_engine(stack, server.url("load"), own.engine)
        log, metrics_ports = folder / "fronts.log", free_ports(own.fronts)
        fronts = Fronts(environment(folder, server.url("load"), engine) | OF_FRONTS, server, log)
        stack.callback(fronts.kill)
        try:
            for port in metrics_ports:
                fronts.start(port)
            urls = [front.url for front in fronts.running]
            grpc = [f"127.0.0.1:{front.grpc_port}" for front in fronts.running]
            pages = [_page(port) for port in metrics_ports]
            workers = Workers(stack, server.url("load"), own.backlog) if own.backlog else None
            claimed = workers.end if workers else None
            yield Doors(urls, grpc, keys, pages, fronts.make, told, keeps_videos=False, claimed=claimed)
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace")[-LOG_CHARACTERS:] if log.exists() else "")
            raise


def _started_engine(stack: ExitStack, database_url: str, options: ScriptedOptions) -> tuple[str, str]:
    """(address, URL of what it tells) of one in a process of its own, which ends with the stack."""
    command = [sys.executable, "-m", "loadtests.load.scripted_engine", database_url, options.model_dump_json()]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT)
    stack.callback(process.wait)
    stack.callback(process.kill)
    line = first_line(process, START_SECONDS)
    if not line:
        raise ArcusError(Reason.INTERNAL, "The scripted engine did not start.")
    said = json.loads(line)
    return said["address"], said["told"]


def _page(port: int) -> str:
    return f"http://127.0.0.1:{port}/metrics"


async def _new_keys(
    database_url: str, names: Sequence[str], limits: Mapping[str, Limits] = MappingProxyType({})
) -> dict[str, str]:
    database = Database(database_url)
    try:
        keys = {name: await Keys(database).create(f"load {name}") for name in names}
        for name, limit in limits.items():
            own = tenants.c.id == (await Keys(database).authenticate(keys[name])).tenant_id
            async with database.write() as connection:
                values = {"limits": limit.model_dump(exclude_unset=True)}
                await connection.execute(update(tenants).where(own).values(values))
        return keys
    finally:
        await database.close()
