"""What is deleted once its time to live is over: responses with their events, searches and chat completions, as its tenant
has it; and what was told of usage and of changes long ago.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import structlog
from sqlalchemy import ColumnElement, Connection, Executable, Select, Table, delete, func, select, true
from sqlalchemy.dialects.postgresql import insert

from services.core.clock import now_ms
from services.core.errors import ArcusError
from services.core.store.database import Database
from services.core.store.schema import chats, responses, searches, tenants
from services.core.store.tenant_schema import audit_records, kept_since, usage_records
from services.core.tenants.plans import Plans

RECORDS_DAYS = 400  # that usage and audit are kept: a year, and the month to compare with
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
RECORDS = (usage_records, audit_records)
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
        async for table, due, allowing in self._over():
            while await self._database.fetch(due.limit(1)):  # with nothing to delete, no write lock is taken
                step = await self._step(table, due, allowing)
                if not step:
                    return deleted  # another front is at it
                deleted += step
                await asyncio.sleep(PAUSE_SECONDS)
        return deleted

    async def _over(self) -> AsyncIterator[tuple[Table, Select, Executable | None]]:
        """Tables, the ids of a step's rows, and what has to come before they may be deleted."""
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
                yield table, due, None
        before = self._clock() - RECORDS_DAYS * DAY_MS
        for table in RECORDS:
            due = select(table.c.id).where(table.c.at < before).order_by(table.c.at).limit(STEP_ROWS)
            moved = insert(kept_since).values(table_name=table.name, at=before)
            yield (
                table,
                due,
                moved.on_conflict_do_update(
                    index_elements=["table_name"],
                    set_={"at": moved.excluded.at},
                    where=kept_since.c.at < moved.excluded.at,
                ),
            )

    async def _step(self, table: Table, due: Select, allowing: Executable | None) -> int:
        def work(connection: Connection) -> int:
            if not self._database.is_sqlite:
                if not connection.scalar(select(func.pg_try_advisory_xact_lock(SWEEP_LOCK))):
                    return 0
            ids = connection.execute(due.with_for_update(skip_locked=True)).scalars().all()
            if ids:
                if allowing is not None:
                    connection.execute(allowing)
                connection.execute(delete(table).where(table.c.id.in_(ids)))
            return len(ids)

        return await self._database.writing(work)
