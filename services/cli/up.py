"""Runs one machine's Arcus in the foreground: the front and the engines as child processes, restarted when they die."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import structlog
from pydantic import SecretStr

from services.cli import processes
from services.core.engines.config import ROLES, VllmOptions, load_engine_config
from services.core.errors import ArcusError, Reason, invalid
from services.core.settings import Settings

START_SECONDS = 180.0
LOAD_SECONDS = 1800.0  # of engines that may fetch and load large models
BAD_CONFIGURATION = 78  # how a program ends that no new start mends: sysexits.h EX_CONFIG
HEALTHY_SECONDS = 60.0
BACKOFF_SECONDS = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
FAILED_STARTS = 3
CHILD_GRACE_SECONDS = 12.0
ORPHAN_GRACE_SECONDS = 1.0

KEYS = ("ARCUS_API_KEY", "ARCUS_ADMIN_KEY")  # only the command needs them: fronts know keys from the database

log = structlog.get_logger()


@dataclass(frozen=True)
class Addresses:
    http: str
    grpc: str
    engine: str


@dataclass(frozen=True)
class Program:
    """A child to keep running. The first line on its stdout that is a JSON object says that it is ready."""

    name: str
    command: Callable[[Path], list[str]]
    death_signal: signal.Signals
    drains: bool = False  # ends what it has begun before it ends


FRONT = Program("front", lambda folder: [sys.executable, "-P", "-m", "services.front"], signal.SIGKILL, drains=True)
# Told to end rather than killed with its parent: it has Ray to end.
ENGINES = Program(
    "engines", lambda folder: [sys.executable, "-P", "-m", "ray_jobs.runtime", str(folder)], signal.SIGTERM
)


class Supervisor:
    """Owns the children. `run` returns when asked to stop and everything is gone, or raises if a child cannot start."""

    def __init__(
        self,
        settings: Settings,
        programs: tuple[Program, ...] = (FRONT, ENGINES),
        *,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self._start_seconds = start_seconds
        inherited = {name: value for name, value in os.environ.items() if name not in KEYS}
        self._environment = {**inherited, **_environment(settings)}
        self._programs = programs
        self._pids: set[int] = set()
        self._before: frozenset[psutil.Process] = frozenset()  # children that it did not start
        self._spawning = asyncio.Lock()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._drain_seconds = settings.drain_delay_seconds + settings.drain_seconds
        self._ready: dict[str, asyncio.Event] = {program.name: asyncio.Event() for program in programs}

    def stop(self) -> None:
        """Children end in their order, each once the one before it is gone; asked again, all end at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def ready(self) -> None:
        """Returns when every child has been ready once."""
        for event in self._ready.values():
            await event.wait()

    async def run(self) -> None:
        processes.become_subreaper()
        self._before = processes.children()
        loops = [asyncio.create_task(self._keep(program), name=f"keep-{program.name}") for program in self._programs]
        loops.append(asyncio.create_task(self._reap(), name="reap"))
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait([stopping, *loops], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            for loop in loops:
                loop.cancel()
                if self._stop.is_set():  # the front's streams need the engines to their end
                    await asyncio.wait([loop])
            results = await asyncio.gather(*loops, return_exceptions=True)
            await self._end_orphans()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _keep(self, program: Program) -> None:
        """Starts the program again whenever it ends, ever later while it does not stay up."""
        failures = 0
        while True:
            started = time.monotonic()
            code = await self._run_once(program)
            if time.monotonic() - started >= HEALTHY_SECONDS:
                failures = 0
            if code == BAD_CONFIGURATION and not self._ready[program.name].is_set():
                raise invalid(f"The {program.name} process can't start as it is configured; the line above says why.")
            if not self._ready[program.name].is_set() and failures + 1 >= FAILED_STARTS:
                raise ArcusError(
                    Reason.INTERNAL,
                    f"The {program.name} process failed to start {FAILED_STARTS} times; the lines above say why.",
                )
            delay_seconds = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            failures += 1
            log.error("process ended; starting it again", process=program.name, code=code, delay_seconds=delay_seconds)
            await asyncio.sleep(delay_seconds)

    async def _run_once(self, program: Program) -> int:
        """Runs the program to its end and cleans up behind it: its descendants and its folder."""
        # Ray's socket paths must be short, so the folder is not inside the data folder.
        folder = Path(tempfile.mkdtemp(prefix="arcus-", dir="/tmp"))
        # A pipe of our own: with asyncio's, wait() would last until every descendant that holds it has ended too.
        output, child_output = os.pipe()
        process: asyncio.subprocess.Process | None = None
        relay: asyncio.Task[None] | None = None
        try:
            async with self._spawning:  # a new child must not be taken for an orphan before its pid is noted
                try:
                    process = await asyncio.create_subprocess_exec(
                        *program.command(folder),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=child_output,
                        env=self._environment,
                        start_new_session=True,  # a Ctrl-C at the terminal is for the supervisor alone
                        preexec_fn=processes.dies_with_parent(program.death_signal),
                    )
                finally:
                    os.close(child_output)
                self._pids.add(process.pid)
            relay = asyncio.create_task(self._relay(program, process.pid, output), name=f"relay-{program.name}")
            return await process.wait()
        finally:
            if process is not None:
                await asyncio.shield(self._clean_up(process, drains=program.drains and self._stop.is_set()))
            if relay is None:
                os.close(output)
            else:
                relay.cancel()
                await asyncio.gather(relay, return_exceptions=True)
            shutil.rmtree(folder, ignore_errors=True)

    async def _relay(self, program: Program, pid: int, output: int) -> None:
        """Takes the ready line and passes all others on. Kills a program that is not ready in time."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", 0)
        )
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._start_seconds):
                fields = await _ready_line(reader)
            if fields is None:
                return
            self._ready[program.name].set()
            told = {"process": program.name, "pid": pid, "seconds": round(time.monotonic() - started, 1)}
            log.info("process is ready", **(fields | told))
            while text := await reader.read(2**16):
                _pass_on(text)
        except TimeoutError:
            log.error("process is not ready in time", process=program.name, seconds=self._start_seconds)
            await processes.end(processes.tree(pid), grace_seconds=0)
        finally:
            transport.close()

    async def _clean_up(self, process: asyncio.subprocess.Process, *, drains: bool) -> None:
        """Ends the process first, which ends what it started in order; then whatever it left behind."""
        family = processes.tree(process.pid)
        if process.returncode is None:
            process.terminate()
            ending = asyncio.create_task(process.wait(), name="ending")
            hurrying = asyncio.create_task(self._hurry.wait(), name="hurry")
            grace_seconds = CHILD_GRACE_SECONDS + (self._drain_seconds if drains else 0)
            await asyncio.wait([ending, hurrying], timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            hurrying.cancel()
        await processes.end(family, grace_seconds=0)
        if process.returncode is None:
            await process.wait()
        self._pids.discard(process.pid)
        await self._end_orphans()

    async def _end_orphans(self) -> None:
        async with self._spawning:
            left = processes.orphans(self._pids, self._before)
        if left:
            await processes.end(left, grace_seconds=ORPHAN_GRACE_SECONDS)
            log.warning("ended processes left behind", pids=[process.pid for process in left])
        processes.reap(self._pids, self._before)

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(1)
            processes.reap(self._pids, self._before)


async def up(
    settings: Settings, on_ready: Callable[[Addresses], None], *, prepare: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Runs until SIGINT, SIGTERM or SIGHUP; then nothing that it started is left. Calls on_ready once all answer.

    Awaits `prepare` once the ports and the data folder are its own: what is refused leaves nothing behind.
    Raises INVALID_ARGUMENT if a port or the data folder is taken, INTERNAL if a process cannot start.
    """
    _open_standard_streams()
    settings = _complete(settings)
    with _locked(settings.data_dir):
        if prepare is not None:
            await prepare()
        config = load_engine_config(settings)
        loads = any(isinstance(config.engine(role), VllmOptions) for role in ROLES)
        supervisor = Supervisor(settings, start_seconds=LOAD_SECONDS if loads else START_SECONDS)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, supervisor.stop)
        announcing = asyncio.create_task(_announce(supervisor, settings, on_ready), name="announce")
        try:
            await supervisor.run()
        finally:
            announcing.cancel()
            await asyncio.gather(announcing, return_exceptions=True)


