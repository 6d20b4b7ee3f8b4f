"""What every RPC passes before its handler: a valid key, room for one more; and no traceback leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import grpc
import structlog
from google.protobuf.message import Message

from services.core.errors import ArcusError, Reason
from services.core.tenants.keys import Keys
from services.core.tenants.limits import TenantLimit
from services.rpc.errors import status_of
from services.rpc.values import check_texts

log = structlog.get_logger(__name__)
PUBLIC = ("/grpc.health.v1.Health/", "/grpc.reflection.")
_tenant_id: ContextVar[str] = ContextVar("tenant_id")


def tenant() -> str:
    """The tenant of the call that is being handled."""
    return _tenant_id.get()


class Gate(grpc.aio.ServerInterceptor):
    """Handlers are coroutines; one that streams its reply writes to the context, so that it ends with its call."""

    def __init__(self, keys: Keys, limit: TenantLimit) -> None:
        self._keys = keys
        self._limit = limit

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(PUBLIC):
            return handler
        method = handler_call_details.method
        options = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._guarded(handler.unary_unary, method), **options)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._guarded(handler.unary_stream, method), **options)
        return grpc.stream_unary_rpc_method_handler(self._guarded(handler.stream_unary, method), **options)

    def _guarded(self, handle: Any, method: str) -> Any:
        async def guarded(request: Any, context: grpc.aio.ServicerContext) -> Any:
            try:
                tenant_id = await self._authenticate(context)
                with self._limit.admit(tenant_id):
                    _tenant_id.set(tenant_id)
                    if isinstance(request, Message):  # not what is streamed
                        check_texts(request)
                    return await handle(request, context)
            except ArcusError as error:
                failure = error
            except Exception:
                log.exception("rpc_failed", method=method)
                failure = ArcusError(Reason.INTERNAL)
            status = status_of(failure)
            await context.abort(status.code, status.details, status.trailing_metadata)

        return guarded

    async def _authenticate(self, context: grpc.aio.ServicerContext) -> str:
        metadata = {name.lower(): value for name, value in context.invocation_metadata() or ()}
        scheme, _, key = str(metadata.get("authorization", "")).partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ArcusError(Reason.UNAUTHENTICATED)
        return await self._keys.authenticate(key.strip())
