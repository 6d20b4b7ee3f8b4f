"""Durable work: rows with a lease, claimed by workers, fair between tenants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.claim_order import cost_of, later_column, turn_end, turn_start
from services.core.clock import now_ms
from services.core.errors import invalid
from services.core.store.database import Database
from services.core.store.job_schema import jobs, tenant_shares
from services.core.store.notices import JOBS
from services.core.trace_context import current_traceparent

JobKind = Literal["probe", "describe", "extract"]
KINDS: tuple[JobKind, ...] = ("probe", "describe", "extract")
STATES = ("queued", "running", "completed", "failed")
PRIORITIES: dict[str, int] = {"probe": 0}  # it is short and someone waits for it; the others have 1
PROBE_SECONDS = 1.0  # of video, that a probe counts as: it reads a file's ends
TURN_SECONDS = 320.0  # of video: sixteen segments of the usual length, each takes seconds
CLAIM_LOCK = 7146727  # any number but those of set-up and migration, the same in every process
MOST_TENANTS = 100  # that a claim looks at; only where others hold all that the first ones have
FORGOTTEN_AT_ONCE = 1_000

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
    turn_seconds: float = TURN_SECONDS  # of video that its tenant was charged for
    traceparent: str | None = None  # of what asked for it, where that is traced

    @property
    def tries(self) -> int:
        """Attempts since the job last got on, this one included."""
        return self.attempts - self.useful_attempts


class LeaseLostError(Exception):
    """Another worker holds the job now, or its subject is gone: what was made must not be written."""


# The literals are those of the partial indexes. The subqueries are scalar ones so that PostgreSQL looks each up by an index
# instead of hashing the whole table.
_is_queued = jobs.c.state == literal_column("'queued'")
_due = jobs.alias()
_busy = jobs.alias()
_at_work = (
    select(_busy.c.id)
    .where(
        _busy.c.subject_id == _due.c.subject_id,
        _busy.c.state == literal_column("'running'"),
        _busy.c.lease_until >= bindparam("now"),
    )
    .limit(1)
    .scalar_subquery()
)
_oldest = (
    select(_due)
    .where(
        _due.c.state == literal_column("'queued'"),
        _due.c.priority <= bindparam("priority"),
        _due.c.kind.in_(bindparam("kinds", expanding=True)),
        _due.c.run_after <= bindparam("now"),
        _at_work.is_(None),
    )
    .order_by(_due.c.priority, _due.c.created_at, _due.c.id)
    .limit(1)
)
_oldest_of = _oldest.where(_due.c.tenant_id == bindparam("tenant_id")).with_for_update(skip_locked=True)
_abandoned = (
    select(jobs)
    .where(
        jobs.c.state == literal_column("'running'"),
        jobs.c.lease_until < bindparam("now"),
        jobs.c.kind.in_(bindparam("kinds", expanding=True)),
    )
    .order_by(jobs.c.lease_until)
    .limit(1)
)
_abandoned_locked = _abandoned.with_for_update(skip_locked=True)


def _waiting_tenants() -> Select:
    """Tenants that have a job to claim, with when their next turn begins; the earliest first.

    From one tenant to the next by the index: the cost does not grow with what each has queued.
    """
    first = select(func.min(jobs.c.tenant_id).label("tenant_id")).where(_is_queued).cte("waiting", recursive=True)
    following = select(func.min(jobs.c.tenant_id)).where(_is_queued, jobs.c.tenant_id > first.c.tenant_id)
    waiting = first.union_all(select(following.scalar_subquery()).where(first.c.tenant_id.is_not(None)))
    now_served = select(func.coalesce(func.max(tenant_shares.c.turn_start), 0.0)).scalar_subquery()
    own = func.coalesce(tenant_shares.c.virtual_seconds, 0.0)
    start = turn_start(own, now_served, later_column)
    any_due = _oldest.with_only_columns(_due.c.id).where(_due.c.tenant_id == waiting.c.tenant_id).scalar_subquery()
    return (
        select(waiting.c.tenant_id, start.label("start"))
        .outerjoin(tenant_shares, tenant_shares.c.tenant_id == waiting.c.tenant_id)
        .where(any_due.is_not(None))
        .order_by(start, waiting.c.tenant_id)
        .limit(MOST_TENANTS)
    )


_tenants_in_turn = _waiting_tenants()
_told = text("SELECT pg_notify(:channel, :kind)")
_any_due = select(jobs.c.id).where(_is_queued, jobs.c.run_after <= bindparam("now")).limit(1)


class Jobs:
    def __init__(self, database: Database, *, lease_seconds: float, turn_seconds: float = TURN_SECONDS) -> None:
        """turn_seconds: of video, that a job is worked on before whoever waits has a turn."""
        self._database = database
        self._lease_ms = int(lease_seconds * 1000)
        self.turn_seconds = turn_seconds

    async def claim(self, owner: str, kinds: Sequence[JobKind] = KINDS) -> Job | None:
        """Takes the next job of these kinds: one abandoned by its worker, or the oldest of the tenant whose turn it is.

        Turns go by video seconds and weight. The tenant is charged for one turn of the job.
        """
        values = {"now": now_ms(), "kinds": list(kinds), "priority": max(PRIORITIES.get(kind, 1) for kind in kinds)}

        def any_work(connection: Connection) -> bool:
            found = (
                connection.execute(_abandoned, values).first() or connection.execute(_tenants_in_turn, values).first()
            )
            return found is not None

        if not await self._database.reading(any_work):  # an idle worker takes no write lock
            return None
        return await self._database.writing(lambda connection: self._claim(connection, owner, values))

    def _claim(self, connection: Connection, owner: str, values: dict[str, Any]) -> Job | None:
        row, start = connection.execute(_abandoned_locked, values).first(), None
        if row is None:
            if not self._database.is_sqlite:  # where writers are one at a time anyway
                # Claims made at once would all take the same tenant's turn.
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({CLAIM_LOCK})")
            row, start = _next_in_turn(connection, values)
        if row is None:
            return None
        turn_seconds = self.turn_seconds if row.video_seconds is None else min(row.video_seconds, self.turn_seconds)
        connection.execute(
            update(jobs)
            .where(jobs.c.id == row.id)
            .values(state="running", owner=owner, lease_until=values["now"] + self._lease_ms, attempts=row.attempts + 1)
        )
        if start is not None:  # whoever takes over an abandoned job goes on with a turn that was charged
            _begin_turn(connection, row.tenant_id, start, turn_seconds, moves_time=len(values["kinds"]) == len(KINDS))
        return Job(
            row.id,
            row.tenant_id,
            row.kind,
            row.subject_id,
            row.attempts + 1,
            row.postponed,
            row.useful_attempts,
            row.state == "running",
            turn_seconds,
            row.traceparent,
        )

    async def extend_turn(self, job: Job, seconds: float) -> bool:
        """Charges for so much more video, unless some job waits: False, then the turn is over."""

        def work(connection: Connection) -> bool:
            if connection.execute(_any_due, {"now": now_ms()}).first() is not None:
                return False
            _charge(connection, job.tenant_id, seconds)
            return True

        return await self._database.writing(work)

    async def set_weight(self, tenant_id: str, weight: float) -> None:
        """Of two tenants that both wait, one of weight 3 gets three times the video seconds of one of weight 1."""
        if not 0.001 <= weight <= 1000:
            raise invalid("weight must be 0.001 to 1000", field="weight")
        async with self._database.write() as connection:
            share = insert(tenant_shares).values(tenant_id=tenant_id, weight=weight)
            await connection.execute(share.on_conflict_do_update(index_elements=["tenant_id"], set_={"weight": weight}))

    async def yield_turn(self, job: Job, owner: str, *, seconds_left: float, seconds_owed: float = 0.0) -> None:
        """Gives a job back untried, behind those that wait. Seconds of video: to do, and done beyond what was charged."""
        again = {"attempts": job.attempts - 1, "created_at": now_ms(), "video_seconds": seconds_left}
        await self._requeue(job, owner, again, seconds_owed=seconds_owed)

    async def tries(self, job: Job) -> int:
        """Attempts since the job last got on, with what it did in this one."""
        query = select(jobs.c.useful_attempts).where(jobs.c.id == job.id)
        async with self._database.read() as connection:
            useful = (await connection.execute(query)).scalar_one_or_none()
        return job.tries if useful is None else job.attempts - useful

    async def renew(self, job: Job, owner: str) -> bool:
        """Extends the lease. False means that the job is another's or gone: stop working on it."""

        def work(connection: Connection) -> bool:
            renewed = update(jobs).where(_held(job, owner)).values(lease_until=now_ms() + self._lease_ms)
            return connection.execute(renewed).rowcount == 1

        return await self._database.renewing(work)

    async def finish(self, job: Job, owner: str, *, error: str | None = None) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(jobs)
                .where(_held(job, owner))
                .values(state="failed" if error else "completed", owner=None, lease_until=None, error=error)
            )

    async def retry(self, job: Job, owner: str, *, delay_seconds: float, error: str) -> None:
        """Queues a job anew."""
        await self._requeue(job, owner, {"error": error}, delay_seconds=delay_seconds)

    async def postpone(self, job: Job, owner: str, *, delay_seconds: float, error: str, most: int) -> bool:
        """Queues a job anew as if it had not been tried: what failed was not the job.

        False, and it is held still, where it was put off `most` times since it last got on.
        """
        again = {"error": error, "attempts": job.attempts - 1, "postponed": jobs.c.postponed + 1}
        may = jobs.c.postponed < most
        return await self._requeue(job, owner, again, delay_seconds=delay_seconds, only_if=may)

    async def release(self, job: Job, owner: str) -> None:
        """Gives a job back untried, as a worker does that is told to stop."""
        await self._requeue(job, owner, {"attempts": job.attempts - 1})

    async def _requeue(
        self,
        job: Job,
        owner: str,
        values: Mapping[str, Any],
        *,
        delay_seconds: float = 0.0,
        only_if: ColumnElement[bool] = true(),
        seconds_owed: float = 0.0,
    ) -> bool:
        """Of what was queued meanwhile for the same subject, the job that has its attempts counted stays."""
        held = and_(_held(job, owner), only_if)
        same = and_(jobs.c.kind == job.kind, jobs.c.subject_id == job.subject_id, _is_queued)
        run_after = now_ms() + int(delay_seconds * 1000)
        again = {"state": "queued", "owner": None, "lease_until": None, "run_after": run_after, **values}

        def work(connection: Connection) -> bool:
            if connection.execute(select(jobs.c.id).where(held).with_for_update()).first() is None:
                return False
            connection.execute(delete(jobs).where(same))
            connection.execute(update(jobs).where(held).values(again))
            if seconds_owed:
                _charge(connection, job.tenant_id, seconds_owed)
            if not delay_seconds and not self._database.is_sqlite:
                connection.execute(_told, {"channel": JOBS, "kind": job.kind})
            return True

        try:
            return await self._database.writing(work)
        except IntegrityError:  # one was queued between the two statements; it is there to be deleted now
            return await self._database.writing(work)

    async def counts(self) -> dict[tuple[str, str], int]:
        """Jobs by (kind, state)."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(jobs.c.kind, jobs.c.state, func.count()).group_by(jobs.c.kind, jobs.c.state)
            )
            return {(kind, state): count for kind, state, count in rows}

    async def oldest_queued_seconds(self) -> dict[str, float]:
        """By kind, how long the job has waited that could have run for longest."""
        now = now_ms()
        due = (jobs.c.state == "queued") & (jobs.c.run_after <= now)
        query = select(jobs.c.kind, func.min(jobs.c.run_after)).where(due).group_by(jobs.c.kind)
        async with self._database.read() as connection:
            return {kind: (now - since) / 1000 for kind, since in await connection.execute(query)}

    async def forget_finished(self, *, older_than_seconds: float) -> None:
        """In short steps: nobody waits for long."""
        old = (
            select(jobs.c.id)
            .where(
                jobs.c.state.in_((literal_column("'completed'"), literal_column("'failed'"))),
                jobs.c.created_at < now_ms() - int(older_than_seconds * 1000),
            )
            .limit(FORGOTTEN_AT_ONCE)
        )
        forget = delete(jobs).where(jobs.c.id.in_(old))
        while await self._database.writing(lambda connection: connection.execute(forget).rowcount) == FORGOTTEN_AT_ONCE:
            pass


async def enqueue(
    connection: AsyncConnection, tenant_id: str, kind: JobKind, subject_id: str, *, video_seconds: float | None
) -> None:
    """Adds a job in the caller's transaction, unless one for the same subject waits; video_seconds: of work, None: not known.

    One that is running may be past what the caller wants done: the new one comes after it.
    """
    now = now_ms()
    job = insert(jobs).values(
        id=str(uuid4()),
        tenant_id=tenant_id,
        kind=kind,
        subject_id=subject_id,
        priority=PRIORITIES.get(kind, 1),
        video_seconds=video_seconds,
        state="queued",
        attempts=0,
        run_after=now,
        traceparent=current_traceparent(),
        created_at=now,
    )
    # The one that waits is locked: nobody begins it before what the caller wants done is committed.
    same = job.on_conflict_do_update(
        index_elements=["kind", "subject_id"],
        index_where=text("state = 'queued'"),
        set_={"subject_id": job.excluded.subject_id},
    )
    await connection.execute(same)
    if connection.dialect.name != "sqlite":  # heard once it is committed, by every process that works
        await connection.execute(_told, {"channel": JOBS, "kind": kind})


async def is_held(connection: AsyncConnection, job: Job, owner: str) -> bool:
    """Whether the worker still holds the job, inside its own transaction: what it writes is then safe to commit."""
    return (await connection.execute(select(jobs.c.id).where(_held(job, owner)).with_for_update())).first() is not None


async def got_on(connection: AsyncConnection, job: Job) -> None:
    """A part of the job is done: what it was put off for is back, and the attempts before this one were of use."""
    useful = job.attempts - 1
    if job.postponed or job.useful_attempts != useful:
        await connection.execute(update(jobs).where(jobs.c.id == job.id).values(postponed=0, useful_attempts=useful))


def _held(job: Job, owner: str):
    # Attempts is the fence: a worker that lost the job and a later one differ in it, even under one owner name.
    return and_(jobs.c.id == job.id, jobs.c.state == "running", jobs.c.owner == owner, jobs.c.attempts == job.attempts)


def _next_in_turn(connection: Connection, values: dict[str, Any]) -> tuple[Row | None, float | None]:
    """(the job, when its tenant's turn begins), past those that another transaction holds."""
    for tenant_id, start in connection.execute(_tenants_in_turn, values).all():
        row = connection.execute(_oldest_of, {**values, "tenant_id": tenant_id}).first()
        if row is not None:
            return row, start
    return None, None


def _begin_turn(connection: Connection, tenant_id: str, start: float, seconds: float, *, moves_time: bool) -> None:
    """`moves_time`: whether the turn was chosen among all that waits, so that who returns from idleness begins there."""
    own = tenant_shares.c.virtual_seconds
    values = {"virtual_seconds": turn_end(own, start, cost_of(seconds, tenant_shares.c.weight), later_column)}
    turn = {"turn_start": start} if moves_time else {}
    share = insert(tenant_shares).values(tenant_id=tenant_id, virtual_seconds=start + seconds, **turn)
    connection.execute(share.on_conflict_do_update(index_elements=["tenant_id"], set_={**values, **turn}))


def _charge(connection: Connection, tenant_id: str, seconds: float) -> None:
    """More, or less, than the turn that was charged; what was gone meanwhile is nobody's."""
    later = tenant_shares.c.virtual_seconds + cost_of(seconds, tenant_shares.c.weight)
    connection.execute(
        update(tenant_shares).where(tenant_shares.c.tenant_id == tenant_id).values(virtual_seconds=later)
    )
