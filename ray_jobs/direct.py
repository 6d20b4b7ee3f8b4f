"""A replica's own port: what its gRPC edge takes, over connections that fronts keep, with no proxy between."""

from __future__ import annotations

import asyncio
import hmac
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
import structlog
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.ingress import SECRET_HEADER, Gate
from services.core.errors import ArcusError
from services.core.frames import CALLS, MAX_FRAME_BYTES, REPLICA_HEADER, Frames

CONNECTIONS = 256  # fronts, each with one
HELLO_SECONDS, HELLO_BYTES = 5.0, 4096

Method = Callable[[Any, Any], Awaitable[Any]]

log = structlog.get_logger()


class DirectServer:
    def __init__(self, methods: Mapping[str, Method], gate: Gate) -> None:
        """methods: those of the gRPC edge, with a request and a context, by their fields of DirectCall."""
        self.methods = methods
        self.gate = gate
        self.replica = secrets.token_hex(16)
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._told = pb.DirectResponse()

    async def start(self, host: str, ports: Sequence[int] = (0,)) -> None:
        """On the first free port of them, 0 being any. Where there is none, it takes no connections, and says so."""
        loop = asyncio.get_running_loop()
        for port in random.sample(ports, len(ports)):
            try:
                self._server = await loop.create_server(lambda: _Connection(self), host, port)
            except OSError:
                continue
            port = self._server.sockets[0].getsockname()[1]
            self._told = pb.DirectResponse(replica=self.replica, host=host, port=port)
            return
        log.warning("no_direct_port", host=host, first=min(ports), last=max(ports))

    async def told(self, _request: pb.DirectRequest) -> pb.DirectResponse:
        return self._told

    async def close(self) -> None:
        self._told = pb.DirectResponse()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.abort()


class _Connection(Frames):
    def __init__(self, server: DirectServer) -> None:
        super().__init__(max_frame_bytes=HELLO_BYTES)
        self._server = server
        self._secret = ""  # that the peer gave, once it was taken
        self._calls: dict[int, asyncio.Task[None]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._server.connections) >= CONNECTIONS:
            log.warning("too_many_direct_connections", connections=CONNECTIONS)
            self.abort()
            return
        self._server.connections.add(self)
        self._hello_ends = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._end_stranger)

    def _end_stranger(self) -> None:
        if not self._secret:
            self.abort()

    def lost(self) -> None:
        self._server.connections.discard(self)
        for task in self._calls.values():
            task.cancel()

    def took(self, frame: bytes) -> None:
        call = pb.DirectCall.FromString(frame)
        asked = call.WhichOneof("asked")
        if not self._secret:
            self._greet(call, asked)
        elif asked == "cancel":
            if task := self._calls.get(call.id):
                task.cancel()
        elif call.id in self._calls:
            raise ValueError("a call of this id is under way")
        elif len(self._calls) >= CALLS:
            self._fail(call.id, grpc.StatusCode.RESOURCE_EXHAUSTED, f"At most {CALLS} calls are taken at once.")
        elif asked not in self._server.methods:
            self._fail(call.id, grpc.StatusCode.UNIMPLEMENTED, "There is no such call.")
        else:
            self._calls[call.id] = task = asyncio.create_task(self._answer(call, asked), name="direct-call")
            task.add_done_callback(lambda _: self._calls.pop(call.id))  # also of one that is cancelled before it began

    def _greet(self, call: pb.DirectCall, asked: str | None) -> None:
        replica = call.metadata.get(REPLICA_HEADER, "").encode()
        if asked != "hello" or not hmac.compare_digest(replica, self._server.replica.encode()):
            raise ValueError("a peer that was not told of this replica")
        try:
            self._server.gate.check(_Context(call.metadata))
        except ArcusError as error:
            raise ValueError("a wrong secret") from error
        self._secret = call.metadata[SECRET_HEADER]
        self._hello_ends.cancel()
        self.max_frame_bytes = MAX_FRAME_BYTES
        self.send(pb.DirectReply(id=call.id, hello=True).SerializeToString())

    async def _answer(self, call: pb.DirectCall, asked: str) -> None:
        context = _Context({**call.metadata, SECRET_HEADER: self._secret})
        try:
            async with asyncio.timeout(call.timeout_ms / 1000 if call.timeout_ms else None):
                response = await self._server.methods[asked](getattr(call, asked), context)
        except TimeoutError:
            return
        if context.code is not None:
            self._fail(call.id, context.code, context.details, context.trailers)
            return
        self.send(pb.DirectReply(id=call.id, **{asked: response}).SerializeToString())

    def _fail(self, id: int, code: grpc.StatusCode, details: str, trailers: Sequence[tuple[str, str]] = ()) -> None:
        failure = pb.DirectFailure(code=code.name, details=details, trailers=dict(trailers))
        self.send(pb.DirectReply(id=id, failure=failure).SerializeToString())


class _Context:
    """What the gate wants of a gRPC context."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        self._metadata = metadata
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.trailers: Sequence[tuple[str, str]] = ()

    def invocation_metadata(self) -> Mapping[str, str]:
        return self._metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, trailers: Sequence[tuple[str, str]]) -> None:
        self.trailers = trailers
