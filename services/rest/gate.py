"""What every request passes before its route: a clean path, a valid key, room for one more; and no traceback leaves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from urllib.parse import quote

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.core.errors import ArcusError, Reason, invalid
from services.core.keys import Keys
from services.rest.errors import error_reply

log = structlog.get_logger(__name__)
SLASHES = re.compile("//+")
PUBLIC = ("/v1/thumbnails/",)  # the signature in the link is the permission
bearer = HTTPBearer(auto_error=False, description="An API key, as 'Authorization: Bearer cg-…'.")


class Gate:
    """Plain ASGI, so that nothing between a route and the socket buffers. The key is checked before the body is read."""

    def __init__(self, app: ASGIApp, *, keys: Keys, max_requests_per_tenant: int) -> None:
        self._app = app
        self._keys = keys
        self._max_requests_per_tenant = max_requests_per_tenant
        self._in_progress: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            path = clean_path(scope)
            if path.startswith("/v1/") and not path.startswith(PUBLIC):
                tenant_id = await self._authenticate(scope)
                scope.setdefault("state", {})["tenant_id"] = tenant_id
                with self._admitted(tenant_id):
                    await self._app(scope, receive, watched_send)
            else:
                await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            log.debug("client went away", path=scope["path"])
        except Exception as error:
            known = error if isinstance(error, ArcusError) else None
            if known is None:
                log.exception("request failed", method=scope["method"], path=scope["path"])
            if started:  # nothing can be taken back: only cutting the connection tells the client
                raise
            await error_reply(known or ArcusError(Reason.INTERNAL))(scope, receive, send)

    async def _authenticate(self, scope: Scope) -> str:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ArcusError(Reason.UNAUTHENTICATED)
        return await self._keys.authenticate(key.strip())

    @contextmanager
    def _admitted(self, tenant_id: str) -> Iterator[None]:
        if self._in_progress[tenant_id] >= self._max_requests_per_tenant:
            raise ArcusError(
                Reason.LIMIT_EXCEEDED,
                f"{self._max_requests_per_tenant} requests of this account are in progress; wait for one to end.",
            )
        self._in_progress[tenant_id] += 1
        try:
            yield
        finally:
            self._in_progress[tenant_id] -= 1
            if not self._in_progress[tenant_id]:
                del self._in_progress[tenant_id]


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


async def tenant(request: Request, _key: object = Depends(bearer)) -> str:
    """The tenant that the gate found for the key."""
    tenant_id = request.scope.get("state", {}).get("tenant_id")
    if tenant_id is None:
        raise ArcusError(Reason.UNAUTHENTICATED)
    return tenant_id


Tenant = Annotated[str, Depends(tenant)]
