"""A streamed reply over a plain socket: what a client library costs is nobody's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlparse

LAST_FRAME = b"0\r\n\r\n"  # not every server closes at once


async def posted(url: str, path: str, key: str, body: dict[str, Any], contents: Sequence[bytes]) -> tuple[float, bytes]:
    """(seconds until one of `contents` had come, the reply as it came). url: whose host and port are asked."""
    address = urlparse(url)
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    started, first, received = time.perf_counter(), 0.0, bytearray()
    writer.write(head.encode() + content)
    while piece := await reader.read(1 << 16):
        received += piece
        if not first and any(each in received for each in contents):
            first = time.perf_counter() - started
        if received.endswith(LAST_FRAME):
            break
    writer.close()
    return first, bytes(received)
