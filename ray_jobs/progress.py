"""What an ingest worker has in hand, and what it did since it began."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ray_jobs.stage_times import StageTimes
from services.core.jobs import KINDS, JobKind


class Progress:
    def __init__(self) -> None:
        self.times = StageTimes()
        self.in_hand: dict[JobKind, int] = dict.fromkeys(KINDS, 0)
        self.video_seconds = 0.0  # of media whose descriptions were written

    @contextmanager
    def job(self, kind: JobKind) -> Iterator[None]:
        self.in_hand[kind] += 1
        try:
            yield
        finally:
            self.in_hand[kind] -= 1
