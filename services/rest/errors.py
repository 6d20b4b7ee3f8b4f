"""Replies, and every failure in the form that the client's kind of SDK reads, with the status of its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from services.core.errors import WIRE, ArcusError, Reason, invalid

BY_STATUS = {404: Reason.NOT_FOUND, 405: Reason.METHOD_NOT_ALLOWED}
CODES: dict[tuple[Reason, str | None], str] = {  # where OpenAI is more exact than the reason
    (Reason.INVALID_ARGUMENT, "model"): "model_not_found",
    (Reason.NOT_FOUND, "previous_response_id"): "previous_response_not_found",
}


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON in ASCII: the Python SDK decodes each network read on its own, which may split a wider character."""
    return Response(
        json.dumps(value, allow_nan=False),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


def error_reply(error: ArcusError, asked: Headers, headers: Mapping[str, str] | None = None) -> Response:
    """`asked`: the headers of the request, which tell what its client can read."""
    extra = dict(headers or {})
    if error.retry_after_seconds is not None:
        extra["Retry-After"] = str(error.retry_after_seconds)
    if error.reason is Reason.UNAUTHENTICATED:
        extra["WWW-Authenticate"] = "Bearer"
    code = CODES.get((error.reason, error.field), error.wire.code)
    return reply(_body(asked, error.message, error.wire.type, code, error.field), error.wire.http, extra)


def reads_objects(asked: Headers) -> bool:
    """Whether a client is OpenAI's, in any language, or built upon it. Cloudglue's, which say so, read text alone."""
    if "x-sdk-client" in asked:
        return False
    return "x-stainless-lang" in asked or "openai/" in asked.get("user-agent", "").lower()


def _body(asked: Headers, message: str, type: str, code: str | None, param: str | None) -> dict[str, Any]:
    if reads_objects(asked):
        return {"error": {"message": message, "type": type, "param": param, "code": code}}
    return {"error": message}


def first_problem(problems: Any) -> ArcusError:
    """The first of pydantic's problems, as INVALID_ARGUMENT that names the field."""
    problem = problems[0]
    place = [part for part in problem["loc"] if part not in ("query", "path", "header", "body")]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    return invalid(f"{field or 'The request'}: {problem['msg']}", field=field or None)


def install_error_handlers(app: FastAPI) -> None:
    async def on_arcus(request: Request, error: Exception) -> Response:
        assert isinstance(error, ArcusError)
        return error_reply(error, request.headers)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_reply(first_problem(error.errors()), request.headers)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reason = BY_STATUS.get(error.status_code)
        if reason is None:
            type = WIRE[Reason.INTERNAL if error.status_code >= 500 else Reason.INVALID_ARGUMENT].type
            body = _body(request.headers, str(error.detail), type, None, None)
            return reply(body, error.status_code, error.headers)
        route = f"{request.method} {request.url.path}"
        detail = f"There is no route {route}; see /docs." if reason is Reason.NOT_FOUND else WIRE[reason].message
        return error_reply(ArcusError(reason, detail), request.headers, error.headers)

    app.add_exception_handler(ArcusError, on_arcus)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
