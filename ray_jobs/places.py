"""Places of one worker's jobs: side by side, or one by itself where it may be what ends the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._running = self._alone = 0
        self.is_closed = False  # the worker ends: all give their places up as soon as they can

    @property
    def is_alone_wanted(self) -> bool:
        """Whether a job waits to be alone, or is: the others give their places up as soon as they can."""
        return self._alone > 0

    @asynccontextmanager
    async def place(self, *, alone: bool) -> AsyncIterator[None]:
        self._alone += alone
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._running if alone else not self._alone)
                self._running += 1
            try:
                yield
            finally:
                self._running -= 1
        finally:
            self._alone -= alone
            async with self._changed:
                self._changed.notify_all()
