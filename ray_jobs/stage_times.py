"""How long pieces of work took in each stage of ingest, kept until somebody takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal

Stage = Literal["probe", "cut", "decode", "transcribe", "read", "describe", "see", "embed", "summarise", "extract"]
MAX_KEPT = 10_000  # where nobody takes them, the oldest are forgotten


class StageTimes:
    """Written by any thread."""

    def __init__(self) -> None:
        self._kept: deque[tuple[Stage, float]] = deque(maxlen=MAX_KEPT)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Measures the block, unless it raises: what was given up says nothing of how long the work takes."""
        started = perf_counter()
        yield
        self._kept.append((stage, perf_counter() - started))

    def taken(self) -> Iterator[tuple[Stage, float]]:
        """What was kept, in seconds; it is kept no longer."""
        while self._kept:
            yield self._kept.popleft()
