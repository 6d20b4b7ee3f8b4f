"""The connection to one server that speaks OpenAI's API: its key, its bounds, and what its failures mean.

By aiohttp: of a stream of words it takes less than half the processor time of httpx.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx

from services.core.engines.config import OpenaiOptions
from services.core.errors import ArcusError, Reason, invalid

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 4.0  # that a connection is kept: servers of uvicorn, as vLLM's, close theirs after 5
MAX_LINE_BYTES = 1024**2
MAX_ANSWER_BYTES = 64 * 1024**2
MAX_ERROR_BYTES = 64 * 1024
MAX_MODELS_TOLD = 20

# The one table of what a server's status means to whoever asked for an answer: its key and its address are not theirs.
REASONS = {
    400: Reason.INVALID_ARGUMENT,
    401: Reason.ENGINE_UNAVAILABLE,
    403: Reason.ENGINE_UNAVAILABLE,
    404: Reason.ENGINE_UNAVAILABLE,
    408: Reason.DEADLINE_EXCEEDED,
    413: Reason.INVALID_ARGUMENT,
    422: Reason.INVALID_ARGUMENT,
    429: Reason.LIMIT_EXCEEDED,
    504: Reason.DEADLINE_EXCEEDED,
}


class _RefusedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class OpenaiClient:
    """`running` counts the calls under way; one more than max_running is refused at once."""

    def __init__(self, options: OpenaiOptions) -> None:
        self.options = options
        self.running = 0
        self._http: aiohttp.ClientSession | None = None

    async def setup(self) -> None:
        """Reaches the server. Raises INVALID_ARGUMENT where the key or the model is missing, ENGINE_UNAVAILABLE."""
        options = self.options
        headers = {}
        if options.api_key_variable:
            key = os.environ.get(options.api_key_variable, "")
            if not key:
                raise invalid(
                    f"Set {options.api_key_variable} to the key of {options.base_url}: the engine configuration names it.",
                    field="api_key_variable",
                )
            headers["Authorization"] = f"Bearer {key}"
        self._http = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=options.timeout_seconds),
            connector=aiohttp.TCPConnector(
                limit=options.max_running + 4, keepalive_timeout=IDLE_SECONDS, ssl=httpx.create_ssl_context()
            ),
            trust_env=True,  # HTTPS_PROXY and its like
        )
        try:
            await self._check_model()
        except BaseException:
            await self.close()
            raise

    async def _check_model(self) -> None:
        options = self.options
        try:
            known = await self._models()
        except ArcusError as error:
            if isinstance(error.__cause__, aiohttp.ClientError | TimeoutError):
                raise ArcusError(
                    error.reason, f"{options.base_url} does not answer; start its server, or mend base_url."
                ) from error
            raise
        if known and options.model not in known:
            raise invalid(
                f"{options.base_url} has no model {options.model!r}; it has: {', '.join(known[:MAX_MODELS_TOLD])}.",
                field="model",
            )

    def check(self) -> None:
        """A server that is away may come back: nothing of this process is dead."""

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def post(self, path: str, **body: Any) -> Any:
        """The JSON of the answer."""
        async with self._place(), self._sent("POST", path, **body) as response:
            return await _json(response)

    async def events(self, path: str, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The JSON of each event until [DONE]. Closing the iterator closes the connection, which stops the server's work."""
        async with self._place(), self._sent("POST", path, json=body) as response:
            async for line in _lines(response):
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                event = _parsed(data)
                if "error" in event:
                    raise self._failure(_status(event["error"]), json.dumps(event).encode(), None)
                yield event

    async def _models(self) -> list[str]:
        """Empty where the server does not list them."""
        try:
            async with self._sent("GET", "models") as response:
                listed = await _json(response)
        except ArcusError as error:
            if isinstance(error.__cause__, _RefusedError) and error.__cause__.status in (404, 405):
                return []
            raise
        items = listed.get("data") if isinstance(listed, dict) else None
        return [str(item.get("id")) for item in items or () if isinstance(item, dict)]

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self.running >= self.options.max_running:
            raise ArcusError(Reason.LIMIT_EXCEEDED, "The engine is busy; try again shortly.")
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    @contextlib.asynccontextmanager
    async def _sent(self, method: str, path: str, **body: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._http is None:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine is not set up: call setup() first.")
        url = f"{self.options.base_url.rstrip('/')}/{path}"
        try:
            async with self._http.request(method, url, allow_redirects=False, **body) as response:
                if response.status >= 400:
                    text = b""
                    async for part in response.content.iter_any():
                        text += part
                        if len(text) > MAX_ERROR_BYTES:
                            break
                    refused = _RefusedError(response.status)
                    raise self._failure(response.status, text, response.headers.get("retry-after")) from refused
                yield response
        except TimeoutError as error:
            raise ArcusError(
                Reason.DEADLINE_EXCEEDED, f"The engine's server was silent for {self.options.timeout_seconds:.0f} s."
            ) from error
        except aiohttp.ClientError as error:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine's server can't be reached; try again.") from error

    def _failure(self, status: int, text: bytes, retry_after: str | None) -> ArcusError:
        reason = REASONS.get(status, Reason.ENGINE_UNAVAILABLE if status >= 500 else Reason.INTERNAL)
        said = _said(text)
        options = self.options
        told: str | None = f"The engine's server refused the request: {said}"
        if status in (401, 403):
            key = (
                f"set {options.api_key_variable} to a good one"
                if options.api_key_variable
                else "name its api_key_variable"
            )
            told = f"The engine's server refuses the key; {key}."
        elif status == 404:
            told = f"The engine's server has no model {options.model!r}, or does not offer this: {said}"
        elif reason in (Reason.LIMIT_EXCEEDED, Reason.ENGINE_UNAVAILABLE, Reason.DEADLINE_EXCEEDED):
            told = None
        seconds = int(retry_after) if retry_after is not None and retry_after.isdigit() else None
        return ArcusError(reason, told, retry_after_seconds=seconds)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    held = b""
    async for part in response.content.iter_any():
        *lines, held = (held + part).split(b"\n")
        for line in lines:
            yield line
        if len(held) > MAX_LINE_BYTES:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine's server sent a line without an end.")
    if held:
        yield held


async def _json(response: aiohttp.ClientResponse) -> Any:
    text = bytearray()
    async for part in response.content.iter_any():
        text += part
        if len(text) > MAX_ANSWER_BYTES:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine's server sent an answer without an end.")
    return _parsed(bytes(text))


def _parsed(text: bytes) -> Any:
    try:
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    except (ValueError, RecursionError) as error:
        raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine's server does not speak OpenAI's API.") from error
    raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine's server does not speak OpenAI's API.")


def _status(error: Any) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _said(text: bytes) -> str:
    """The server's own message, short and on one line."""
    try:
        error = json.loads(text).get("error")
        message = error.get("message") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        message = None
    return " ".join(str(message or text.decode(errors="replace")).split())[:300]
