"""Counters by tenant whose series are bounded: the tenants that use most by their ids, all others as one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily

OTHER = "other"
TRACKED = 10  # tenants whose use is compared, for each that is named


class TenantCounters:
    """`most` tenants are named, whatever their number.

    What a tenant did before it was named stays with the others, and one that loses its name begins at 0 when it is named
    again: no series ever falls, so `rate` is right.
    """

    def __init__(self, most: int, counters: dict[str, str], registry: CollectorRegistry) -> None:
        """`counters`: what each name, without `_total`, counts."""
        self._most = most
        self._counters = counters
        self._use: dict[str, tuple[int, int]] = {}  # with what was inherited, and what was seen
        self._named: dict[str, dict[str, float]] = {}
        self._others = dict.fromkeys(counters, 0.0)
        self._lock = threading.Lock()  # scrapes come from another thread
        registry.register(self)

    def add(self, tenant_id: str, counter: str, amount: float = 1.0) -> None:
        with self._lock:
            self._rank(tenant_id)
            counts = self._named.get(tenant_id, self._others)
            counts[counter] += amount

    def _rank(self, tenant_id: str) -> None:
        """Space-Saving (Metwally et al., 2005): whoever is not in the table takes the place of the least used in it.

        It begins with that one's use, to stay; for a name, only what was seen of the tenant itself counts.
        """
        if self._most == 0:
            return
        if tenant_id not in self._use:
            inherited = 0
            if len(self._use) >= TRACKED * self._most:
                least = min((id for id in self._use if id not in self._named), key=lambda id: self._use[id][0])
                inherited = self._use.pop(least)[0]
            self._use[tenant_id] = inherited, 0
        use, seen = self._use[tenant_id]
        self._use[tenant_id] = use + 1, seen + 1
        if tenant_id in self._named:
            return
        if len(self._named) >= self._most:
            least = min(self._named, key=lambda id: self._use[id][1])
            if seen < 2 * self._use[least][1]:  # names do not change to and fro
                return
            del self._named[least]
        self._named[tenant_id] = dict.fromkeys(self._counters, 0.0)

    def collect(self) -> Iterator[CounterMetricFamily]:
        with self._lock:
            told = {OTHER: dict(self._others)} | {id: dict(counts) for id, counts in self._named.items()}
        for name, documentation in self._counters.items():
            family = CounterMetricFamily(name, documentation, labels=["tenant"])
            for tenant_id, counts in told.items():
                family.add_metric([tenant_id], counts[name])
            yield family
