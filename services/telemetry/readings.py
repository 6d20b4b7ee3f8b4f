"""What is looked up when metrics are read: the queue, the tables, the engine. Several readers share one look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from math import nan

from services.core.errors import ArcusError
from services.core.jobs import KINDS, STATES, Jobs
from services.core.store.database import Database
from services.core.store.migration import NEEDED
from services.telemetry.metrics import Metrics

KEPT_SECONDS = 5.0
LOOK_SECONDS = 3.0  # Prometheus waits 10 by default


class Readings:
    def __init__(
        self,
        metrics: Metrics,
        *,
        database: Database,
        jobs: Jobs,
        check_engine: Callable[[], Awaitable[None]],
    ) -> None:
        """`check_engine` raises ArcusError unless an engine answers."""
        self._metrics = metrics
        self._database = database
        self._jobs = jobs
        self._check_engine = check_engine
        self._looking = asyncio.Lock()
        self._kept_until = 0.0
        metrics.build.labels(version("arcus"), NEEDED).set(1)
        metrics.pool_waiting.set_function(lambda: database.waiting)
        metrics.notices_heard.set_function(lambda: nan if database.is_sqlite else database.notices.hears_others)

    async def refresh(self) -> None:
        """Sets the gauges. What can't be looked up is told as down, and of a database that is down nothing else is told."""
        async with self._looking:
            if time.monotonic() < self._kept_until:
                return
            _, is_up = await asyncio.gather(self._look_at_database(), self._answers(self._check_engine()))
            self._metrics.engine_up.set(is_up)
            self._kept_until = time.monotonic() + KEPT_SECONDS

    async def _look_at_database(self) -> None:
        is_up = await self._answers(self._read_database())
        self._metrics.database_up.set(is_up)
        if not is_up:
            self._metrics.jobs.clear()
            self._metrics.job_oldest.clear()

    async def _read_database(self) -> None:
        behind = int(NEEDED) - int(await self._database.schema() or 0)
        self._metrics.schema_behind.set(behind)
        counts, oldest = await self._jobs.counts(), await self._jobs.oldest_queued_seconds()
        for kind in KINDS:
            for state in STATES:
                self._metrics.jobs.labels(state, kind).set(counts.get((kind, state), 0))
            self._metrics.job_oldest.labels(kind).set(oldest.get(kind, 0.0))

    async def _answers(self, look: Awaitable[None]) -> bool:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await look
        except (ArcusError, TimeoutError):
            return False
        return True
