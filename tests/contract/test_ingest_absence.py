"""A worker whose host was cut off begins nothing as it comes back: its cluster may have given it up, and then ends it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ray_jobs import claims
from ray_jobs.claims import Claims
from services.core.errors import ArcusError, Reason
from services.core.jobs import KINDS, Job, JobKind, Jobs
from services.core.store.database import Database
from tests.contract.store_steps import WORKER, Store

LEASE_SECONDS = 15.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class FarJobs(Jobs):
    """A claim takes so long, or fails after so long where it is told to."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, lease_seconds=LEASE_SECONDS)
        self._clock = clock
        self.seconds, self.fails = 0.0, False

    async def claim(self, owner: str, kinds: Sequence[JobKind] = KINDS) -> Job | None:
        self._clock.now += self.seconds
        if self.fails:
            raise ArcusError(Reason.STORAGE_UNAVAILABLE, "away")
        return await super().claim(owner, kinds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(claims, "monotonic", made)
    monkeypatch.setattr(claims, "sleep", made.sleep)
    return made


@pytest.fixture
async def jobs(store: Store, clock: Clock) -> FarJobs:
    """One waits."""
    collection, file = await store.collection(), await store.ready(duration=20.0)
    await store.members.add(store.tenant, collection.id, file.id)
    return FarJobs(store.database, clock)


async def test_a_claim_that_took_longer_than_a_lease_begins_nothing_for_another_lease(jobs: FarJobs, clock: Clock):
    claiming = Claims(jobs, WORKER, LEASE_SECONDS)
    jobs.seconds = LEASE_SECONDS + 1
    assert await claiming.next(KINDS) is None
    back, jobs.seconds = clock.now, 0.0
    while (job := await claiming.next(KINDS)) is None:
        assert clock.now < back + 2 * LEASE_SECONDS
    assert clock.now >= back + LEASE_SECONDS
    assert job.tries == 1


async def test_claims_that_failed_for_longer_than_a_lease_are_an_absence_too(jobs: FarJobs, clock: Clock):
    claiming = Claims(jobs, WORKER, LEASE_SECONDS)
    jobs.seconds, jobs.fails = 1.0, True
    away = clock.now
    while clock.now < away + LEASE_SECONDS:
        assert await claiming.next(KINDS) is None
    jobs.seconds, jobs.fails = 0.0, False
    assert await claiming.next(KINDS) is None
    clock.now += LEASE_SECONDS
    job = await claiming.next(KINDS)
    assert job is not None and job.tries == 1


async def test_a_database_that_was_away_for_less_than_a_lease_delays_nothing(jobs: FarJobs, clock: Clock):
    claiming = Claims(jobs, WORKER, LEASE_SECONDS)
    jobs.seconds, jobs.fails = LEASE_SECONDS / 4, True
    assert await claiming.next(KINDS) is None
    jobs.fails = False
    assert await claiming.next(KINDS) is not None


async def test_a_lease_that_was_renewed_too_late_is_an_absence(jobs: FarJobs, clock: Clock):
    claiming = Claims(jobs, WORKER, LEASE_SECONDS)
    claiming.answered(clock.now - LEASE_SECONDS - 1)
    assert await claiming.next(KINDS) is None
    clock.now += LEASE_SECONDS
    assert await claiming.next(KINDS) is not None
