"""The front's connections of its own to the replicas of engines and shards: the messages of gRPC, with no proxy between.

They are looked for beside the calls, which never wait for one. What finds none goes through the ingress.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, Protocol

import grpc
import structlog
from arcus.engine.v1 import engine_pb2 as pb

from services.core.errors import ArcusError
from services.core.frames import CALLS, REPLICA_HEADER, Frames
from services.telemetry.tracing import Metadata

CONNECT_SECONDS = 2.0
FIRST_SECONDS, LONGEST_SECONDS = 0.2, 15.0  # between looks for a replica that is not known yet
KNOWN_SECONDS = 30.0  # between looks for each, when all are known: others may have come in their place
LEFT_SECONDS = 300.0  # a replica that the ingress has not led to for so long is left

log = structlog.get_logger(__name__)


class Gauge(Protocol):
    def set(self, value: float, /) -> None: ...


class Connection(Frames):
    """To one replica. `lost_one` is called once it is lost."""

    def __init__(self, lost_one: Callable[[Connection], None]) -> None:
        super().__init__()
        self._lost_one = lost_one
        self._waiting: dict[int, asyncio.Future[pb.DirectReply | None]] = {}
        self._ids = itertools.count(1)
        self._heard_at = 0.0
        self.found_at = 0.0

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    async def call(self, asked: str, request: Any, metadata: Metadata, seconds: float) -> Any:
        """The reply of `asked`, a field of DirectCall; None where it has to be asked elsewhere.

        Raises AioRpcError as gRPC does, DEADLINE_EXCEEDED after `seconds`.
        """
        id, loop = next(self._ids), asyncio.get_running_loop()
        call = pb.DirectCall(id=id, timeout_ms=max(1, int(seconds * 1000)), metadata=dict(metadata), **{asked: request})
        frame = call.SerializeToString()
        if not self.is_open or len(frame) > self.max_frame_bytes:
            return None
        self._waiting[id] = waiting = loop.create_future()
        self.send(frame)
        started = loop.time()
        try:
            async with asyncio.timeout(seconds):
                reply = await waiting
        except TimeoutError:
            if self._heard_at < started:  # also a process that stands still keeps a connection
                self.abort()
            raise _failure(grpc.StatusCode.DEADLINE_EXCEEDED, "The replica did not answer in time.") from None
        finally:
            if self._waiting.pop(id, None) is not None:
                self.send(pb.DirectCall(id=id, cancel=True).SerializeToString())
        if reply is None:
            return None
        if reply.HasField("failure"):
            failure = reply.failure
            code = getattr(grpc.StatusCode, failure.code, grpc.StatusCode.UNKNOWN)
            raise _failure(code, failure.details, *failure.trailers.items())
        return getattr(reply, asked)

    def took(self, frame: bytes) -> None:
        reply = pb.DirectReply.FromString(frame)
        self._heard_at = asyncio.get_running_loop().time()
        waiting = self._waiting.pop(reply.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def lost(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            if not each.done():
                each.set_result(None)
        self._lost_one(self)


class DirectReplicas:
    """Those of one Serve application, looked for until it is closed."""

    def __init__(
        self,
        application: str,
        ask: Callable[[], Awaitable[pb.DirectResponse]],
        secret: str,
        replicas: int,
        known: Gauge,
    ) -> None:
        """ask: any replica where it is; replicas: how many there are to find; known: told how many are connected."""
        self._application = application
        self._ask = ask
        self._secret = secret
        self._replicas = replicas
        self._known = known
        self._connections: dict[str, Connection] = {}
        self._has_lost = asyncio.Event()
        self._lot = random.Random()
        self._finding = asyncio.create_task(self._find(), name=f"direct-{application}", context=Context())

    async def close(self) -> None:
        self._finding.cancel()
        await asyncio.gather(self._finding, return_exceptions=True)
        for connection in tuple(self._connections.values()):
            connection.abort()

    def free(self) -> Connection | None:
        """The one with least under way. None where the ingress may lead to a replica with less."""
        free = min(self._connections.values(), key=lambda each: each.in_flight, default=None)
        if free is None or free.is_full or free.in_flight >= CALLS or not free.is_open:
            return None
        return free if not free.in_flight or len(self._connections) >= self._replicas else None

    async def _find(self) -> None:
        pause = FIRST_SECONDS
        while True:
            is_new = False
            try:
                is_new = await self._look()
            except (ArcusError, OSError, TimeoutError, grpc.aio.AioRpcError) as error:
                log.debug("direct_not_found", application=self._application, error=repr(error)[:200])
            except Exception:
                log.exception("direct_not_found", application=self._application)
            if len(self._connections) >= self._replicas:
                pause, longest = FIRST_SECONDS, KNOWN_SECONDS / self._replicas
            else:
                pause = FIRST_SECONDS if is_new else min(2 * pause, LONGEST_SECONDS)
                longest = pause
            await asyncio.sleep(FIRST_SECONDS * self._lot.uniform(0.5, 1.5))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(longest * self._lot.uniform(0.5, 1.5)):
                    await self._has_lost.wait()
            self._has_lost.clear()

    async def _look(self) -> bool:
        """Whether it found a replica that was not known."""
        found = await self._ask()
        loop = asyncio.get_running_loop()
        known = self._connections.get(found.replica)
        if known is not None:
            known.found_at = loop.time()
        self._leave()  # here: an ingress that does not answer says nothing against a replica
        if not found.replica or known is not None:
            return False
        async with asyncio.timeout(CONNECT_SECONDS):
            _, connection = await loop.create_connection(lambda: Connection(self._forget), found.host, found.port)
            metadata = (("x-arcus-secret", self._secret), (REPLICA_HEADER, found.replica))
            try:
                is_taken = await connection.call("hello", True, metadata, CONNECT_SECONDS)
            except BaseException:
                connection.abort()
                raise
        if not is_taken or not connection.is_open:
            return False
        connection.found_at = loop.time()
        self._connections[found.replica] = connection
        self._known.set(len(self._connections))
        return True

    def _forget(self, connection: Connection) -> None:
        known = [replica for replica, each in self._connections.items() if each is connection]
        for replica in known:
            del self._connections[replica]
            self._known.set(len(self._connections))
            self._has_lost.set()
            log.info("direct_connection_lost", application=self._application)

    def _leave(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._connections.values()):
            if now - connection.found_at > LEFT_SECONDS and not connection.in_flight:
                connection.abort()


def _failure(code: grpc.StatusCode, details: str, *trailers: tuple[str, str]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), details)
