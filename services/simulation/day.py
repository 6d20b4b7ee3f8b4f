"""When users come: a day with a peak, of many tenants of whom a few ask the most. The same seed gives the same day."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import accumulate

DAY_SECONDS = 86_400.0
STEPS = 1440  # a minute each, over which a day's shape is averaged


def concentration(peak: float) -> float:
    """Of exp(k cos t) over its mean, so that its most is `peak`: found by halving, to a millionth."""
    low, high = 0.0, 1.0
    while _peak(high) < peak:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _peak(middle) < peak else (low, middle)
    return low


def _peak(k: float) -> float:
    return 1 / (sum(math.exp(k * (math.cos(2 * math.pi * n / STEPS) - 1)) for n in range(STEPS)) / STEPS)


class Day:
    """Arrivals at `most_per_second` at noon and less around it. `tenants` share them as 1, 1/2, 1/3 … (Zipf)."""

    def __init__(self, most_per_second: float, peak: float, tenants: int, seed: str) -> None:
        self._most = most_per_second
        self._k = concentration(peak)
        self._lot = random.Random(seed)
        self._names = [f"tenant-{number:05}" for number in range(tenants)]
        self._shares = list(accumulate(1 / (number + 1) for number in range(tenants)))

    def arrivals(self, begin: float, end: float) -> Iterator[tuple[float, str]]:
        """(second, tenant) by thinning (Lewis and Shedler, 1979)."""
        at = begin
        while self._most and (at := at + self._lot.expovariate(self._most)) < end:
            if self._lot.random() < math.exp(self._k * (math.cos(2 * math.pi * (at / DAY_SECONDS - 0.5)) - 1)):
                (tenant,) = self._lot.choices(self._names, cum_weights=self._shares)
                yield at, tenant
