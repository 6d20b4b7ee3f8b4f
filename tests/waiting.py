"""Waiting for what others bring about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PAUSE_SECONDS = 0.02


def until(is_so: Callable[[], object], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(PAUSE_SECONDS)


async def async_until(is_so: Callable[[], object], what: str, seconds: float = 30) -> None:
    """The loop goes on meanwhile."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(PAUSE_SECONDS)


async def turns_of_the_loop(count: int = 200) -> None:
    """What was begun here goes on as far as it can without the network or a thread, however slow the machine is."""
    for _ in range(count):
        await asyncio.sleep(0)
