"""Turns: how much of a job's video a worker begins before whoever waits is served."""

from __future__ import annotations

from collections.abc import Iterable

from ray_jobs.places import Places
from services.core.jobs import Job, Jobs
from services.core.media import Span


class TurnOverError(Exception):
    """A job gives its place to another: it goes on at its first missing segment when its turn comes."""

    def __init__(self, seconds_left: float, seconds_owed: float) -> None:
        super().__init__(seconds_left, seconds_owed)
        self.seconds_left, self.seconds_owed = seconds_left, seconds_owed


class Turn:
    def __init__(self, jobs: Jobs, job: Job, places: Places, spans: Iterable[Span]) -> None:
        """spans: what is left to do of the job."""
        self._jobs, self._job, self._places = jobs, job, places
        self._left = sum(span.duration for span in spans)
        self._begun = 0.0
        self._charged = job.turn_seconds

    def begin(self, span: Span) -> None:
        self._begun += span.duration
        self._left -= span.duration

    async def is_over(self) -> bool:
        """Whether to begin nothing more. One segment of a job that is alone shows that it does not end its worker."""
        if self._places.is_closed:
            return True
        if self._places.is_alone_wanted:
            return self._begun > 0
        if self._begun < self._charged:
            return False
        more = max(self._jobs.turn_seconds, self._begun - self._charged)
        if not await self._jobs.extend_turn(self._job, more):
            return True
        self._charged += more
        return False

    def end(self) -> TurnOverError:
        return TurnOverError(max(self._left, 0.0), self._begun - self._charged)
