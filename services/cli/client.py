"""A small HTTP client of a running Arcus, for the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from services.core.errors import ArcusError, Reason


class Client:
    """Every call raises ArcusError with the server's own words."""

    def __init__(self, url: str, api_key: str) -> None:
        if not api_key:
            raise ArcusError(
                Reason.UNAUTHENTICATED,
                "No API key; set ARCUS_API_KEY, or give '--api-key -' and the key on standard input.",
            )
        if not api_key.isascii() or not api_key.isprintable():
            raise ArcusError(Reason.UNAUTHENTICATED, "The API key holds letters that no key has; copy it again.")
        self._url = url.rstrip("/")
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {api_key}"}, timeout=httpx.Timeout(120, connect=5), trust_env=False
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._json("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._json("POST", path, json=body)

    def upload(self, path: Path) -> dict[str, Any]:
        with path.open("rb") as file:
            return self._json("POST", "/files", files={"file": (path.name, file)})

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list."""
        after = ""
        while True:
            page = self.get(path, limit=100, after=after, **query)
            yield from page["data"]
            after = page.get("next_after", "")
            if not after:
                return

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of a streamed response."""
        try:
            with self._http.stream("POST", self._url + path, json=body) as reply:
                if reply.status_code != 200:
                    reply.read()
                    raise _error(reply)
                for line in reply.iter_lines():
                    if line.startswith("data: ") and line != "data: [DONE]":
                        yield json.loads(line[6:])
        except httpx.HTTPError as error:
            raise _unreachable(self._url, error) from error

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            reply = self._http.request(method, self._url + path, **options)
        except httpx.HTTPError as error:
            raise _unreachable(self._url, error) from error
        if reply.status_code != 200:
            raise _error(reply)
        return reply.json()


def _error(reply: httpx.Response) -> ArcusError:
    try:
        message = reply.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"The server answered {reply.status_code}."
    return ArcusError(Reason.INTERNAL, message)


def _unreachable(url: str, error: Exception) -> ArcusError:
    return ArcusError(
        Reason.ENGINE_UNAVAILABLE, f"{url} does not answer ({error}); start it with 'arcus up' or set ARCUS_URL."
    )
