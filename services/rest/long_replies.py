"""Long replies, encoded beside the event loop and in pieces: between two of them other threads have their turn.

They are sent in parts too: between two of them the event loop does what else there is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PARTS = 32  # of a list, encoded at once
PART_CHARACTERS = 64 * 1024  # sent at once, unless a piece has more
_encode = json.JSONEncoder(allow_nan=False).encode


class Written:
    """A part of a reply that is written already: text alone is not looked through for garbage, while the rest is made."""

    def __init__(self, value: Any) -> None:
        self.pieces = list(pieces(value))


class PartedReply(Response):
    """JSON whose length is told, and that is over with its last part."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        super().__init__(media_type="application/json")
        self.parts = parts
        self.headers["content-length"] = str(sum(map(len, parts)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for left, part in zip(range(len(self.parts))[::-1], self.parts, strict=True):
            await send({"type": "http.response.body", "body": part, "more_body": left > 0})


async def long_reply(value: Any) -> PartedReply:
    """The same bytes as those of `reply`. Raises ValueError for what is no JSON."""
    return PartedReply(await asyncio.to_thread(lambda: list(_parts(value))))


def _parts(value: Any) -> Iterator[bytes]:
    waiting: list[str] = []
    characters = 0
    for piece in pieces(value):
        waiting.append(piece)
        characters += len(piece)
        if characters >= PART_CHARACTERS:
            yield "".join(waiting).encode("ascii")
            waiting, characters = [], 0
    if waiting:
        yield "".join(waiting).encode("ascii")


def pieces(value: Any) -> Iterator[str]:
    """JSON, of which no piece holds more than PARTS members of one list. Raises ValueError for what is no JSON."""
    if isinstance(value, Written):
        yield from value.pieces
        return
    if not _is_long(value):
        yield _encode(value)
        return
    if isinstance(value, dict):
        before = "{"
        for name, each in value.items():
            yield f"{before}{_encode(name)}: "
            yield from pieces(each)
            before = ", "
        yield "}"
        return
    before = "["
    for start in range(0, len(value), PARTS):
        part = value[start : start + PARTS]
        if any(map(_is_long, part)):
            for each in part:
                yield before
                yield from pieces(each)
                before = ", "
        else:
            yield before + _encode(part)[1:-1]
            before = ", "
    yield "]"


def _is_long(value: Any) -> bool:
    """More than PARTS of one list may be in it, or it holds what does."""
    if isinstance(value, dict):
        return any(isinstance(each, dict | list | Written) and _is_long(each) for each in value.values())
    return isinstance(value, Written) or (isinstance(value, list) and (len(value) > PARTS or any(map(_is_long, value))))
