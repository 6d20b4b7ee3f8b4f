"""What vLLM's scheduler says of its load, and when that means that its memory is full."""

from __future__ import annotations

from types import SimpleNamespace

from ray_jobs.engines.vllm.load import EngineLoad


def told(waiting: int, use: float, preempted: int = 0) -> EngineLoad:
    load = EngineLoad()
    stats = SimpleNamespace(
        num_running_reqs=2, num_waiting_reqs=waiting, num_skipped_waiting_reqs=0, kv_cache_usage=use
    )
    load.record(stats, SimpleNamespace(num_preempted_reqs=preempted))
    return load


def test_memory_is_full_where_requests_wait_for_it() -> None:
    assert told(1, 0.99).memory_is_full
    assert told(1, 0.5, preempted=1).memory_is_full, "one was thrown out a moment ago"
    assert not told(0, 0.99).memory_is_full, "what runs has room"
    assert not told(5, 0.5).memory_is_full, "they wait for a place"


def test_it_is_heard_from_with_every_step() -> None:
    load = EngineLoad()
    load.heard_at = 0.0
    load.record(None, None)
    assert load.heard_at > 0
