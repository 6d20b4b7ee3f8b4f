"""An upload as it arrives: how long its client may be silent, and how slow it may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

from services.core.errors import ArcusError, Reason

Part = TypeVar("Part")


@dataclass(frozen=True)
class Pace:
    """In each `rate_seconds` at least `rate_bytes` come, and something in each `silence_seconds`."""

    silence_seconds: float = 60.0
    rate_seconds: float = 20.0
    rate_bytes: int = 20 * 1024


async def arriving(
    parts: AsyncIterator[Part], size_of: Callable[[Part], int], pace: Pace = Pace()
) -> AsyncIterator[Part]:
    """The parts as they come; `size_of`: their bytes. Raises DEADLINE_EXCEEDED when the client falls silent, or sends but
    drops."""
    loop = asyncio.get_running_loop()
    since, received = loop.time(), 0
    while True:
        try:
            async with asyncio.timeout(pace.silence_seconds):
                part = await anext(parts)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ArcusError(
                Reason.DEADLINE_EXCEEDED, f"Nothing of the upload arrived for {pace.silence_seconds:g} seconds."
            ) from None
        yield part
        received += size_of(part)
        # What was done with the part counts as the client's time, which more than pays for one that was waiting.
        if loop.time() - since > pace.rate_seconds:
            if received < pace.rate_bytes:
                raise ArcusError(Reason.DEADLINE_EXCEEDED, "The upload comes too slowly; send it faster.")
            since, received = loop.time(), 0
