"""The time between output tokens, counted without a lock: each token of each answer passes here, in one event loop."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from services.telemetry.objectives import TOKEN_INTERVAL_BUCKETS


class TokenIntervals:
    name = "arcus_output_token_interval_seconds"

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts = [0] * (len(TOKEN_INTERVAL_BUCKETS) + 1)
        self._seconds = 0.0
        registry.register(self)

    def add(self, seconds: float, tokens: int) -> None:
        """`seconds` in which so many tokens came."""
        self._counts[bisect_left(TOKEN_INTERVAL_BUCKETS, seconds / tokens)] += tokens
        self._seconds += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        counts, total, buckets = list(self._counts), 0, []
        for bound, count in zip((*TOKEN_INTERVAL_BUCKETS, float("inf")), counts, strict=True):
            total += count
            buckets.append((floatToGoString(bound), float(total)))
        family = HistogramMetricFamily(self.name, "Time between the output tokens of an answer, as they are told.")
        family.add_metric([], buckets=buckets, sum_value=self._seconds)
        yield family
