"""Jobs that wait, in the order in which the store's claims take them: the same arithmetic, over heaps instead of rows."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.core.claim_order import cost_of, turn_end, turn_start

Job = TypeVar("Job")


@dataclass
class _Tenant(Generic[Job]):
    weight: float
    own: float = 0.0  # virtual seconds, when its last turn ends
    jobs: deque[Job] = field(default_factory=deque)


class ClaimQueue(Generic[Job]):
    def __init__(self) -> None:
        self._tenants: dict[str, _Tenant[Job]] = {}
        self._served = 0.0
        # Of tenants with jobs. Entries that are out of date are dropped as they come up.
        self._later: list[tuple[float, str]] = []  # by where their turn begins, after what is served now
        self._ready: list[str] = []  # those that begin now, by id
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, tenant_id: str, job: Job, *, weight: float = 1.0) -> None:
        tenant = self._tenants.setdefault(tenant_id, _Tenant(weight))
        tenant.jobs.append(job)
        self._count += 1
        if len(tenant.jobs) == 1:
            heapq.heappush(self._later, (tenant.own, tenant_id))

    def claim(self) -> tuple[str, Job, float] | None:
        """(tenant, its oldest job, where its turn begins), to be charged at once."""
        while self._later and self._later[0][0] <= self._served:
            own, id = heapq.heappop(self._later)
            if self._waits(id, own):
                heapq.heappush(self._ready, id)
        while self._ready:
            id = heapq.heappop(self._ready)
            if self._waits(id, self._tenants[id].own) and self._tenants[id].own <= self._served:
                return self._take(id)
        while self._later:
            own, id = heapq.heappop(self._later)
            if self._waits(id, own):
                return self._take(id)
        return None

    def begin(self, tenant_id: str, start: float, seconds: float) -> None:
        """Charges for a turn of so much video."""
        tenant = self._tenants[tenant_id]
        self._served = start
        self._move(tenant_id, turn_end(tenant.own, start, cost_of(seconds, tenant.weight), max))

    def charge(self, tenant_id: str, seconds: float) -> None:
        tenant = self._tenants[tenant_id]
        self._move(tenant_id, tenant.own + cost_of(seconds, tenant.weight))

    def _take(self, id: str) -> tuple[str, Job, float]:
        tenant = self._tenants[id]
        self._count -= 1
        return id, tenant.jobs.popleft(), turn_start(tenant.own, self._served, max)

    def _move(self, id: str, own: float) -> None:
        tenant = self._tenants[id]
        tenant.own = own
        if tenant.jobs:
            heapq.heappush(self._later, (own, id))

    def _waits(self, id: str, own: float) -> bool:
        tenant = self._tenants[id]
        return bool(tenant.jobs) and tenant.own == own
