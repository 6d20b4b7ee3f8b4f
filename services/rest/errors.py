"""Replies, and every failure as {"error": "…"} with the status of its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.core.errors import WIRE, ArcusError, Reason, invalid

BY_STATUS = {404: Reason.NOT_FOUND, 405: Reason.METHOD_NOT_ALLOWED}


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON in ASCII: the Python SDK decodes each network read on its own, which may split a wider character."""
    return Response(
        json.dumps(value, allow_nan=False),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


def error_reply(error: ArcusError, headers: Mapping[str, str] | None = None) -> Response:
    extra = dict(headers or {})
    if error.retry_after_seconds is not None:
        extra["Retry-After"] = str(error.retry_after_seconds)
    if error.reason is Reason.UNAUTHENTICATED:
        extra["WWW-Authenticate"] = "Bearer"
    return reply({"error": error.message}, error.wire.http, extra)


def first_problem(problems: Any) -> ArcusError:
    """The first of pydantic's problems, as INVALID_ARGUMENT that names the field."""
    problem = problems[0]
    place = [part for part in problem["loc"] if part not in ("query", "path", "header", "body")]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    return invalid(f"{field or 'The request'}: {problem['msg']}", field=field or None)


def install_error_handlers(app: FastAPI) -> None:
    async def on_arcus(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ArcusError)
        return error_reply(error)

    async def on_validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_reply(first_problem(error.errors()))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reason = BY_STATUS.get(error.status_code)
        if reason is None:
            return reply({"error": str(error.detail)}, error.status_code, error.headers)
        route = f"{request.method} {request.url.path}"
        detail = f"There is no route {route}; see /docs." if reason is Reason.NOT_FOUND else WIRE[reason].message
        return error_reply(ArcusError(reason, detail), error.headers)

    app.add_exception_handler(ArcusError, on_arcus)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
