"""The page that Prometheus reads, on a port of its own: none of the public ones tells of the inside, or asks for a key."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MAX_READERS = 16


def metrics_page(registry: CollectorRegistry, refresh: Callable[[], Awaitable[None]]) -> Starlette:
    """`refresh` is awaited before each reading."""

    async def metrics(request: Request) -> Response:
        await refresh()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # Thousands of lines take milliseconds, which answers under way would wait.
        return Response(await asyncio.to_thread(encode, registry), headers={"content-type": content_type})

    return Starlette(routes=[Route("/metrics", metrics)])


@contextlib.asynccontextmanager
async def serving(app: Starlette, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        limit_concurrency=MAX_READERS,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]), name="metrics")  # not `serve`, which takes the signals
    try:
        yield
    finally:
        server.should_exit = True
        await task
