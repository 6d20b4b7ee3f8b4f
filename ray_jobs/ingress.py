"""What every replica does at its gRPC edge: checks the shared secret and turns errors into statuses."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import grpc
import structlog
from structlog.contextvars import bind_contextvars, unbind_contextvars

from services.core.errors import REASON_HEADER, REQUEST_HEADER, RETRY_HEADER, ArcusError, Reason
from services.telemetry.tracing import carried_ids, replica_span

SECRET_HEADER = "x-arcus-secret"
FIELD_HEADER = "x-arcus-field"

Request = TypeVar("Request")
Response = TypeVar("Response")

log = structlog.get_logger()


class Gate:
    """Guards the methods of one replica.

    A failed call is answered by setting a status and returning normally: Serve sends trailing metadata only then.
    """

    def __init__(self, secret: str, other_secret: str = "") -> None:
        """`other_secret`: one that is taken too, while one takes the other's place."""
        if not secret:
            raise ArcusError(Reason.INVALID_ARGUMENT, "Set ARCUS_ENGINE_SECRET to the secret that the front sends.")
        self._secrets = [known.encode() for known in (secret, other_secret) if known]

    async def unary(
        self, context: Any, call: Callable[[Request], Awaitable[Response]], request: Request, nothing: Response
    ) -> Response:
        """The answer of `call`, or `nothing` with an error status."""
        try:
            metadata = self.check(context)
            with replica_span(_name(request), metadata):
                return await call(request)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _refuse(context, error)
            return nothing

    async def stream(
        self, context: Any, call: Callable[[Request], AsyncIterator[Response]], request: Request
    ) -> AsyncIterator[Response]:
        """The messages of `call`. However the stream ends, its iterator is closed, which stops the engine."""
        messages: AsyncIterator[Response] | None = None
        try:
            metadata = self.check(context)
            with replica_span(_name(request), metadata):
                messages = call(request)
                async for message in messages:
                    yield message
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _refuse(context, error)
        finally:
            close = getattr(messages, "aclose", None)
            if close is not None:
                await close()

    def check(self, context: Any) -> dict[str, str]:
        """The call's metadata. Raises UNAUTHENTICATED."""
        metadata = dict(context.invocation_metadata())
        given = metadata.get(SECRET_HEADER, "").encode()
        if not any([hmac.compare_digest(given, known) for known in self._secrets]):
            raise ArcusError(Reason.UNAUTHENTICATED, "The engine secret is missing or wrong.")
        unbind_contextvars("request_id", "trace_id")
        request_id = metadata.get(REQUEST_HEADER, "")
        bind_contextvars(**({"request_id": request_id} if request_id else {}), **carried_ids(metadata))
        return metadata


def _name(request: Any) -> str:
    """Of its call: SearchMany, where a SearchManyRequest is asked."""
    return type(request).__name__.removesuffix("Request")


def _refuse(context: Any, error: Exception) -> None:
    if not isinstance(error, ArcusError):
        log.error("engine call failed", exc_info=error)
        error = ArcusError(Reason.INTERNAL)
    context.set_code(grpc.StatusCode[error.wire.grpc])
    context.set_details(error.message)
    trailers = [(REASON_HEADER, error.reason.value)]
    if error.field is not None:
        trailers.append((FIELD_HEADER, error.field))
    if error.retry_after_seconds is not None:
        trailers.append((RETRY_HEADER, str(error.retry_after_seconds)))
    context.set_trailing_metadata(trailers)
