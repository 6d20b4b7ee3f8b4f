"""What a tenant asked is deleted once its time to live is over: responses with their events, searches and chat completions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy import ColumnElement, Connection, Select, Table, delete, func, select, true

from services.core.clock import now_ms
from services.core.errors import ArcusError
from services.core.store.database import Database
from services.core.store.schema import chats, responses, searches, tenants
from services.core.tenants.plans import Plans

DAY_MS = 24 * 3600 * 1000
STEP_ROWS = 200  # of one transaction
PAUSE_SECONDS = 0.05  # after a step that deleted something
SWEEP_SECONDS = 600.0
SWEEP_LOCK = 7146728  # any number that no other lock has, the same in every process: one front at a time deletes
# One in progress is never deleted: whoever writes it would find it gone.
KEPT: tuple[tuple[Table, ColumnElement[bool]], ...] = (
    (responses, responses.c.status != "in_progress"),
    (searches, true()),
    (chats, true()),
)
log = structlog.get_logger(__name__)


class Retention:
    def __init__(self, database: Database, plans: Plans, *, days: float, clock: Callable[[], int] = now_ms) -> None:
        """`days`: of tenants whose plan says nothing else; 0 keeps all. `clock`: Unix milliseconds."""
        self._database = database
        self._plans = plans
        self._days = days
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                if deleted := await self.sweep():
                    log.info("retention_swept", rows=deleted)
            except ArcusError as error:
                log.warning("retention_failed", reason=error.reason)

    async def sweep(self) -> int:
        """Deletes all that is over its time, in steps of STEP_ROWS; returns how many rows."""
        deleted = 0
        for tenant in await self._database.fetch(select(tenants.c.id)):
            kept_days = (await self._plans.of(tenant.id)).tenant.kept_days
            days = self._days if kept_days is None else kept_days
            if not days:
                continue
            before = self._clock() - int(days * DAY_MS)
            for table, is_over in KEPT:
                due = (
                    select(table.c.id)
                    .where(table.c.tenant_id == tenant.id, table.c.created_at < before, is_over)
                    .order_by(table.c.created_at)
                    .limit(STEP_ROWS)
                )
                while await self._database.fetch(due.limit(1)):  # with nothing to delete, no write lock is taken
                    step = await self._step(table, due)
                    if not step:
                        return deleted  # another front is at it
                    deleted += step
                    await asyncio.sleep(PAUSE_SECONDS)
        return deleted

    async def _step(self, table: Table, due: Select) -> int:
        def work(connection: Connection) -> int:
            if not self._database.is_sqlite:
                if not connection.scalar(select(func.pg_try_advisory_xact_lock(SWEEP_LOCK))):
                    return 0
            ids = connection.execute(due.with_for_update(skip_locked=True)).scalars().all()
            if ids:
                connection.execute(delete(table).where(table.c.id.in_(ids)))
            return len(ids)

        return await self._database.writing(work)
