"""Server-sent events: those that are made together are one write to the socket, as they are made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PING_SECONDS = 15.0
STALLED_PINGS = 4  # a client that reads nothing this long is given up
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
log = structlog.get_logger(__name__)


def event_bytes(event: dict[str, Any]) -> bytes:
    """ASCII, so that no read can split a character; one `data: ` line, which is what the JavaScript SDK looks for."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode("ascii")


def data_bytes(value: dict[str, Any]) -> bytes:
    """An event without a name, as the chunks of a chat are."""
    return f"data: {json.dumps(value)}\n\n".encode("ascii")


class Events(Protocol):
    """What an answer and an asynchronous generator have in common."""

    def __aiter__(self) -> Events: ...

    async def __anext__(self) -> Sequence[dict[str, Any]]: ...

    async def aclose(self) -> None: ...


class EventStream(Response):
    """Ends its events at once when the client goes away, and pings while they are silent."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: Events,
        *,
        encode: Callable[[dict[str, Any]], bytes] = event_bytes,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        # Not Response's own constructor: that would announce a length.
        self.status_code, self.background = 200, None
        self.init_headers(HEADERS)
        self._events = events
        self._encode = encode
        self._ping_seconds = ping_seconds
        self._writes = 0  # odd while one is under way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pump = asyncio.create_task(self._pump(send), name="events")
        watch = asyncio.create_task(disconnected(receive), name="disconnect")
        try:
            await self._attend(pump, watch, send)
        finally:
            for task in (pump, watch):
                task.cancel()
            await asyncio.gather(pump, watch, return_exceptions=True)
        if pump.done() and not pump.cancelled():
            pump.result()

    async def _attend(self, pump: asyncio.Task[None], watch: asyncio.Task[None], send: Send) -> None:
        seen, stalled = -1, 0
        while True:
            done, _ = await asyncio.wait({pump, watch}, timeout=self._ping_seconds, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return
            writes = self._writes
            if writes != seen:
                seen, stalled = writes, 0
            elif writes % 2 == 0:
                await send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})
            else:
                stalled += 1
                if stalled >= STALLED_PINGS:
                    log.info("client reads nothing; its stream is ended")
                    return

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        number = -1
        async with aclosing(self._events) as events:
            try:
                async for together in events:
                    number = together[-1].get("sequence_number", number)
                    self._writes += 1
                    body = b"".join(map(self._encode, together))
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                    self._writes += 1
            except Exception:
                log.exception("events failed")
                await send(
                    {"type": "http.response.body", "body": self._encode(_failure(number + 1)), "more_body": True}
                )
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _failure(number: int) -> dict[str, Any]:
    error = {
        "message": "Something went wrong on the server.",
        "type": "server_error",
        "code": "internal",
        "param": None,
    }
    return {
        "type": "error",
        "error": error,
        "message": error["message"],
        "code": error["code"],
        "param": None,
        "sequence_number": number,
    }


async def disconnected(receive: Receive) -> None:
    """Returns once the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
