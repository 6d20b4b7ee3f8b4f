"""Streams of messages: each is written as it is made, and a client that reads nothing for long is given up, as over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import structlog
from grpc import StatusCode
from grpc.aio import ServicerContext as Context

from services.core.errors import ArcusError, Reason

STALLED_SECONDS = 60.0
log = structlog.get_logger(__name__)


class StreamContext:
    """The context of a call that streams its reply, which can be ended while its first message is under way.

    gRPC sends headers with the first message, knows of them only once both are taken, and refuses to tell a status
    beside headers that it does not know of: a call that was ended meanwhile would never end for its client. Here they
    go by themselves; no client's window holds them up.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._headers: asyncio.Future[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        if self._headers is None:
            self._headers = asyncio.ensure_future(self._context.send_initial_metadata(()))
        if not self._headers.done():
            await asyncio.shield(self._headers)
        self.write = self._context.write  # type: ignore[method-assign]  # of the thousands that may follow
        await self._context.write(message)

    async def abort(self, code: StatusCode, details: str, trailing_metadata: Any = ()) -> None:
        if self._headers is not None:
            await asyncio.wait({self._headers})
        await self._context.abort(code, details, trailing_metadata)


async def write_all(
    events: Any, message_of: Callable[[Any], Any], context: Context, *, stalled_seconds: float = STALLED_SECONDS
) -> None:
    """Written rather than yielded: a cancelled call ends here, and with it the iterator and the engine's work.

    events: lists of those that come together.
    Raises CANCELLED when one message is not taken for `stalled_seconds`, or up to twice as long.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    writes, is_stalled = 0, False  # writes: odd while one is under way
    handle = loop.call_later(stalled_seconds, lambda: check(0))

    def check(before: int) -> None:
        nonlocal handle, is_stalled
        if writes % 2 and writes == before:
            is_stalled = True
            task.cancel()
        else:
            handle = loop.call_later(stalled_seconds, check, writes)

    try:
        async with aclosing(events):
            async for together in events:
                for event in together:
                    writes += 1
                    await context.write(message_of(event))
                    writes += 1
    except asyncio.CancelledError:
        if not is_stalled:
            raise
        task.uncancel()
        log.info("client reads nothing; its stream is ended")
        raise ArcusError(Reason.CANCELLED, "Nothing of the stream was read for too long; follow it anew.") from None
    finally:
        handle.cancel()
