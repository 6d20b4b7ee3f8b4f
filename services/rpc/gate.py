"""What every RPC passes before its handler: one valid key, its whole message, room for one more; no traceback leaves.

Every handler is given to gRPC as one that reads a stream: the others are called only once their message is there, and
would wait for it, and for its key, without a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar
from urllib.parse import unquote
from uuid import uuid4

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from structlog.contextvars import bind_contextvars, get_contextvars

from services.core.errors import ArcusError, Reason, invalid
from services.core.tenants.admin_keys import AdminKeys
from services.core.tenants.audit import Actor
from services.core.tenants.keys import Caller, Keys
from services.core.tenants.limiter import NO_LIMITS, Admission, Limiter, current
from services.core.tenants.limits import LatestCalls, Place, TenantLimit
from services.core.tenants.strangers import Strangers, TrustedProxies
from services.core.tenants.usage import calling_key
from services.rpc.errors import status_of
from services.rpc.scopes import SCOPES
from services.rpc.values import check_size, check_texts
from services.rpc.writing import StreamContext
from services.telemetry.metrics import Metrics
from services.telemetry.tracing import ids, request_span, set_outcome

log = structlog.get_logger(__name__)
PUBLIC = ("/grpc.health.v1.Health/", "/grpc.reflection.")
ADMIN = "/arcus.v1.AdminService/"
QUESTIONS = ("/arcus.v1.ResponseService/", "/arcus.v1.ChatService/")
READS = ("Get", "List", "Follow")
MESSAGE_SECONDS = 20.0
PUBLIC_SECONDS = 60.0
MAX_WAITING = 1024  # calls whose message is not there yet
MAX_PUBLIC = 256  # calls without a key
MAX_WATCHES = 64  # of health, which last
Who = TypeVar("Who")
_caller: ContextVar[Caller] = ContextVar("caller")
_actor: ContextVar[Actor] = ContextVar("actor")


def caller() -> Caller:
    """Who made the call that is being handled."""
    return _caller.get()


def tenant() -> str:
    """The tenant of the call that is being handled."""
    return caller().tenant_id


def actor() -> Actor:
    """Whose admin key made the call that is being handled."""
    return _actor.get()


class Gate(grpc.aio.ServerInterceptor):
    """Handlers are coroutines; one that streams its reply writes to the context, so that it ends with its call."""

    def __init__(
        self,
        keys: Keys,
        admin_keys: AdminKeys,
        limit: TenantLimit,
        *,
        limiter: Limiter | None = None,
        strangers: Strangers | None = None,
        proxies: TrustedProxies | None = None,
        max_question_bytes: int = 1024**2,
        message_seconds: float = MESSAGE_SECONDS,
        metrics: Metrics | None = None,
    ) -> None:
        self._keys = keys
        self._admin_keys = admin_keys
        self._limit = limit
        self._limiter = limiter
        self._strangers = strangers or Strangers()
        self._proxies = proxies or TrustedProxies("")
        self._max_question_bytes = max_question_bytes
        self._message_seconds = message_seconds
        self._metrics = metrics or Metrics()
        self._waiting = LatestCalls(MAX_WAITING)
        self._public = LatestCalls(MAX_PUBLIC)
        self._watches = LatestCalls(MAX_WATCHES)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        method = handler_call_details.method
        # Requests are read in `told`: grpcio tells of bytes that are no message as of a fault of its own.
        read, options = handler.request_deserializer, {"response_serializer": handler.response_serializer}
        call = self._open(handler, method) if method.startswith(PUBLIC) else self._guarded(handler, method)
        told = self._counted(_told(call, method, read), method, is_stream=handler.response_streaming)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(told, **options)
        return grpc.stream_unary_rpc_method_handler(told, **options)

    def _counted(self, call: Any, method: str, *, is_stream: bool) -> Any:
        """A method is one that a service has: others were refused before they came here."""

        route, is_public = method.removeprefix("/"), method.startswith(PUBLIC)

        async def counted(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> Any:
            since, outcome = perf_counter(), Outcome()
            metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
            with request_span(route, metadata, is_probe=is_public) as span:
                bind_contextvars(request_id=f"req_{uuid4().hex}", **ids(span))
                if is_stream:
                    self._metrics.streams.inc()
                try:
                    return await call(requests, StreamContext(context) if is_stream else context, outcome)
                except asyncio.CancelledError:
                    outcome.code = "CANCELLED"
                    raise
                finally:
                    if is_stream:
                        self._metrics.streams.dec()
                    seconds, who = perf_counter() - since, _caller.get(None)
                    tenant_id = who.tenant_id if who else None
                    self._metrics.request(route, outcome.code, seconds, reason=outcome.reason, tenant_id=tenant_id)
                    set_outcome(span, route, outcome.code, tenant_id)
                    if not is_public:
                        told = {"route": route, "code": outcome.code, "reason": outcome.reason}
                        log.info("request", **told, duration_seconds=round(seconds, 4))

        return counted

    def _guarded(self, handler: Any, method: str) -> Any:
        handle = _function(handler)
        max_bytes = self._max_question_bytes if method.startswith(QUESTIONS) else None

        async def guarded(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> Any:
            if method.startswith(ADMIN):
                key_id = await self._authenticate(context, self._admin_keys.authenticate)
                _actor.set(Actor(key_id, self._address(context), get_contextvars()["request_id"]))
                return await admitted(requests, context, key_id)  # an admin key has the places that a tenant has
            found = await self._authenticate(context, self._keys.authenticate)
            bind_contextvars(tenant_id=found.tenant_id, key_id=found.key_id)
            found.require(SCOPES.get(method))
            async with await self._let_in(found, method) as admission:
                current.set(admission)
                calling_key.set(found.key_id)
                _caller.set(found)
                return await admitted(requests, context, found.tenant_id)

        async def admitted(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext, tenant_id: str) -> Any:
            if handler.request_streaming:
                with self._limit.admit(tenant_id, Place.UPLOAD):
                    return await handle(requests, context)
            with self._limit.admit(tenant_id, Place.ARRIVING):
                request = await self._message(requests)
            with self._limit.admit(tenant_id):
                if isinstance(request, Message):
                    check_size(request, max_bytes)
                    check_texts(request)
                return await handle(request, context)

        return guarded

    async def _let_in(self, found: Caller, method: str) -> Admission:
        if self._limiter is None:
            return NO_LIMITS
        reads = method.rpartition("/")[2].startswith(READS)
        return await self._limiter.admit(found.tenant_id, found.key_id, reads=reads)

    def _open(self, handler: Any, method: str) -> Any:
        """A call that needs no key: so many at once, and only for so long."""
        handle, lasts = _function(handler), method.endswith("/Watch")

        async def opened(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> Any:
            with (self._watches if lasts else self._public).admit():
                async with asyncio.timeout(None if lasts else PUBLIC_SECONDS):
                    given = requests if handler.request_streaming else await self._message(requests)
                    if not (handler.request_streaming and handler.response_streaming):
                        return await handle(given, context)
                    async for reply in handle(given, context):
                        await context.write(reply)

        return opened

    async def _message(self, requests: AsyncIterator[Any]) -> Any:
        """Raises DEADLINE_EXCEEDED where it does not come, INVALID_ARGUMENT where it is none."""
        try:
            with self._waiting.admit():
                async with asyncio.timeout(self._message_seconds):
                    return await anext(requests)
        except StopAsyncIteration:
            raise invalid("The call ended before its message was whole.") from None
        except TimeoutError:
            raise ArcusError(
                Reason.DEADLINE_EXCEEDED, f"The message did not come within {self._message_seconds:g} seconds."
            ) from None

    def _address(self, context: grpc.aio.ServicerContext) -> str:
        """Of the client, as far as the proxies before it are trusted."""
        forwarded = ",".join(
            str(value) for name, value in context.invocation_metadata() or () if name.lower() == "x-forwarded-for"
        )
        return self._proxies.client(address_of(context.peer()), forwarded)

    async def _authenticate(self, context: grpc.aio.ServicerContext, owner: Callable[[str], Awaitable[Who]]) -> Who:
        metadata = [(name.lower(), str(value)) for name, value in context.invocation_metadata() or ()]
        given = [value for name, value in metadata if name == "authorization"]
        if len(given) > 1:
            raise ArcusError(Reason.UNAUTHENTICATED, "Send one authorization, not several.")
        scheme, _, key = "".join(given).partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ArcusError(Reason.UNAUTHENTICATED)
        try:
            return await owner(key.strip())
        except ArcusError as error:
            if error.reason is Reason.UNAUTHENTICATED:
                await self._strangers.slow(self._address(context))
            raise


def address_of(peer: str) -> str:
    """Of a peer as gRPC names it: ipv4:127.0.0.1:5000, ipv6:[::1]:5000 with its brackets quoted, or unix:…"""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else peer


def _function(handler: Any) -> Any:
    return handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream


@dataclass
class Outcome:
    """How a call ended."""

    code: str = "OK"
    reason: Reason | None = None


def _told(call: Any, method: str, read: Callable[[bytes], Message]) -> Any:
    """The call, whose failure is told as a status; to a client that has gone away, nothing."""

    async def told(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext, outcome: Outcome) -> Any:
        try:
            return await call(_messages(requests, read), context)
        except ArcusError as error:
            failure = error
        except grpc.aio.AbortError:
            raise
        except TimeoutError:
            failure = ArcusError(Reason.DEADLINE_EXCEEDED)
        except Exception:
            if context.cancelled():
                log.info("client went away", method=method)
                outcome.code = "CANCELLED"
                return None
            log.exception("rpc_failed", method=method)
            failure = ArcusError(Reason.INTERNAL)
        status = status_of(failure)
        outcome.code, outcome.reason = status.code.name, failure.reason
        await context.abort(status.code, status.details, status.trailing_metadata)

    return told


async def _messages(requests: AsyncIterator[bytes], read: Callable[[bytes], Message]) -> AsyncIterator[Message]:
    async for data in requests:
        try:
            message = read(data)
        except DecodeError:
            raise invalid("The request's bytes are no message of this call.") from None
        yield message
