"""What every request passes before its route: a clean path, a valid key, room for one more; and no traceback leaves.

Every reply carries X-Request-Id, under which the log tells of a failure.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.core.errors import ArcusError, Reason, invalid
from services.core.tenants.keys import Keys
from services.core.tenants.limits import TenantLimit
from services.rest.errors import error_reply

log = structlog.get_logger(__name__)
SLASHES = re.compile("//+")
PUBLIC = ("/v1/thumbnails/",)  # the signature in the link is the permission
bearer = HTTPBearer(auto_error=False, description="An API key, as 'Authorization: Bearer cg-…'.")


class Gate:
    """Plain ASGI, so that nothing between a route and the socket buffers. The key is checked before the body is read."""

    def __init__(self, app: ASGIApp, *, keys: Keys, limit: TenantLimit) -> None:
        self._app = app
        self._keys = keys
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        request_id = f"req_{uuid4().hex}"

        async def watched_send(message: Message) -> None:
            nonlocal started
            if not started:
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
                started = True
            await send(message)

        try:
            path = clean_path(scope)
            if path.startswith("/v1/") and not path.startswith(PUBLIC):
                tenant_id = await self._authenticate(scope)
                scope.setdefault("state", {})["tenant_id"] = tenant_id
                with self._limit.admit(tenant_id):
                    await self._app(scope, receive, watched_send)
            else:
                await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            log.debug("client went away", path=scope["path"])
        except Exception as error:
            known = error if isinstance(error, ArcusError) else None
            if known is None:
                log.exception("request failed", request_id=request_id, method=scope["method"], path=scope["path"])
            if started:  # nothing can be taken back: only cutting the connection tells the client
                raise
            failure = error_reply(known or ArcusError(Reason.INTERNAL), Headers(scope=scope))
            await failure(scope, receive, watched_send)

    async def _authenticate(self, scope: Scope) -> str:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ArcusError(Reason.UNAUTHENTICATED)
        return await self._keys.authenticate(key.strip())


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
