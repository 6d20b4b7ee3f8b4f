"""Admission: how many requests of one tenant may be in progress in one front, whichever transport they came by."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from services.core.errors import ArcusError, Reason

ARRIVING_SHARE = 4  # bodies that arrive, for each request that may be in progress


class Place(StrEnum):
    """What is counted apart: slow uploads and bodies never take the places of requests."""

    REQUEST = "requests"
    UPLOAD = "uploads"
    ARRIVING = "request bodies"


class TenantLimit:
    """Counts requests in progress by tenant. One event loop shares one instance; nothing waits, overload is refused."""

    def __init__(self, max_requests: int) -> None:
        self._most = {
            Place.REQUEST: max_requests,
            Place.UPLOAD: max_requests,
            Place.ARRIVING: ARRIVING_SHARE * max_requests,
        }
        self._in_progress: dict[tuple[Place, str], int] = {}

    @contextmanager
    def admit(self, tenant_id: str, place: Place = Place.REQUEST) -> Iterator[None]:
        """Holds one place until the block ends. Raises LIMIT_EXCEEDED when the tenant has none left."""
        # No await between the look and the count, so that two requests never take one place.
        held = place, tenant_id
        count = self._in_progress.get(held, 0)
        if count >= self._most[place]:
            raise ArcusError(
                Reason.LIMIT_EXCEEDED,
                f"{count} {place} of this tenant are in progress, the most allowed; try again when one has ended.",
            )
        self._in_progress[held] = count + 1
        try:
            yield
        finally:
            left = self._in_progress[held] - 1
            if left:
                self._in_progress[held] = left
            else:
                del self._in_progress[held]

    def in_progress(self, tenant_id: str) -> int:
        return sum(self._in_progress.get((place, tenant_id), 0) for place in Place)


class LatestCalls:
    """So many calls at once of a kind that anybody may make, or that wait for their client: one more ends the oldest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: dict[asyncio.Task[object], None] = {}
        self._ended: set[asyncio.Task[object]] = set()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Counts the task that runs until the block ends. Raises LIMIT_EXCEEDED in the one that newer ones ended."""
        task = asyncio.current_task()
        assert task is not None
        if len(self._tasks) >= self._most:
            oldest = next(iter(self._tasks))
            del self._tasks[oldest]
            self._ended.add(oldest)
            oldest.cancel()
        self._tasks[task] = None
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            raise ArcusError(Reason.LIMIT_EXCEEDED, "Too many calls wait; this one waited longest.") from None
        finally:
            self._tasks.pop(task, None)
            self._ended.discard(task)
