"""Request bodies: JSON read strictly and within a limit, whatever content type the client named."""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from services.core.errors import ArcusError, Reason, invalid
from services.core.store.plain_json import MAX_VALUES, has_levels
from services.rest.errors import first_problem

MAX_JSON_LEVELS = 100
MAX_DIGITS = 4000  # Python reads 4300; what a field takes is checked, and told, by the field
BODY_SECONDS = 30.0  # for a whole body of JSON
# Strings, closed or not. Nothing in it can match in two ways, and none of it is ever tried again.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
Model = TypeVar("Model", bound=BaseModel)


async def whole_body(receive: Receive, most: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """Raises TOO_LARGE, DEADLINE_EXCEEDED when it is not there in time, ClientDisconnect."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                if len(body) > most:
                    raise too_large(most)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise ArcusError(
            Reason.DEADLINE_EXCEEDED, f"The body did not come within {seconds:g} seconds; send it faster."
        ) from None


def too_large(most: int) -> ArcusError:
    return ArcusError(Reason.TOO_LARGE, f"The body is larger than {most} bytes.")


async def read_json(request: Request) -> Any:
    """Raises INVALID_ARGUMENT. NaN, null characters and lone surrogates are refused: nothing stores them.

    The gate has read the body, and bounded it.
    """
    body = await request.body()
    if not body:
        raise invalid("The body is empty; send a JSON object.")
    return parse_json(body, "The body")


def parse_json(text: bytes, noun: str, *, field: str | None = None) -> Any:
    try:
        if too_many_values(text):
            raise invalid(f"{noun} is nested too deeply, or has more than {MAX_VALUES} values.", field=field)
        value = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer, parse_float=_finite)
        if text.count(b"{") + text.count(b"[") > MAX_JSON_LEVELS and not has_levels(value, MAX_JSON_LEVELS):
            raise RecursionError
        if b"\\u" in text or b"\0" in text:
            _check_text(value)
    except RecursionError:
        raise invalid(f"{noun} is nested too deeply.", field=field) from None
    except UnicodeEncodeError:
        raise invalid(f"{noun} is not valid JSON: it holds half of a surrogate pair", field=field) from None
    except ValueError as error:
        raise invalid(f"{noun} is not valid JSON: {error}", field=field) from None
    return value


def too_many_values(text: bytes) -> bool:
    """Each costs far more than its bytes to read. Told by what separates them, outside of strings."""
    if _separators(text) <= MAX_VALUES:
        return False
    return _separators(STRING.sub(b"", text)) > MAX_VALUES


def _separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"{") + text.count(b"[")


async def read_model(request: Request, model: type[Model]) -> Model:
    """The body as a model. Raises INVALID_ARGUMENT naming the field."""
    value = await read_json(request)
    if not isinstance(value, dict):
        raise invalid("The body must be a JSON object.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise first_problem(error.errors()) from None


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """How a route that reads its own body tells the OpenAPI document of it; `describe` in openapi.py resolves it."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        value.encode()
        if "\0" in value:
            raise ValueError("null characters are not accepted")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
