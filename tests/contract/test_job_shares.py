"""Whose job comes next: by video seconds and weight, whatever each tenant has queued."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from services.core.errors import ArcusError
from services.core.jobs import Job, JobKind, Jobs, enqueue
from tests.contract.store_steps import WORKER, Store

TURN = 20.0
TWO_TURNS = 2 * TURN  # one of each tenant: the bound of start-time fair queuing


async def queue(store: Store, tenant: str, count: int, *, seconds: float = TURN, kind: JobKind = "describe") -> None:
    async with store.database.write() as connection:
        for _ in range(count):
            await enqueue(connection, tenant, kind, str(uuid4()), video_seconds=seconds)


async def claim(store: Store) -> Job:
    job = await store.jobs.claim(WORKER)
    assert job is not None
    return job


async def served(store: Store, turns: int) -> Counter[str]:
    """Video seconds of each tenant in the next turns."""
    seconds: Counter[str] = Counter()
    for _ in range(turns):
        job = await claim(store)
        seconds[job.tenant_id] += int(job.turn_seconds)
        await store.jobs.finish(job, WORKER)
    return seconds


async def test_a_tenant_with_200_queued_clips_makes_another_wait_for_one_turn(store):
    await queue(store, store.tenant, 200)
    assert (await served(store, 20)).keys() == {store.tenant}
    await queue(store, store.other, 1)
    assert (await served(store, 2))[store.other] == 20


async def test_video_seconds_count_and_not_jobs(store):
    await queue(store, store.tenant, 10, seconds=100)
    await queue(store, store.other, 60, seconds=20)
    assert await served(store, 48) == {store.tenant: 800, store.other: 800}


async def test_a_tenant_of_three_times_the_weight_gets_three_times_the_seconds(store):
    await store.jobs.set_weight(store.other, 3)
    await queue(store, store.tenant, 100)
    await queue(store, store.other, 100)
    seconds = await served(store, 100)
    assert seconds[store.other] / seconds[store.tenant] == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), 1001])
async def test_a_weight_that_shares_nothing_is_refused(store, weight: float):
    with pytest.raises(ArcusError, match="weight must be"):
        await store.jobs.set_weight(store.tenant, weight)


async def test_who_was_idle_has_saved_nothing_up(store):
    await queue(store, store.tenant, 100)
    await queue(store, store.other, 1)
    await served(store, 60)
    await queue(store, store.other, 50)
    seconds = await served(store, 20)
    assert abs(seconds[store.other] - seconds[store.tenant]) <= TWO_TURNS


async def test_who_worked_while_nobody_else_did_owes_nothing(store):
    await queue(store, store.tenant, 50)
    await served(store, 50)
    await queue(store, store.other, 40)
    await served(store, 20)
    await queue(store, store.tenant, 20)
    seconds = await served(store, 20)
    assert abs(seconds[store.other] - seconds[store.tenant]) <= TWO_TURNS


async def test_a_worker_for_probes_alone_takes_nothing_from_the_turns_of_others(store):
    await queue(store, store.tenant, 20, kind="probe", seconds=1)
    await queue(store, store.other, 20)
    for _ in range(10):
        assert (await store.jobs.claim(WORKER, ("probe",))).tenant_id == store.tenant
    assert (await served(store, 2)).keys() == {store.other, store.tenant}


async def test_workers_that_claim_at_once_do_not_all_take_one_tenants_turn(store):
    await queue(store, store.tenant, 20)
    await queue(store, store.other, 20)
    claimed = await asyncio.gather(*(store.jobs.claim(f"worker-{number}") for number in range(8)))
    assert Counter(job.tenant_id for job in claimed) == {store.tenant: 4, store.other: 4}


async def test_a_long_job_is_charged_turn_by_turn_and_only_while_nobody_waits(store):
    await queue(store, store.tenant, 1, seconds=1000)
    job = await claim(store)
    assert job.turn_seconds == 320 and await store.jobs.extend_turn(job, 320)
    await queue(store, store.other, 40)
    assert not await store.jobs.extend_turn(job, 320)
    await store.jobs.yield_turn(job, WORKER, seconds_left=360, seconds_owed=10)
    assert await served(store, 33) == {store.other: 660}, "what the others have had, it had already"
    again = await claim(store)
    assert (again.id, again.attempts, again.turn_seconds) == (job.id, 1, 320)


async def test_the_same_work_is_queued_once_whoever_asks_at_once(store):
    subject = str(uuid4())

    async def ask() -> None:
        async with store.database.write() as connection:
            await enqueue(connection, store.tenant, "describe", subject, video_seconds=20)

    await asyncio.gather(*(ask() for _ in range(10)))
    assert await store.jobs.counts() == {("describe", "queued"): 1}


async def test_what_is_asked_again_is_not_begun_before_that_is_committed(store):
    subject, committed = str(uuid4()), False

    async def take() -> bool:
        for _ in range(1000):
            if await store.jobs.claim(WORKER) is not None:
                return committed
            await asyncio.sleep(0.01)
        raise AssertionError("nothing was taken")

    async with store.database.write() as connection:
        await enqueue(connection, store.tenant, "describe", subject, video_seconds=20)
    async with store.database.write() as connection:
        await enqueue(connection, store.tenant, "describe", subject, video_seconds=20)
        taking = asyncio.create_task(take())
        await asyncio.wait({taking}, timeout=0.2)  # it has every chance to be early
        committed = True
    assert await taking


async def test_a_job_that_is_given_back_takes_the_place_of_the_one_that_was_queued_after_it(store):
    await queue(store, store.tenant, 1)
    job = await claim(store)
    async with store.database.write() as connection:
        await enqueue(connection, store.tenant, "describe", job.subject_id, video_seconds=20)
    await store.jobs.retry(job, WORKER, delay_seconds=0, error="The engine was away.")
    assert await store.jobs.counts() == {("describe", "queued"): 1}
    again = await claim(store)
    assert (again.id, again.attempts) == (job.id, 2)


async def test_who_lost_a_job_takes_nothing_from_the_queue(store):
    await queue(store, store.tenant, 1)
    late = Jobs(store.database, lease_seconds=-1)
    lost = await late.claim("slow")
    async with store.database.write() as connection:
        await enqueue(connection, store.tenant, "describe", lost.subject_id, video_seconds=20)
    taken = await claim(store)
    assert taken.was_lost
    await late.retry(lost, "slow", delay_seconds=0, error="It is late.")
    assert await store.jobs.counts() == {("describe", "queued"): 1, ("describe", "running"): 1}
