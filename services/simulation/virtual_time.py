"""asyncio in virtual time: where all wait, the clock goes on to the next timer. What awaits no socket runs as it is.

The event heap is asyncio's own, so that policies written for asyncio are driven themselves. SimPy takes a third of the
time for each event, and would need each policy once more.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

Result = TypeVar("Result")


class _NoSockets(selectors.BaseSelector):
    def __init__(self) -> None:
        self.now = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will come")
        self.now += timeout
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _NoSockets()
        super().__init__(self._virtual)
        self._clock_resolution = 1e-6  # less than which days in floats can't be told apart surely

    def time(self) -> float:
        return self._virtual.now


def simulate(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs it from second 0. Raises RuntimeError where all of it waits for what never comes."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
