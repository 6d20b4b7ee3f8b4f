"""The chart's Job for a load test asks the release as a scenario on a laptop does, and ends with its verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from tests.chart.rendering import Object, parsed, render
from tests.cluster.cluster import VALUES, Cluster

pytestmark = pytest.mark.timeout(900)

SCENARIO: Object = {
    "name": "cluster",
    "seed": 3,
    "arrivals": {"law": "poisson", "per_second": 3},
    "duration_seconds": 15,
    "warmup_seconds": 3,
    "tenants": {"first": 2, "other": 1},
    "journeys": {"answer": 3, "answer_grpc": 2, "resume": 1, "cancel": 1},
    "script": {"model": "nimbus-002-preview", "messages": 20, "interval_seconds": 0.05},
    "objectives": [{"measure": "completed", "at_least": 1.0}],
}


@pytest.mark.parametrize(("first_token_seconds", "verdict", "status"), [(20, "PASS", 0), (0.001, "FAIL", 1)])
def test_a_load_test_of_two_tenants_has_its_verdict(
    cluster: Cluster, first_token_seconds: float, verdict: str, status: int
) -> None:
    objective = {"measure": "first_token_seconds", "percentile": 50, "at_most": first_token_seconds}
    scenario = {**SCENARIO, "objectives": [*SCENARIO["objectives"], objective]}
    objects = parsed(render({**VALUES, "load": {"enabled": True, "scenario": yaml.safe_dump(scenario)}}))
    (job,) = [each for each in objects if each["kind"] == "Job" and "-load-" in each["metadata"]["name"]]
    keys = {"first": cluster.key, "other": cluster.fronts[0].run(["arcus", "keys", "create", "--tenant", "other"])}
    pod = cluster.pod("load", job["spec"]["template"], "load")
    (config,) = [each for each in objects if each["kind"] == "ConfigMap" and each["metadata"]["name"].endswith("-load")]
    pod = replace(
        pod,
        config={config["metadata"]["name"]: config["data"]},
        secrets={**cluster.secrets, "arcus-load": {"keys": json.dumps(keys)}},
    )
    told = pod.run(seconds=300, status=status)
    row = next(line for line in told.splitlines() if line.startswith("| cluster "))
    assert row.split("|")[2].strip() == verdict, told
    (figures,) = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert figures["wrong"] == 0 and figures["journeys"] > 20
