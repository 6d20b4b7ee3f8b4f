"""Durable work: rows with a lease, claimed by workers, fair between tenants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import Update, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.clock import now_ms
from services.core.store.database import Database
from services.core.store.schema import jobs

JobKind = Literal["probe", "describe", "extract"]
KINDS: tuple[JobKind, ...] = ("probe", "describe", "extract")

# Job states:
#   queued     waits until run_after
#   running    a worker holds the lease; once the lease is over, any worker may take it
#   completed  the work is done
#   failed     the work can't be done, or was tried too often


@dataclass(frozen=True)
class Job:
    id: str
    tenant_id: str
    kind: JobKind
    subject_id: str
    attempts: int  # a fence: it differs each time that the job is claimed
    postponed: int
    useful_attempts: int = 0
    was_lost: bool = False  # the worker that had it fell silent

    @property
    def tries(self) -> int:
        """Attempts since the job last got on, this one included."""
        return self.attempts - self.useful_attempts


class LeaseLostError(Exception):
    """Another worker holds the job now, or its subject is gone: what was made must not be written."""


class Jobs:
    def __init__(self, database: Database, *, lease_seconds: float) -> None:
        self._database = database
        self._lease_ms = int(lease_seconds * 1000)

    async def claim(self, owner: str, kinds: Sequence[JobKind] = KINDS) -> Job | None:
        """Takes the next job of these kinds: queued, or abandoned by its worker.

        First those of the tenant that has the least running.
        """
        now = now_ms()
        running = jobs.alias()
        at_work = (running.c.state == "running") & (running.c.lease_until >= now)
        share = (
            select(func.count())
            .select_from(running)
            .where(running.c.tenant_id == jobs.c.tenant_id, at_work)
            .scalar_subquery()
        )
        busy = select(running.c.id).where(running.c.subject_id == jobs.c.subject_id, at_work).exists()
        due = and_(
            jobs.c.kind.in_(kinds),
            or_(
                and_(jobs.c.state == "queued", jobs.c.run_after <= now, ~busy),
                and_(jobs.c.state == "running", jobs.c.lease_until < now),
            ),
        )
        # A probe is short and someone waits for it.
        first = case((jobs.c.kind == "probe", 0), else_=1)
        query = select(jobs).where(due).order_by(share, first, jobs.c.created_at, jobs.c.id).limit(1)
        async with self._database.read() as connection:  # an idle worker takes no write lock
            if (await connection.execute(select(jobs.c.id).where(due).limit(1))).first() is None:
                return None
        async with self._database.write() as connection:
            row = (await connection.execute(query.with_for_update(skip_locked=True, of=jobs))).mappings().first()
            if row is None:
                return None
            await connection.execute(
                update(jobs)
                .where(jobs.c.id == row["id"])
                .values(
                    state="running",
                    owner=owner,
                    lease_until=now + self._lease_ms,
                    attempts=row["attempts"] + 1,
                )
            )
        return Job(
            row["id"],
            row["tenant_id"],
            row["kind"],
            row["subject_id"],
            row["attempts"] + 1,
            row["postponed"],
            row["useful_attempts"],
            row["state"] == "running",
        )

    async def yield_turn(self, job: Job, owner: str) -> None:
        """Gives a job back untried, behind those that wait."""
        async with self._database.write() as connection:
            again = _requeued(job, owner, 0, attempts=job.attempts - 1, created_at=now_ms())
            await connection.execute(again)

    async def another_waits(self, job: Job) -> bool:
        """Whether a job of another tenant could run now."""
        waiting = select(jobs.c.id).where(
            jobs.c.tenant_id != job.tenant_id, jobs.c.state == "queued", jobs.c.run_after <= now_ms()
        )
        async with self._database.read() as connection:
            return (await connection.execute(waiting.limit(1))).first() is not None

    async def tries(self, job: Job) -> int:
        """Attempts since the job last got on, with what it did in this one."""
        query = select(jobs.c.useful_attempts).where(jobs.c.id == job.id)
        async with self._database.read() as connection:
            useful = (await connection.execute(query)).scalar_one_or_none()
        return job.tries if useful is None else job.attempts - useful

    async def renew(self, job: Job, owner: str) -> bool:
        """Extends the lease. False means that the job is another's or gone: stop working on it."""
        async with self._database.write() as connection:
            result = await connection.execute(
                update(jobs).where(_held(job, owner)).values(lease_until=now_ms() + self._lease_ms)
            )
            return result.rowcount == 1

    async def finish(self, job: Job, owner: str, *, error: str | None = None) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(jobs)
                .where(_held(job, owner))
                .values(state="failed" if error else "completed", owner=None, lease_until=None, error=error)
            )

    async def retry(self, job: Job, owner: str, *, delay_seconds: float, error: str) -> None:
        """Queues a job anew."""
        async with self._database.write() as connection:
            await connection.execute(_requeued(job, owner, delay_seconds, error=error))

    async def postpone(self, job: Job, owner: str, *, delay_seconds: float, error: str, most: int) -> bool:
        """Queues a job anew as if it had not been tried: what failed was not the job.

        False, and it is held still, where it was put off `most` times since it last got on.
        """
        again = _requeued(
            job, owner, delay_seconds, error=error, attempts=job.attempts - 1, postponed=jobs.c.postponed + 1
        )
        async with self._database.write() as connection:
            return (await connection.execute(again.where(jobs.c.postponed < most))).rowcount == 1

    async def release(self, job: Job, owner: str) -> None:
        """Gives a job back untried, as a worker does that is told to stop."""
        async with self._database.write() as connection:
            await connection.execute(_requeued(job, owner, 0, attempts=job.attempts - 1))

    async def counts(self) -> dict[tuple[str, str], int]:
        """Jobs by (kind, state)."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(jobs.c.kind, jobs.c.state, func.count()).group_by(jobs.c.kind, jobs.c.state)
            )
            return {(kind, state): count for kind, state, count in rows}

    async def forget_finished(self, *, older_than_seconds: float) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                delete(jobs).where(
                    jobs.c.state.in_(("completed", "failed")),
                    jobs.c.created_at < now_ms() - int(older_than_seconds * 1000),
                )
            )


async def enqueue(connection: AsyncConnection, tenant_id: str, kind: JobKind, subject_id: str) -> None:
    """Adds a job in the caller's transaction, unless one for the same subject waits.

    One that is running may be past what the caller wants done: the new one comes after it.
    """
    waiting = select(jobs.c.id).where(jobs.c.kind == kind, jobs.c.subject_id == subject_id, jobs.c.state == "queued")
    if (await connection.execute(waiting)).first() is not None:
        return
    now = now_ms()
    await connection.execute(
        insert(jobs).values(
            id=str(uuid4()),
            tenant_id=tenant_id,
            kind=kind,
            subject_id=subject_id,
            state="queued",
            attempts=0,
            run_after=now,
            created_at=now,
        )
    )


async def is_held(connection: AsyncConnection, job: Job, owner: str) -> bool:
    """Whether the worker still holds the job, inside its own transaction: what it writes is then safe to commit."""
    return (await connection.execute(select(jobs.c.id).where(_held(job, owner)).with_for_update())).first() is not None


async def got_on(connection: AsyncConnection, job: Job) -> None:
    """A part of the job is done: what it was put off for is back, and the attempts before this one were of use."""
    useful = job.attempts - 1
    if job.postponed or job.useful_attempts != useful:
        await connection.execute(update(jobs).where(jobs.c.id == job.id).values(postponed=0, useful_attempts=useful))


def _requeued(job: Job, owner: str, delay_seconds: float, **values: Any) -> Update:
    run_after = now_ms() + int(delay_seconds * 1000)
    return (
        update(jobs)
        .where(_held(job, owner))
        .values(state="queued", owner=None, lease_until=None, run_after=run_after, **values)
    )


def _held(job: Job, owner: str):
    # Attempts is the fence: a worker that lost the job and a later one differ in it, even under one owner name.
    return and_(jobs.c.id == job.id, jobs.c.state == "running", jobs.c.owner == owner, jobs.c.attempts == job.attempts)
