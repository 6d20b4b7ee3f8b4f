"""Claims: what one costs with a short and a long queue, how turns are shared, and how soon a worker that waits has a job."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from uuid import uuid4

from sqlalchemy import func, select

from loadtests.scale.figures import Figure
from loadtests.scale.filling import add_tenants, analyse, fill, new_id
from loadtests.scale.sizes import Sizes
from ray_jobs.idle_workers import IdleWorkers
from services.core.clock import now_ms
from services.core.jobs import KINDS, Job, Jobs, enqueue
from services.core.store.database import Database
from services.core.store.job_schema import jobs

WORKER = "bench"
TURN_SECONDS = 20.0  # of video, of each job
GREEDY = 200  # clips of one tenant
WEIGHT = 3.0


async def claim_rows(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    figures = await _cost(kind, database, sizes)
    return [
        *figures,
        await _weights(kind, database, sizes),
        await _turns(kind, database),
        *await _woken(kind, database, sizes),
    ]


async def _cost(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    """Claims with a short and a long queue."""
    owners = await add_tenants(database, sizes.tenants)
    held = [queued_job(owners[number % len(owners)], "running") for number in range(sizes.running)]
    await fill(database, jobs, held)
    short = max(sizes.queued // 100, sizes.claims)
    medians = []
    figures = []
    for queued in (short, sizes.queued):
        await fill(database, jobs, [queued_job(owners[number % len(owners)]) for number in range(queued)])
        await analyse(database)
        queue = Jobs(database, lease_seconds=600)
        seconds, order = [], []
        for _ in range(sizes.claims):
            started = time.perf_counter()
            job = await queue.claim(WORKER)
            seconds.append(time.perf_counter() - started)
            assert job is not None
            order.append(job.tenant_id)
            await queue.finish(job, WORKER)
        assert all(order.count(id) == len(order) // len(owners) for id in owners), "turns went round unevenly"
        medians.append(statistics.median(seconds))
        name = f"claim, {queued} queued, {len(owners)} tenants, {len(held)} running"
        goal = 20.0 if kind == "postgres" else None
        figures += [
            Figure(kind, f"{name}: p50", 1000 * medians[-1], "ms"),
            Figure(kind, f"{name}: p99", 1000 * sorted(seconds)[int(0.99 * len(seconds))], "ms", goal),
        ]
        async with database.write() as connection:
            left = await connection.execute(select(func.count()).select_from(jobs).where(jobs.c.state == "queued"))
            assert left.scalar_one() == queued - sizes.claims, "each claim takes one job"
            await connection.execute(jobs.delete().where(jobs.c.state != "running"))
    return [*figures, Figure(kind, "claim, long queue ÷ short queue", medians[1] / medians[0], "x", 2.0)]


async def _weights(kind: str, database: Database, sizes: Sizes) -> Figure:
    """Two tenants that both wait, one of three times the other's weight."""
    one, other = await add_tenants(database, 2)
    queue = Jobs(database, lease_seconds=600)
    await queue.set_weight(other, WEIGHT)
    await fill(database, jobs, [queued_job(id) for id in (one, other) for _ in range(sizes.turns)])
    seconds: Counter[str] = Counter()
    for _ in range(sizes.turns):
        job = await _claimed(queue)
        seconds[job.tenant_id] += round(job.turn_seconds)
    await _empty(database)
    apart = abs(seconds[other] / seconds[one] / WEIGHT - 1)
    return Figure(kind, f"claim, weights 1:3, {sizes.turns} turns: video seconds apart from 1:3", 100 * apart, "%", 5.0)


async def _turns(kind: str, database: Database) -> Figure:
    """One clip beside many of a tenant that came first."""
    greedy, other = await add_tenants(database, 2)
    queue = Jobs(database, lease_seconds=600)
    await fill(database, jobs, [queued_job(greedy) for _ in range(GREEDY)])
    for _ in range(GREEDY // 10):
        await _claimed(queue)
    await fill(database, jobs, [queued_job(other)])
    waited = 0
    while (await _claimed(queue)).tenant_id != other:
        waited += 1
    await _empty(database)
    return Figure(kind, f"claim, one clip beside {GREEDY} of another tenant: turns waited", waited, "turns", 1.0)


async def _woken(kind: str, database: Database, sizes: Sizes) -> list[Figure]:
    """From a job's commit to the claim of a worker that found nothing before; jobs come over another pool of connections."""
    (owner,) = await add_tenants(database, 1)
    queue, idle = Jobs(database, lease_seconds=600), IdleWorkers(database.notices)
    telling = asyncio.create_task(database.notices.run())
    front = Database(database.url)
    claimed: asyncio.Queue[float] = asyncio.Queue()

    async def work() -> None:
        while True:
            heard = idle.heard
            job = await queue.claim(WORKER)
            if job is None:
                await idle.wait(KINDS, heard)
                continue
            claimed.put_nowait(time.perf_counter())
            await queue.finish(job, WORKER)

    working = asyncio.create_task(work())
    seconds = []
    try:
        for number in range(sizes.woken):
            await asyncio.sleep(0.1 + 0.037 * (number % 7))  # the worker waits, at a place of its pause that differs
            async with front.write() as connection:
                await enqueue(connection, owner, "describe", str(uuid4()), video_seconds=TURN_SECONDS)
            queued = time.perf_counter()
            seconds.append(await asyncio.wait_for(claimed.get(), 60) - queued)
    finally:
        for task in (working, telling):
            task.cancel()
        await asyncio.gather(working, telling, return_exceptions=True)
        await front.close()
    name = "claim, from a job's commit to the claim of a worker that waits"
    return [
        Figure(kind, f"{name}: p50", 1000 * statistics.median(seconds), "ms"),
        Figure(kind, f"{name}: most of {len(seconds)}", 1000 * max(seconds), "ms"),
    ]


async def _claimed(queue: Jobs) -> Job:
    job = await queue.claim(WORKER)
    assert job is not None
    await queue.finish(job, WORKER)
    return job


async def _empty(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(jobs.delete())


def queued_job(tenant_id: str, state: str = "queued") -> dict:
    now = now_ms()
    return {
        "id": new_id(),
        "tenant_id": tenant_id,
        "kind": "describe",
        "subject_id": new_id(),
        "video_seconds": TURN_SECONDS,
        "state": state,
        "attempts": 0,
        "owner": "another" if state == "running" else None,
        "lease_until": now + 3_600_000 if state == "running" else None,
        "run_after": now,
        "created_at": now,
    }
