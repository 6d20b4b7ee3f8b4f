"""Metrics: exact at the objectives, and of a bounded number of series whatever comes."""

from __future__ import annotations

import random

import pytest
from prometheus_client import CollectorRegistry

from services.core.errors import ArcusError, Reason
from services.telemetry import objectives
from services.telemetry.metrics import REQUESTS, AnswerMeter, Metrics
from services.telemetry.tenants import OTHER, TenantCounters


def samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_ten_thousand_tenants_add_no_series_beyond_those_that_are_named() -> None:
    metrics = Metrics(tenants=20)
    for number in range(100):
        metrics.request("GET /v1/files", "200", 0.1, tenant_id=f"tenant-{number}")
    before = set(samples(metrics.registry))
    for number in range(10_000):
        metrics.request("GET /v1/files", "200", 0.1, tenant_id=f"tenant-{number}")
    after = samples(metrics.registry)
    named = [labels for name, labels in after if name == f"{REQUESTS}_total"]
    assert len(named) == 21 and len(after) == len(before)
    assert sum(value for (name, _), value in after.items() if name == f"{REQUESTS}_total") == 10_100


def test_the_tenants_with_most_requests_are_named_and_no_series_falls() -> None:
    counters = TenantCounters(2, {REQUESTS: "Requests."}, registry := CollectorRegistry())
    chosen = random.Random(7)
    weights = {"busy": 60, "second": 30} | {f"small-{number}": 1 for number in range(200)}
    last: dict[str, float] = {}
    for number, tenant in enumerate(chosen.choices(list(weights), list(weights.values()), k=5000)):
        counters.add(tenant, REQUESTS)
        if number % 100:
            continue
        now = {dict(labels)["tenant"]: value for (_, labels), value in samples(registry).items()}
        assert all(value >= last[name] for name, value in now.items() if name in last), "a counter fell"
        last = now
    assert set(last) == {"busy", "second", OTHER}
    assert last["busy"] > last["second"] > 500


def test_no_tenant_is_named_where_none_may_be() -> None:
    counters = TenantCounters(0, {REQUESTS: "Requests."}, registry := CollectorRegistry())
    counters.add("one", REQUESTS)
    assert samples(registry) == {(f"{REQUESTS}_total", (("tenant", OTHER),)): 1.0}


@pytest.mark.parametrize(
    ("objective", "buckets"),
    [
        (objectives.FIRST_TOKEN_SECONDS, objectives.FIRST_TOKEN_BUCKETS),
        (objectives.TOKEN_INTERVAL_SECONDS, objectives.TOKEN_INTERVAL_BUCKETS),
        (objectives.SEARCH_SECONDS, objectives.SEARCH_BUCKETS),
        (objectives.LOOP_LAG_SECONDS, objectives.LOOP_LAG_BUCKETS),
    ],
)
def test_a_bucket_ends_at_each_objective(objective: float, buckets: tuple[float, ...]) -> None:
    assert objective in buckets and list(buckets) == sorted(set(buckets))


def test_intervals_are_counted_by_tokens_in_the_bucket_that_holds_them() -> None:
    metrics = Metrics()
    metrics.token_intervals.add(0.3, 3)  # 0.1 s each: the objective, which is still good
    metrics.token_intervals.add(0.11, 1)
    metrics.token_intervals.add(60.0, 1)
    name = "arcus_output_token_interval_seconds"
    found = {dict(labels).get("le"): value for (of, labels), value in samples(metrics.registry).items() if name in of}
    assert (found["0.05"], found["0.1"], found["0.2"], found["5.0"], found["+Inf"]) == (0, 3, 4, 4, 5)
    assert samples(metrics.registry)[f"{name}_sum", ()] == pytest.approx(60.41)


def test_an_answer_counts_once_however_often_it_ends() -> None:
    metrics = Metrics()
    meter = AnswerMeter(metrics, "tenant", "nimbus-001", 0.0)
    meter.told(2)
    meter.told(1)
    meter.ended("completed")
    meter.ended("failed")
    found = samples(metrics.registry)
    assert found["arcus_answers_total", (("model", "nimbus-001"), ("status", "completed"))] == 1
    assert ("arcus_answers_total", (("model", "nimbus-001"), ("status", "failed"))) not in found
    assert found["arcus_output_tokens_total", (("model", "nimbus-001"),)] == 3
    assert found["arcus_output_token_interval_seconds_count", ()] == 1


def test_a_call_of_an_engine_is_counted_by_how_it_failed() -> None:
    metrics = Metrics()
    for error in (None, ArcusError(Reason.ENGINE_UNAVAILABLE), KeyError("x")):
        try:
            with metrics.engine_call("embed", "Embed"):
                if error is not None:
                    raise error
        except (ArcusError, KeyError):
            pass
    found = {
        dict(labels)["code"]: value
        for (name, labels), value in samples(metrics.registry).items()
        if name == "arcus_engine_requests_total"
    }
    assert found == {"OK": 1, "UNAVAILABLE": 1, "UNKNOWN": 1}
