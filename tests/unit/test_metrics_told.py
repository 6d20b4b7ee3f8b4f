"""What engines tell of themselves is told again and again, whatever becomes of a part of it."""

from __future__ import annotations

import asyncio
import contextlib

from ray_jobs.metrics import start_telling


class Broken:
    async def tell(self) -> None:
        raise RuntimeError("nothing to tell")


class Counted:
    def __init__(self) -> None:
        self.is_told = asyncio.Event()

    async def tell(self) -> None:
        self.is_told.set()


async def test_what_cannot_be_told_keeps_nothing_else_from_being_told() -> None:
    counted = Counted()
    telling = start_telling(Broken(), counted)
    async with asyncio.timeout(30):
        await counted.is_told.wait()
    assert not telling.done()
    telling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await telling
