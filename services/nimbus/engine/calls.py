"""How a call of an engine fails, and when it is made again: another replica may answer where one is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc
import structlog
from arcus.engine.v1 import engine_pb2 as pb

from services.core.errors import REASON_HEADER, RETRY_HEADER, ArcusError, Reason

RETRY_SECONDS = (0.05, 0.25)  # before a call is made again whose replica or host was lost: another may answer
# Of a vector or a search, and of a silence of an answer's replica, which says that it is there every 2 s; but for the last
# try, which may take as long as any call. A proxy goes on sending to a host that was cut off until its own checks fail, some
# ten seconds, and never ends the calls that the host has.
TRY_SECONDS = 8.0
MAX_HEDGES = 16  # plans that are asked for a second time at once, so that slow engines get little more to do

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)

# The one table of engine failures.
REASONS = {
    grpc.StatusCode.UNAVAILABLE: Reason.ENGINE_UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED: Reason.ENGINE_UNAVAILABLE,  # what the proxy says while replicas start
    grpc.StatusCode.NOT_FOUND: Reason.ENGINE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Reason.ENGINE_UNAVAILABLE,
    grpc.StatusCode.CANCELLED: Reason.ENGINE_UNAVAILABLE,  # by the other side: our own cancellation raises CancelledError
    grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.LIMIT_EXCEEDED,
    grpc.StatusCode.INVALID_ARGUMENT: Reason.INVALID_ARGUMENT,
}
# What the proxy says of a replica that ended with the call. A replica itself names its reason with these.
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


class ReplicaLostError(ArcusError):
    """A call that its replica did not end: it is gone, or says nothing any more. Another may answer."""


class Hedges:
    """Calls that are made beside others of their kind: "hedged", as gRPC has it."""

    def __init__(self) -> None:
        self._under_way = 0

    async def first(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """The first answer of a call that is made again where it was lost, and beside the others where it is late: a plan may
        take a language model long, and a replica that is gone looks no different."""
        calls: set[asyncio.Future[Answer]] = set()
        hedges = 0
        try:
            for pause_seconds in (*RETRY_SECONDS, None):
                calls.add(asyncio.ensure_future(call()))
                ended, calls = await _first_of(calls, None if pause_seconds is None else TRY_SECONDS)
                if ended is None and self._under_way >= MAX_HEDGES:
                    ended, calls = await _first_of(calls, None)
                if ended is None:
                    hedges, self._under_way = hedges + 1, self._under_way + 1
                    log.warning("plan_hedged", seconds=TRY_SECONDS)
                elif (error := ended.exception()) is None:
                    return ended.result()
                elif pause_seconds is None or not (isinstance(error, grpc.aio.AioRpcError) and _is_lost(error)):
                    raise error
                else:
                    await asyncio.sleep(pause_seconds)
            raise AssertionError("the last try ends with an answer or an error")
        finally:
            self._under_way -= hedges
            for each in calls:
                each.cancel()


class Chunks:
    """What an engine writes: lists of chunks that came together. Ends a call that is silent for too long, without a timer for
    each message.

    The time that a reader takes over a message is not the engine's.
    """

    def __init__(self, call: grpc.aio.UnaryStreamCall, timeout_seconds: float, *, is_last_try: bool) -> None:
        """timeout_seconds: without a message; before the last try, TRY_SECONDS without so much as a pulse is too long too."""
        self._call = call
        self._silent_seconds = timeout_seconds if is_last_try else min(TRY_SECONDS, timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._steps = 0  # odd while a message is with whoever reads
        self._pulses = 0
        self._is_lost = False
        self._waits_since = asyncio.get_running_loop().time()
        self._look_again()

    async def __aiter__(self) -> AsyncIterator[Sequence[pb.GenerateChunk]]:
        with mapped():
            try:
                async for chunk in self._call:
                    if not (chunk.output_tokens or chunk.ByteSize()):  # the first is cheap, and almost all have it
                        self._pulses += 1
                        continue
                    self._steps += 1
                    yield chunk.joined or (chunk,)
                    self._steps += 1
            except asyncio.CancelledError as error:
                if self._is_lost and not _is_cancelled():
                    raise ReplicaLostError(Reason.ENGINE_UNAVAILABLE) from error
                raise

    def cancel(self) -> None:
        """Stops the engine; whoever is reading gets ENGINE_UNAVAILABLE."""
        self._call.cancel()

    def end(self) -> None:
        self._handle.cancel()

    def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(self._silent_seconds, self._check, self._steps, self._pulses)

    def _check(self, steps_before: int, pulses_before: int) -> None:
        now = asyncio.get_running_loop().time()
        if self._steps % 2 or self._steps != steps_before:
            self._waits_since = now
        elif self._pulses == pulses_before or now - self._waits_since >= self._timeout_seconds:
            self._is_lost = self._pulses == pulses_before
            self._call.cancel()
            return
        self._look_again()


async def _first_of(
    calls: set[asyncio.Future[Answer]], seconds: float | None
) -> tuple[asyncio.Future[Answer] | None, set[asyncio.Future[Answer]]]:
    """The first that ends, and those that do not; without a limit the first with an answer, or the last without one."""
    while True:
        done, calls = await asyncio.wait(calls, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        ended = min(done, key=lambda each: each.exception() is not None, default=None)
        if ended is None or seconds is not None or not calls or ended.exception() is None:
            return ended, calls


async def again(call: Callable[[float], Awaitable[Answer]], last_seconds: float) -> Answer:
    """Made again, over another connection, where it was lost or took longer than a try may; the last one may take longer."""
    try_seconds = min(TRY_SECONDS, last_seconds)
    for pause_seconds in RETRY_SECONDS:
        try:
            return await call(try_seconds)
        except grpc.aio.AioRpcError as error:
            is_late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and try_seconds < last_seconds
            if not is_late and not _is_lost(error):
                raise
            log.warning(
                "engine_call_repeated", late=is_late, code=error.code().name, details=(error.details() or "")[:200]
            )
        await asyncio.sleep(pause_seconds)
    return await call(last_seconds)


def _is_lost(error: grpc.aio.AioRpcError) -> bool:
    """Whether a call ended without an answer of the replica, which would name its reason."""
    return error.code() in LOST and REASON_HEADER not in dict(error.trailing_metadata() or ())


def _is_cancelled() -> bool:
    """Whether it is the task that was cancelled, and not a call of it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class mapped:
    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, grpc.aio.AioRpcError):
            raise _failure(error) from error
        if isinstance(error, asyncio.CancelledError) and not _is_cancelled():
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine stopped answering; try again.") from error


def _failure(error: grpc.aio.AioRpcError) -> ArcusError:
    is_lost = _is_lost(error)
    reason = Reason.ENGINE_UNAVAILABLE if is_lost else REASONS.get(error.code(), Reason.INTERNAL)
    if error.code() not in REASONS:
        log.error("engine_failed", code=error.code().name, details=(error.details() or "")[:1000])
    trailers: dict[str, Any] = dict(error.trailing_metadata() or ())
    # What gRPC itself says of an internal error is for the log; what a replica says is for whoever asked.
    told = reason in (Reason.INVALID_ARGUMENT, Reason.LIMIT_EXCEEDED) or trailers.get(REASON_HEADER) == reason.value
    seconds = trailers.get(RETRY_HEADER, "")
    return (ReplicaLostError if is_lost else ArcusError)(
        reason,
        error.details() if told else None,
        retry_after_seconds=int(seconds) if str(seconds).isdigit() else None,
    )
