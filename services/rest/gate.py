"""What every request passes before its route: a clean path, a valid key, room for one more; and no traceback leaves.

Every reply carries X-Request-Id, under which the log tells of a failure.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Annotated, TypeVar
from urllib.parse import quote
from uuid import uuid4

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from services.core.errors import ArcusError, Reason, invalid
from services.core.store.plain_json import MAX_BODY_BYTES
from services.core.tenants.admin_keys import AdminKeys
from services.core.tenants.audit import Actor
from services.core.tenants.keys import Caller, Keys
from services.core.tenants.limiter import NO_LIMITS, Limiter, RefusedError, current
from services.core.tenants.limits import Place, TenantLimit
from services.core.tenants.strangers import Strangers
from services.core.tenants.usage import calling_key
from services.rest.bodies import too_large, whole_body
from services.rest.errors import error_reply, told_reason
from services.rest.rate_headers import rate_headers
from services.rest.scopes import scope_of
from services.telemetry.metrics import Metrics
from services.telemetry.tracing import Span, ids, request_span, set_outcome

Who = TypeVar("Who")
log = structlog.get_logger(__name__)
SLASHES = re.compile("//+")
PUBLIC = ("/v1/thumbnails/",)  # the signature in the link is the permission
ADMIN = "/admin/"
QUESTIONS = ("/v1/responses", "/v1/chat/completions")
UPLOADS = "/v1/files"
PROBES = ("GET /healthz", "GET /readyz")
CLIENT_WENT_AWAY = 499  # in metrics, as nginx has it
# What users sent reaches the replies: no browser may take it for a page, or run any of it.
POLICY = b"default-src 'none'; frame-ancestors 'none'; sandbox"
PAGE_POLICY = b"default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"  # of /docs, our own
bearer = HTTPBearer(auto_error=False, description="An API key, as 'Authorization: Bearer cg-…'.")


class Gate:
    """Plain ASGI, so that nothing between a route and the socket buffers.

    The key and the limits over all fronts are looked at before the body is read, and a request takes one of its tenant's
    places in this front once its body is whole.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys,
        limiter: Limiter,
        admin_keys: AdminKeys,
        limit: TenantLimit,
        strangers: Strangers,
        max_question_bytes: int,
        metrics: Metrics,
        route_of: Callable[[Scope], str],
    ) -> None:
        self._app = app
        self._keys = keys
        self._limiter = limiter
        self._admin_keys = admin_keys
        self._limit = limit
        self._strangers = strangers
        self._max_question_bytes = max_question_bytes
        self._metrics = metrics
        self._route_of = route_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_probe = f"{scope['method']} {scope['path']}" in PROBES
        with request_span(scope["method"], Headers(scope=scope), is_probe=is_probe) as span:
            await self._answer(scope, receive, send, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: Span) -> None:
        started = is_stream = False
        status, since = CLIENT_WENT_AWAY, perf_counter()
        admission = NO_LIMITS
        request_id = f"req_{uuid4().hex}"
        bind_contextvars(request_id=request_id, **ids(span))

        async def watched_send(message: Message) -> None:
            nonlocal started, status, is_stream
            if not started:
                status = message["status"]
                is_stream = any(value.startswith(b"text/event-stream") for _, value in message["headers"])
                if is_stream:
                    self._metrics.streams.inc()
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"content-security-policy", PAGE_POLICY if scope["path"].startswith("/docs") else POLICY),
                    *rate_headers(admission.standings),
                ]
                started = True
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await admission.end()  # first: who is allowed one request at a time may send the next at once
            await send(message)

        try:
            path = clean_path(scope)
            if path.startswith("/v1/") and not path.startswith(PUBLIC):
                caller: Caller = await self._authenticate(scope, self._keys.authenticate)
                scope.setdefault("state", {})["caller"] = caller
                bind_contextvars(tenant_id=caller.tenant_id, key_id=caller.key_id)
                caller.require(scope_of(scope["method"], path))
                reads = scope["method"] in ("GET", "HEAD")
                async with await self._limiter.admit(caller.tenant_id, caller.key_id, reads=reads) as admission:
                    current.set(admission)
                    calling_key.set(caller.key_id)
                    await self._admitted(scope, receive, watched_send, caller.tenant_id)
            elif path.startswith(ADMIN):
                key_id = await self._authenticate(scope, self._admin_keys.authenticate)
                scope.setdefault("state", {})["actor"] = Actor(key_id, (scope["client"] or ("",))[0], request_id)
                await self._admitted(scope, receive, watched_send, key_id)
            else:
                await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            log.info("client went away", route=self._route_of(scope))
        except Exception as error:
            known = error if isinstance(error, ArcusError) else None
            told_reason(scope, known.reason if known else Reason.INTERNAL)
            if known is None:
                log.exception("request failed", route=self._route_of(scope))
            if started:  # nothing can be taken back: only cutting the connection tells the client
                status = 500
                raise
            headers = rate_headers(known.standings) if isinstance(known, RefusedError) else ()
            failure = error_reply(known or ArcusError(Reason.INTERNAL), Headers(scope=scope))
            failure.raw_headers.extend(headers)
            await failure(scope, receive, watched_send)
        finally:
            if is_stream:
                self._metrics.streams.dec()
            state = scope.get("state", {})
            route, seconds, reason, who = (
                self._route_of(scope),
                perf_counter() - since,
                state.get("reason"),
                state.get("caller"),
            )
            tenant_id = who.tenant_id if who else None
            self._metrics.request(route, str(status), seconds, reason=reason, tenant_id=tenant_id)
            set_outcome(span, route, str(status), tenant_id)
            if route not in PROBES:
                log.info("request", route=route, code=status, reason=reason, duration_seconds=round(seconds, 4))

    async def _admitted(self, scope: Scope, receive: Receive, send: Send, tenant_id: str) -> None:
        """An admin key has the places that a tenant has."""
        if scope["method"] == "POST" and scope["path"] == UPLOADS:
            with self._limit.admit(tenant_id, Place.UPLOAD):
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD") and ("content-length" in headers or "transfer-encoding" in headers):
            most = self._max_question_bytes if scope["path"] in QUESTIONS else MAX_BODY_BYTES
            length = headers.get("content-length", "")
            if length.isdecimal() and int(length) > most:
                raise too_large(most)
            with self._limit.admit(tenant_id, Place.ARRIVING):
                receive = _replayed(await whole_body(receive, most), receive)
        with self._limit.admit(tenant_id):
            await self._app(scope, receive, send)

    async def _authenticate(self, scope: Scope, owner: Callable[[str], Awaitable[Who]]) -> Who:
        given = Headers(scope=scope).getlist("authorization")
        if len(given) > 1:
            raise ArcusError(Reason.UNAUTHENTICATED, "Send one Authorization header, not several.")
        scheme, _, key = "".join(given).partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ArcusError(Reason.UNAUTHENTICATED)
        try:
            return await owner(key.strip())
        except ArcusError as error:
            if error.reason is Reason.UNAUTHENTICATED:
                await self._strangers.slow((scope["client"] or ("",))[0])
            raise


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What a body that was read is received from; then what its client does."""
    is_told = False

    async def replayed() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def clean_path(scope: Scope) -> str:
    """Clients given a base URL that ends in a slash ask for /v1//files; a slash at the end means nothing either."""
    path = SLASHES.sub("/", scope["path"])
    if len(path) > 1:
        path = path.rstrip("/")
    if "\0" in path or b"%00" in scope["query_string"]:
        raise invalid("The URL holds a null character.")
    if path != scope["path"]:
        scope["path"], scope["raw_path"] = path, quote(path).encode()
    return path


def caller(scope: Scope) -> Caller:
    """Whom the gate found for the key."""
    found = scope.get("state", {}).get("caller")
    if found is None:
        raise ArcusError(Reason.UNAUTHENTICATED)
    return found


async def tenant(request: Request, _key: object = Depends(bearer)) -> str:
    """The tenant of the request that is being handled."""
    return caller(request.scope).tenant_id


Tenant = Annotated[str, Depends(tenant)]
