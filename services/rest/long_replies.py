"""Long replies, encoded beside the event loop and in pieces: between two of them other threads have their turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

PARTS = 32  # of a list, encoded at once
_encode = json.JSONEncoder(allow_nan=False).encode


async def long_reply(value: Any) -> Response:
    """The same bytes as those of `reply`."""
    content = await asyncio.to_thread(lambda: "".join(pieces(value)).encode("ascii"))
    return Response(content, media_type="application/json")


def pieces(value: Any) -> Iterator[str]:
    """JSON, of which no piece holds more than PARTS members of one list. Raises ValueError for what is no JSON."""
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
        return any(isinstance(each, dict | list) and _is_long(each) for each in value.values())
    return isinstance(value, list) and (len(value) > PARTS or any(map(_is_long, value)))
