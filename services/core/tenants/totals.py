"""What a tenant has stored, has had understood today and has queued, held to its limits in the transactions that change it."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason
from services.core.store.database import Database
from services.core.store.job_schema import jobs
from services.core.store.limit_tables import tenant_totals
from services.core.tenants.plans import Limits, Plans

DAY_MS = 24 * 3600 * 1000
QUEUE_SECONDS = 30  # when a place in the queue may be free: a guess
totals = tenant_totals.c
log = structlog.get_logger(__name__)


class Totals:
    """A tenant's row is locked by whoever changes it, until its transaction ends: what is admitted is what is counted."""

    def __init__(self, database: Database, plans: Plans, *, clock: Callable[[], int] = now_ms) -> None:
        """`clock`: Unix milliseconds."""
        self._database = database
        self._plans = plans
        self._clock = clock

    async def limits(self, tenant_id: str) -> Limits:
        return (await self._plans.of(tenant_id)).tenant

    async def check_upload(self, tenant_id: str, size_bytes: int | None = None) -> int | None:
        """Before the first byte is read. Returns for how many bytes there is room; None: no limit.

        Raises BUDGET_EXHAUSTED (stored bytes), QUOTA_EXHAUSTED (the day's video), LIMIT_EXCEEDED (queued jobs).
        """
        limits = await self.limits(tenant_id)
        if limits.stored_bytes is None and limits.video_seconds_per_day is None and limits.queued_jobs is None:
            return None
        async with self._database.read() as connection:
            row = (await connection.execute(select(tenant_totals).where(totals.tenant_id == tenant_id))).first()
            await self._check_jobs(connection, tenant_id, limits)
        self._check_day(limits, row, 0.0)
        if limits.stored_bytes is None:
            return None
        left = limits.stored_bytes - (row.stored_bytes if row else 0)
        if left <= 0 or (size_bytes or 0) > left:
            _refuse(limits, full(limits, max(0, left)))
        return None if limits.shadow else left

    async def store(self, connection: AsyncConnection, tenant_id: str, size_bytes: int) -> None:
        """Counts a file that is stored, with its probe. Raises as `check_upload`."""
        limits, row = await self.limits(tenant_id), await self._locked(connection, tenant_id)
        await self._check_jobs(connection, tenant_id, limits)
        self._check_day(limits, row, 0.0)
        if limits.stored_bytes is not None and row.stored_bytes + size_bytes > limits.stored_bytes:
            _refuse(limits, full(limits, limits.stored_bytes - row.stored_bytes))
        await self._change(connection, tenant_id, stored_bytes=totals.stored_bytes + size_bytes)

    async def forget(self, connection: AsyncConnection, tenant_id: str, size_bytes: int) -> None:
        """Counts a file that is deleted."""
        await self._locked(connection, tenant_id)
        await self._change(connection, tenant_id, stored_bytes=totals.stored_bytes - size_bytes)

    async def take_in(self, connection: AsyncConnection, tenant_id: str, seconds: float) -> None:
        """Counts a video that is probed, for today. Raises QUOTA_EXHAUSTED."""
        limits, row = await self.limits(tenant_id), await self._locked(connection, tenant_id)
        self._check_day(limits, row, seconds)
        taken = row.video_seconds if row.day == self._today else 0.0
        await self._change(connection, tenant_id, day=self._today, video_seconds=taken + seconds)

    async def check_queue(self, connection: AsyncConnection, tenant_id: str) -> None:
        """Before a job is queued for the tenant, in that transaction. Raises LIMIT_EXCEEDED."""
        limits = await self.limits(tenant_id)
        if limits.queued_jobs is not None:
            await self._locked(connection, tenant_id)
            await self._check_jobs(connection, tenant_id, limits)

    @property
    def _today(self) -> int:
        return self._clock() // DAY_MS

    def _check_day(self, limits: Limits, row: Row | None, seconds: float) -> None:
        most = limits.video_seconds_per_day
        if most is None:
            return
        taken = row.video_seconds if row is not None and row.day == self._today else 0.0
        if taken + seconds > most or taken >= most:
            message = f"This tenant may have {most:g} seconds of video taken in a day, and {taken:g} were today"
            if seconds:
                message += f"; this one has {seconds:g}"
            wait = (DAY_MS - self._clock() % DAY_MS + 999) // 1000
            _refuse(
                limits,
                ArcusError(
                    Reason.QUOTA_EXHAUSTED, f"{message}; try again after midnight, UTC.", retry_after_seconds=wait
                ),
            )

    async def _check_jobs(self, connection: AsyncConnection, tenant_id: str, limits: Limits) -> None:
        most = limits.queued_jobs
        if most is None:
            return
        waiting = select(jobs.c.id).where(jobs.c.tenant_id == tenant_id, jobs.c.state.in_(("queued", "running")))
        count = await connection.scalar(select(func.count()).select_from(waiting.limit(most).subquery()))
        if (count or 0) >= most:
            message = f"{most} jobs of this tenant wait or run, the most allowed; try again when one has ended."
            _refuse(limits, ArcusError(Reason.LIMIT_EXCEEDED, message, retry_after_seconds=QUEUE_SECONDS))

    async def _locked(self, connection: AsyncConnection, tenant_id: str) -> Row:
        query = select(tenant_totals).where(totals.tenant_id == tenant_id).with_for_update()
        row = (await connection.execute(query)).first()
        if row is None:
            try:
                async with connection.begin_nested():
                    await connection.execute(
                        insert(tenant_totals).values(tenant_id=tenant_id, stored_bytes=0, day=0, video_seconds=0.0)
                    )
            except IntegrityError:  # another made it meanwhile
                pass
            row = (await connection.execute(query)).one()
        return row

    async def _change(self, connection: AsyncConnection, tenant_id: str, **values: object) -> None:
        await connection.execute(update(tenant_totals).where(totals.tenant_id == tenant_id).values(**values))


def full(limits: Limits, left: int) -> ArcusError:
    return ArcusError(
        Reason.BUDGET_EXHAUSTED,
        f"This tenant may store {limits.stored_bytes} bytes, of which {max(0, left)} are left; delete files, or ask for more.",
    )


def _refuse(limits: Limits, error: ArcusError) -> None:
    if not limits.shadow:
        raise error
    log.info("limit_would_refuse", message=error.message)
