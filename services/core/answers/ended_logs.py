"""Logs of ended responses: each is joined to one row, in which every reader finds the same events by the same numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby

import structlog
from sqlalchemy import Connection, bindparam, delete, func, insert, literal_column, select, update

from services.core.clock import now_ms
from services.core.errors import ArcusError
from services.core.store.database import Database
from services.core.store.schema import response_events, responses

AFTER_MS = 600_000  # from a response's start: most who follow it have read its end by then
STEP_RESPONSES = 50  # of one transaction
STEP_ROWS = 500  # too, unless one response alone has more
PAUSE_SECONDS = 0.05  # after a step
SWEEP_SECONDS = 60.0
_due = (
    select(responses.c.id)
    .where(
        responses.c.joined_events.is_(None),
        responses.c.status != literal_column("'in_progress'"),
        responses.c.created_at < bindparam("before"),
    )
    .order_by(responses.c.created_at)
)
_rows = response_events.c
_counted = (
    select(_rows.response_id, func.count().label("rows"))
    .where(_rows.response_id.in_(bindparam("ids", expanding=True)))
    .group_by(_rows.response_id)
)
_read = (
    select(_rows.response_id, _rows.entries, _rows.output_tokens)
    .where(_rows.response_id.in_(bindparam("ids", expanding=True)))
    .order_by(_rows.response_id, _rows.first_number)
)
_joined = update(responses).where(responses.c.id == bindparam("response_id"))
log = structlog.get_logger(__name__)


class EndedLogs:
    def __init__(self, database: Database, *, clock: Callable[[], int] = now_ms) -> None:
        """`clock`: Unix milliseconds."""
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                if joined := await self.join():
                    log.info("logs_joined", responses=joined)
            except ArcusError as error:
                log.warning("logs_not_joined", reason=error.reason)

    async def join(self) -> int:
        """Joins all that ended and began AFTER_MS ago, in steps; returns how many responses.

        An ended response takes no more events, so a step is one transaction; several fronts share what there is.
        """
        before = self._clock() - AFTER_MS
        joined = 0
        while await self._database.fetch(_due.limit(1), {"before": before}):  # with none, no write lock is taken
            step = await self._database.writing(lambda connection: _step(connection, before))
            if not step:
                break  # another front has them
            joined += step
            await asyncio.sleep(PAUSE_SECONDS)
        return joined


def _step(connection: Connection, before: int) -> int:
    found = _due.limit(STEP_RESPONSES).with_for_update(skip_locked=True)
    ids = _together(connection, connection.execute(found, {"before": before}).scalars().all())
    if not ids:
        return 0
    logs = {
        id: list(rows) for id, rows in groupby(connection.execute(_read, {"ids": ids}), key=lambda row: row.response_id)
    }
    joined = [
        {
            "response_id": id,
            "first_number": 0,
            "entries": [entry for row in rows for entry in row.entries],
            "engine_text": "",  # only who goes on with a response needs it
            "output_tokens": sum(row.output_tokens for row in rows),
        }
        for id, rows in logs.items()
    ]
    if joined:
        connection.execute(delete(response_events).where(_rows.response_id.in_(list(logs))))
        connection.execute(insert(response_events), joined)
    counts = dict.fromkeys(ids, 0) | {row["response_id"]: len(row["entries"]) for row in joined}
    connection.execute(
        _joined.values(joined_events=bindparam("count")),
        [{"response_id": id, "count": count} for id, count in counts.items()],
    )
    return len(ids)


def _together(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Of these, the first that are joined in one transaction."""
    counts = {row.response_id: row.rows for row in connection.execute(_counted, {"ids": ids})}
    taken: list[str] = []
    rows = 0
    for id in ids:
        rows += counts.get(id, 0)
        if taken and rows > STEP_ROWS:
            break
        taken.append(id)
    return taken
