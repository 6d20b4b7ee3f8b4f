"""How the places of one worker come by jobs, also where the database is away, or the worker's host is."""

from __future__ import annotations

import math
import random
from asyncio import sleep
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

import structlog

from services.core.errors import ArcusError
from services.core.jobs import Job, JobKind, Jobs

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.3, 10.0  # between claims while the database is away

log = structlog.get_logger()


class Claims:
    """Jobs that `owner` gets. After an absence of a lease or more it gets none for another lease: where its host was cut
    off, the cluster may have given it up meanwhile, and then ends it now, with what it would have begun.
    """

    def __init__(self, jobs: Jobs, owner: str, lease_seconds: float) -> None:
        self._jobs, self._owner, self._lease_seconds = jobs, owner, lease_seconds
        self._failures = 0  # one after the other
        self._unanswered_since = math.inf  # when the first of them was asked
        self._begins_after = -math.inf

    async def next(self, kinds: Sequence[JobKind]) -> Job | None:
        """None: there is none, or it can't be told now; then after a pause."""
        if (pause := self._begins_after - monotonic()) > 0:
            await sleep(min(pause, FIRST_PAUSE_SECONDS))
            return None
        asked = monotonic()
        try:
            job = await self._jobs.claim(self._owner, kinds)
        except ArcusError as error:  # the database is away: so is every job
            self._unanswered_since = min(self._unanswered_since, asked)
            self._failures += 1
            log.warning("claim_failed", reason=error.reason, error=error.message, cause=str(error.__cause__))
            pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, MAX_PAUSE_SECONDS)
            await sleep(pause * random.uniform(0.5, 1.5))
            return None
        self.answered(min(self._unanswered_since, asked))
        self._failures, self._unanswered_since = 0, math.inf
        if job is not None and self._begins_after > monotonic():
            with suppress(ArcusError):  # then its lease runs out
                await self._jobs.release(job, self._owner)
            return None
        return job

    def answered(self, asked: float) -> None:
        """The database did, what has been asked since then on the clock of `monotonic`."""
        if monotonic() - asked > self._lease_seconds:
            self._begins_after = monotonic() + self._lease_seconds
