"""Admission: how many requests of one tenant may be in progress in one front, whichever transport they came by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.core.errors import ArcusError, Reason


class TenantLimit:
    """Counts requests in progress by tenant. One event loop shares one instance; nothing waits, overload is refused."""

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._in_progress: dict[str, int] = {}

    @contextmanager
    def admit(self, tenant_id: str) -> Iterator[None]:
        """Holds one place until the block ends. Raises LIMIT_EXCEEDED when the tenant has none left."""
        # No await between the look and the count, so that two requests never take one place.
        count = self._in_progress.get(tenant_id, 0)
        if count >= self._max_requests:
            raise ArcusError(
                Reason.LIMIT_EXCEEDED,
                f"{count} requests of this tenant are in progress, the most allowed; try again when one has ended.",
            )
        self._in_progress[tenant_id] = count + 1
        try:
            yield
        finally:
            left = self._in_progress[tenant_id] - 1
            if left:
                self._in_progress[tenant_id] = left
            else:
                del self._in_progress[tenant_id]

    def in_progress(self, tenant_id: str) -> int:
        return self._in_progress.get(tenant_id, 0)
