"""Who waits for a job in this process: a notice of a queued job wakes one of them, not all."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Collection, Sequence

from services.core.jobs import KINDS
from services.core.store.notices import JOBS, Notices

IDLE_SECONDS = 0.3  # between claims where queued jobs are not told
SLOW_IDLE_SECONDS = 2.0  # where they are: one may become due later, or its notice be lost
SPREAD_SECONDS = 0.05  # over which the processes that heard the same notice claim


class IdleWorkers:
    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._waiting: dict[asyncio.Event, frozenset[str]] = {}  # the kinds of each, in the order of their coming
        self.heard = 0  # notices so far
        notices.listen(JOBS, self._hear)

    async def wait(self, kinds: Sequence[str], heard: int) -> None:
        """Until a job of these kinds may be there, at the longest for an idle pause. `heard`: before it was looked for."""
        if self.heard != heard:  # of what was queued meanwhile
            return
        woken = asyncio.Event()
        self._waiting[woken] = frozenset(kinds)
        pause = SLOW_IDLE_SECONDS if self._notices.hears_others else IDLE_SECONDS
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause * random.uniform(0.5, 1.5)):
                    await woken.wait()
        finally:
            self._waiting.pop(woken, None)
        if woken.is_set():
            await asyncio.sleep(random.uniform(0, SPREAD_SECONDS))

    def wake_all(self) -> None:
        for woken in self._waiting:
            woken.set()

    def wake_one(self, kind: str) -> None:
        """For a job of this kind: the one that waits longest of those that take the fewest kinds. Who finds a job wakes the
        next, for one more of its kind; one that does not take it would break the chain."""
        fitting = [woken for woken, taken in self._waiting.items() if kind in taken]
        if fitting:
            woken = min(fitting, key=lambda each: len(self._waiting[each]))
            del self._waiting[woken]
            woken.set()

    def _hear(self, kinds: Collection[str]) -> None:
        self.heard += 1
        for kind in kinds or KINDS:
            self.wake_one(kind)
