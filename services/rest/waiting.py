"""What a front says while the database is away, or its tables are not yet those that the front needs."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import structlog
from starlette.datastructures import Headers

from services.core.errors import ArcusError, Reason
from services.core.store.database import Database
from services.rest.connections import http_server
from services.rest.errors import error_reply, reply
from services.rest.operations import readiness

POLL_SECONDS = 0.5
MAX_CONNECTIONS = 1000
GRACE_SECONDS = 1.0

log = structlog.get_logger(__name__)


async def wait_until_ready(database: Database, listener: socket.socket, stop: asyncio.Event) -> None:
    """Returns when the database can be used, or when told to stop. Until then `/readyz` tells why it can't."""
    ready = await readiness(database)
    if ready["status"] == "ok":
        return
    log.warning("waits_for_the_database", **ready)

    async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        if scope["path"] == "/healthz":
            response = reply({"status": "ok"})
        elif scope["path"] in ("/readyz", "/status"):
            response = reply(await readiness(database), 503)
        else:
            response = error_reply(ArcusError(Reason.STORAGE_UNAVAILABLE), Headers(scope=scope))
        await response(scope, _receive, send)

    server = http_server(app, max_connections=MAX_CONNECTIONS, grace_seconds=GRACE_SECONDS)
    server.config.lifespan = "off"
    serving = asyncio.create_task(server._serve([listener.dup()]), name="waiting-http")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        while not stop.is_set() and not serving.done() and (await readiness(database))["status"] != "ok":
            await asyncio.wait({serving, stopping}, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving
