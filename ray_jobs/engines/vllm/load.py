"""What vLLM's scheduler says of its load with every step, as a logger of statistics that keeps the last ones."""

from __future__ import annotations

import time
from typing import Any

FULL_CACHE = 0.95
PREEMPTED_SECONDS = 2.0  # that a request's being thrown out of the cache says that it is full


class EngineLoad:
    """Duck type of vLLM's StatLoggerBase, whose module must not be imported before `setup`."""

    def __init__(self) -> None:
        self.running = 0
        self.waiting = 0
        self.kv_cache_use = 0.0  # from 0 to 1
        self.heard_at = time.monotonic()
        self._preempted_at = -PREEMPTED_SECONDS

    @property
    def memory_is_full(self) -> bool:
        """Requests wait for memory rather than for a place: one more could only push others out."""
        preempting = time.monotonic() - self._preempted_at < PREEMPTED_SECONDS
        return self.waiting > 0 and (preempting or self.kv_cache_use >= FULL_CACHE)

    def heard(self) -> None:
        self.heard_at = time.monotonic()

    def record(
        self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
    ) -> None:
        self.heard()
        if scheduler_stats is not None:
            self.running = scheduler_stats.num_running_reqs
            self.waiting = scheduler_stats.num_waiting_reqs + scheduler_stats.num_skipped_waiting_reqs
            self.kv_cache_use = scheduler_stats.kv_cache_usage
        if iteration_stats is not None and iteration_stats.num_preempted_reqs:
            self._preempted_at = time.monotonic()

    def log_engine_initialized(self) -> None:
        self.heard()

    def log(self) -> None:
        return None

    def record_sleep_state(self, is_awake: int, level: int) -> None:
        return None
