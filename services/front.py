"""The front process: HTTP and gRPC over one backend, in one event loop: python -m services.front

Prints one JSON line, {"http_port": …, "grpc_port": …}, when both ports answer. Ends on SIGTERM or SIGINT.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from services.core.errors import ArcusError, Reason, invalid
from services.core.jobs import Jobs
from services.core.logs import configure_logs
from services.core.open_files import raise_open_files
from services.core.settings import Settings, load_settings
from services.core.store.database import Database
from services.nimbus.backend import Backend, open_backend
from services.rest.app import create_app
from services.rest.connections import http_server, listen
from services.rest.waiting import wait_until_ready
from services.rpc.server import create_server
from services.telemetry.loop_lag import measure_loop_lag
from services.telemetry.page import metrics_page, serving
from services.telemetry.readings import Readings
from services.telemetry.tracing import start_tracing

BAD_CONFIGURATION = 78  # how a program ends that no new start mends: sysexits.h EX_CONFIG
GRACE_SECONDS = 5.0
LAST_EVENTS_SECONDS = 8  # that streams which did not end get to say where they go on
MIN_OPEN_FILES = 512
OTHER_FILES = 256  # of the database, of objects, of engine calls
MAX_CONNECTIONS = 10_000  # of each transport
# The database's threads and the loop take turns at the interpreter. Measured, 20 paced streams of kept responses:
# with Python's own 5 ms the first token comes 3 to 5 ms later.
SWITCH_SECONDS = 0.0005
FIRST = asyncio.FIRST_COMPLETED


async def serve(settings: Settings) -> None:
    """Serves until told to stop, then says so for ARCUS_DRAIN_DELAY_SECONDS, takes nothing new and lets running requests end,
    up to ARCUS_DRAIN_SECONDS; what is left then is told where it goes on. Told again, it ends at once.
    """
    max_connections = connections_of(raise_open_files(MIN_OPEN_FILES))
    stop, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: (again if stop.is_set() else stop).set())
    listener = listen(settings.host, settings.http_port)
    if not settings.migrate_on_start:
        await _await_database(settings, listener, stop)
        if stop.is_set():
            return
    async with open_backend(settings) as backend, metrics_told(settings, backend):
        http = http_server(
            create_app(backend),
            max_connections=max_connections,
            grace_seconds=GRACE_SECONDS,
            trusted_proxies=settings.trusted_proxies,
        )
        http.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        rpc, grpc_port = create_server(
            backend, f"{settings.host}:{settings.grpc_port}", max_connections=max_connections
        )
        await rpc.start()
        http_task = asyncio.create_task(_http(http, listener), name="http")
        while not http.started and not http_task.done():  # noqa: ASYNC110  uvicorn offers no event
            await asyncio.sleep(0.01)
        keep_what_is_loaded()
        print(json.dumps({"http_port": listener.getsockname()[1], "grpc_port": grpc_port}), flush=True)
        stopping = asyncio.create_task(stop.wait(), name="stop")
        # A loop that dies takes the process down: whoever runs it starts it anew.
        await asyncio.wait({stopping, http_task, *backend.loops}, return_when=FIRST)
        hurrying: asyncio.Future[Any] = asyncio.create_task(again.wait(), name="hurry")
        backend.draining.set()
        if stop.is_set():
            await asyncio.wait({hurrying, http_task}, timeout=settings.drain_delay_seconds, return_when=FIRST)
        grace_seconds = settings.drain_seconds if stop.is_set() else GRACE_SECONDS
        http.config.timeout_graceful_shutdown = round(grace_seconds) + LAST_EVENTS_SECONDS
        http.should_exit = True
        ended: asyncio.Future[Any] = asyncio.gather(http_task, rpc.stop(grace_seconds + LAST_EVENTS_SECONDS))
        await asyncio.wait({hurrying, ended}, timeout=grace_seconds, return_when=FIRST)
        if not (hurrying.done() or ended.done()):
            told: asyncio.Future[Any] = asyncio.gather(ended, backend.answers.stop())
            await asyncio.wait({hurrying, told}, timeout=LAST_EVENTS_SECONDS + 1, return_when=FIRST)
        http.force_exit = True
        await asyncio.gather(rpc.stop(0), http_task)


async def _await_database(settings: Settings, listener: socket.socket, stop: asyncio.Event) -> None:
    database = Database(settings.database)
    try:
        await wait_until_ready(database, listener, stop)
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def metrics_told(settings: Settings, backend: Backend) -> AsyncIterator[None]:
    """On their own port, where one is set."""
    if not settings.metrics_port:
        yield
        return
    readings = Readings(
        backend.metrics,
        database=backend.database,
        jobs=Jobs(backend.database, lease_seconds=settings.lease_seconds),
        check_engine=backend.engine.check,
    )
    try:
        listener = listen(settings.metrics_host, settings.metrics_port)
    except OSError as error:
        address = f"{settings.metrics_host}:{settings.metrics_port}"
        raise invalid(f"Can't tell metrics on {address}; set ARCUS_METRICS_PORT to a free port.") from error
    lag = asyncio.create_task(measure_loop_lag(backend.metrics), name="loop-lag")
    try:
        async with serving(metrics_page(backend.metrics.registry, readings.refresh), listener):
            yield
    finally:
        lag.cancel()
        await asyncio.gather(lag, return_exceptions=True)


def keep_what_is_loaded() -> None:
    """Code, and what stays with the process, is not looked through for garbage again: all streams stood still meanwhile."""
    gc.collect()
    gc.freeze()


def connections_of(open_files: int) -> int:
    """How many connections each transport may have, so that accepting one never fails for want of a file."""
    return min(MAX_CONNECTIONS, (open_files - OTHER_FILES) // 2)


async def _http(http: uvicorn.Server, listener: socket.socket) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await http._serve([listener])


def main() -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    os.umask(0o077)
    configure_logs()
    uvloop = __import__("uvloop")
    try:
        settings = load_settings()
        configure_logs(settings.log_format)
        start_tracing(settings, "arcus-front")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except ArcusError as error:
        print(error.message, file=sys.stderr, flush=True)
        sys.exit(BAD_CONFIGURATION if error.reason is Reason.INVALID_ARGUMENT else 1)


if __name__ == "__main__":
    main()