async def _announce(supervisor: Supervisor, settings: Settings, on_ready: Callable[[Addresses], None]) -> None:
    await supervisor.ready()
    on_ready(
        Addresses(
            f"http://{settings.host}:{settings.http_port}",
            f"{settings.host}:{settings.grpc_port}",
            settings.engine_address,
        )
    )


def _complete(settings: Settings) -> Settings:
    """Chooses what is left open once, so that a restarted child finds the same ports and secret."""
    http_port, grpc_port = (
        _port(settings.host, getattr(settings, name), f"ARCUS_{name.upper()}") for name in ("http_port", "grpc_port")
    )
    host, _, port = (settings.engine_address or "127.0.0.1:0").rpartition(":")
    return settings.model_copy(
        update={
            "data_dir": settings.data_dir.absolute(),
            "config": str(Path(settings.config).absolute()) if settings.config else "",
            "http_port": http_port,
            "grpc_port": grpc_port,
            "engine_address": f"{host}:{_port(host, int(port), 'ARCUS_ENGINE_ADDRESS')}",
            "engine_secret": SecretStr(settings.engine_secret.get_secret_value() or secrets.token_urlsafe(32)),
        }
    )


def _port(host: str, port: int, setting: str) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise invalid(
                f"{host}:{port} cannot be listened on ({error.strerror}); set {setting} to another."
            ) from error
        return probe.getsockname()[1]


@contextlib.contextmanager
def _locked(folder: Path) -> Any:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # also one that is older than this rule
        opened = (folder / "arcus.lock").open("w")
    except OSError as error:
        raise invalid(
            f"The data folder {folder} can't be written to ({error.strerror}); make it writable, or set ARCUS_DATA_DIR to "
            "another folder."
        ) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise invalid(f"Another Arcus runs on {folder}; set ARCUS_DATA_DIR to another folder.") from error
        yield


def _environment(settings: Settings) -> dict[str, str]:
    values: dict[str, str] = {}
    for name in type(settings).model_fields.keys() - {"api_key", "admin_key"}:
        value = getattr(settings, name)
        values[f"ARCUS_{name.upper()}"] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return values


async def _ready_line(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """What the first line says that is a JSON object; None at the end. What engines log before it is passed on."""
    while True:
        try:
            line = await reader.readuntil()
        except asyncio.IncompleteReadError as ended:
            _pass_on(ended.partial)
            return None
        except asyncio.LimitOverrunError as long:
            _pass_on(await reader.readexactly(long.consumed))
            continue
        with contextlib.suppress(ValueError):
            if isinstance(fields := json.loads(line), dict):
                return fields
        _pass_on(line)


def _pass_on(text: bytes) -> None:
    sys.stderr.write(text.decode(errors="replace"))
    sys.stderr.flush()


def _open_standard_streams() -> None:
    """Started with a standard stream closed, the next file opened would take its number and be written to."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
