"""The simulator's queue gives turns in the very order in which the store's claims do."""

from __future__ import annotations

import random
from uuid import uuid4

from services.core.clock import now_ms
from services.core.jobs import enqueue
from services.simulation.claim_queue import ClaimQueue
from tests.contract.store_steps import WORKER
from tests.waiting import async_until


async def test_jobs_come_in_the_order_of_the_stores_claims(store):
    lot, simulated = random.Random(5), ClaimQueue()
    weights = {store.tenant: 1.0, store.other: 2.5}
    for tenant, weight in weights.items():
        await store.jobs.set_weight(tenant, weight)
    held, claims = [], 0
    for _ in range(120):
        now = now_ms()
        # Jobs of one millisecond come by their ids, which are drawn by lot.
        await async_until(lambda now=now: now_ms() > now, "another millisecond")
        step = lot.random()
        if step < 0.45:
            tenant, seconds, subject = lot.choice(list(weights)), lot.uniform(1, 900), str(uuid4())
            async with store.database.write() as connection:
                await enqueue(connection, tenant, "describe", subject, video_seconds=seconds)
            simulated.add(tenant, (subject, seconds), weight=weights[tenant])
        elif step < 0.8 or not held:
            job, found = await store.jobs.claim(WORKER), simulated.claim()
            assert (job is None) == (found is None)
            if job is not None and found is not None:
                tenant, (subject, seconds), start = found
                assert (job.tenant_id, job.subject_id) == (tenant, subject)
                simulated.begin(tenant, start, job.turn_seconds)
                held.append((job, seconds))
                claims += 1
        else:
            job, seconds = held.pop(lot.randrange(len(held)))
            left, owed = seconds - job.turn_seconds, lot.choice((0.0, 12.5))
            if left > 0:
                await store.jobs.yield_turn(job, WORKER, seconds_left=left, seconds_owed=owed)
                simulated.add(job.tenant_id, (job.subject_id, left), weight=weights[job.tenant_id])
                simulated.charge(job.tenant_id, owed)
            else:
                await store.jobs.finish(job, WORKER)
    assert claims > 30
