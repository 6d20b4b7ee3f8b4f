"""A stream that tells that it is alive while it has nothing to say: who waits for it can tell slow from gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from arcus.engine.v1 import engine_pb2 as pb

Message = TypeVar("Message")

# A front takes a replica that is silent for four of these for lost (services/nimbus/engine/calls.py).
PULSE_SECONDS = 2.0
AHEAD = 16  # messages that an engine may be ahead of whoever reads them


class _Ended:
    def __init__(self, error: Exception | None) -> None:
        self.error = error


def answer_with_pulse(
    request: pb.GenerateRequest, chunks: AsyncIterator[pb.GenerateChunk]
) -> AsyncIterator[pb.GenerateChunk]:
    """What a replica sends of the chunks of an answer: those that are ready together as one, if the request takes that."""
    return with_pulse(chunks, pb.GenerateChunk(), join=_joined if request.takes_joined else None)


def _joined(chunks: list[pb.GenerateChunk]) -> pb.GenerateChunk:
    return pb.GenerateChunk(joined=chunks)


async def with_pulse(
    messages: AsyncIterator[Message],
    pulse: Message,
    seconds: float = PULSE_SECONDS,
    *,
    join: Callable[[list[Message]], Message] | None = None,
) -> AsyncIterator[Message]:
    """A pulse at once, then the messages, and a pulse again after each so many seconds without any.

    join: makes one of 2 or more messages that are ready together, as they are where whoever reads is slower than the engine.
    Closing it closes the messages. Raises what they raise, after those that came before.
    """
    ready: asyncio.Queue[Message | _Ended] = asyncio.Queue(AHEAD)
    loop = asyncio.get_running_loop()
    told = 0
    timer: asyncio.TimerHandle

    def beat(told_before: int) -> None:  # one timer for a stream, none for a message
        nonlocal timer
        if told == told_before and ready.empty():
            ready.put_nowait(pulse)
        timer = loop.call_later(seconds, beat, told)

    yield pulse
    pump = asyncio.create_task(_pump(messages, ready), name="pulse")
    timer = loop.call_later(seconds, beat, 0)
    try:
        while not isinstance(message := await ready.get(), _Ended):
            told += message is not pulse
            if join is not None and (more := _taken(ready)):
                told += len(more)
                message = join([message, *more])
            yield message
        if message.error is not None:
            raise message.error
    finally:
        timer.cancel()
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


def _taken(ready: asyncio.Queue[Message | _Ended]) -> list[Message]:
    """What else is ready, but for the end, which stays."""
    taken: list[Message] = []
    while not ready.empty():
        if isinstance(message := ready.get_nowait(), _Ended):
            ready.put_nowait(message)  # it was the last
            break
        taken.append(message)
    return taken


async def _pump(messages: AsyncIterator[Message], ready: asyncio.Queue[Message | _Ended]) -> None:
    error: Exception | None = None
    try:
        async for message in messages:
            await ready.put(message)
    except Exception as raised:
        error = raised
    finally:
        close = getattr(messages, "aclose", None)
        if close is not None:
            await close()
    await ready.put(_Ended(error))
