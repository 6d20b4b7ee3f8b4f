"""Uploads that drip or fall silent, whichever transport they come by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.core.errors import ArcusError, Reason
from services.core.library.arriving import Pace, arriving


async def sent(pieces: int, size_bytes: int, pause_seconds: float) -> AsyncIterator[bytes]:
    for _ in range(pieces):
        yield b"x" * size_bytes
        await asyncio.sleep(pause_seconds)


async def received(parts: AsyncIterator[bytes], pace: Pace) -> int:
    return sum([len(part) async for part in arriving(parts, len, pace)])


async def test_what_comes_fast_enough_arrives_whole() -> None:
    pace = Pace(rate_seconds=0.02, rate_bytes=1)
    assert await received(sent(50, 10, 0.002), pace) == 500


@pytest.mark.parametrize("size_bytes", [0, 1])
async def test_what_drips_is_given_up(size_bytes: int) -> None:
    with pytest.raises(ArcusError, match="too slowly") as caught:
        await received(sent(10**6, size_bytes, 0.002), Pace(rate_seconds=0.05, rate_bytes=10**6))
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED


async def test_silence_is_given_up() -> None:
    with pytest.raises(ArcusError, match="Nothing of the upload arrived"):
        await received(sent(10, 1000, 60), Pace(silence_seconds=0.05))
