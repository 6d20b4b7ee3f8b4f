"""What is rendered is valid by the schemas of Kubernetes, the definitions of others with their rules, and Helm's lint."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.chart.copies import copied
from tests.chart.definitions import broken_rules, of_others, problems, rules
from tests.chart.rendering import CASES, CHART, EVERYTHING, FILES, ROOT, objects, pods, render

VERSIONS = ("1.34.0", "1.35.0", "1.36.0", "1.37.0")
OWN = sorted((ROOT / "k8s").glob("*.yaml"))  # what a chart must not own


def _custom(case: str) -> list[dict[str, Any]]:
    return [each for each in objects(case) if (each["apiVersion"], each["kind"]) in of_others()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_a_cluster_knows_every_field(case: str, version: str) -> None:
    for made in objects(case):
        assert problems(made, version) == [], made["kind"]


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("Deployment", ("spec", "template", "spec", "containers", 0)),
        ("NetworkPolicy", ("spec",)),
        ("RayService", ("spec", "rayClusterConfig", "headGroupSpec")),
        ("HTTPRoute", ("spec", "rules", 0)),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0)),
    ],
)
def test_a_field_that_a_cluster_would_drop_is_seen(kind: str, place: tuple[Any, ...]) -> None:
    wrong = copy.deepcopy(objects("everything", kind)[0])
    inner = wrong
    for key in place:
        inner = inner[key]
    inner["mispelt"] = {}
    (problem,) = problems(wrong, VERSIONS[-1])
    assert "mispelt" in problem


def test_everything_has_every_kind_of_others() -> None:
    assert {(each["apiVersion"], each["kind"]) for each in _custom("everything")} == of_others().keys()


@pytest.mark.parametrize("case", CASES)
def test_the_rules_of_the_definitions_hold(case: str) -> None:
    for made in _custom(case):
        assert broken_rules(made) == [], made["kind"]


def test_a_rule_that_is_broken_is_seen() -> None:
    route = copy.deepcopy(objects("everything", "HTTPRoute")[0])
    assert len(rules(route)) >= 5 and broken_rules(route) == []
    route["spec"]["rules"][0]["timeouts"] = {"request": "1s", "backendRequest": "2s"}
    assert any("backendRequest" in rule for rule in broken_rules(route))


@pytest.mark.parametrize("case", CASES)
def test_helm_finds_nothing_to_say(case: str) -> None:
    told = helm_python.lint(str(CHART), CASES[case], strict=True, kube_version="v1.34.0")
    assert told["errors"] == []
    assert [each for each in told["messages"] if each["severity"] > 1] == []


@pytest.mark.parametrize("case", CASES)
def test_names_and_selectors_belong_together(case: str) -> None:
    labels = [pod["metadata"]["labels"] for _, pod in pods(case)]
    for service in objects(case, "Service"):
        assert any(service["spec"]["selector"].items() <= each.items() for each in labels), service["metadata"]["name"]
    for budget in objects(case, "PodDisruptionBudget"):
        assert any(budget["spec"]["selector"]["matchLabels"].items() <= each.items() for each in labels)
    names = [(each["kind"], each["metadata"]["name"]) for each in objects(case)]
    assert len(names) == len(set(names))


def test_a_budget_is_made_only_where_one_pod_may_go() -> None:
    assert not objects("laptop", "PodDisruptionBudget")
    made = {each["metadata"]["name"] for each in objects("least", "PodDisruptionBudget")}
    assert made == {"arcus-front", "arcus-engines"}


def test_rules_and_dashboards_are_those_of_the_files() -> None:
    (rule,) = objects("everything", "PrometheusRule")
    files = [yaml.safe_load(path.read_text()) for path in sorted((CHART / "rules").glob("*.yaml"))]
    assert rule["spec"]["groups"] == [group for file in files for group in file["groups"]]
    boards = {key for each in objects("everything", "ConfigMap") for key in each["data"] if key.endswith(".json")}
    assert boards == {path.name for path in (CHART / "dashboards").glob("*.json")}


@pytest.mark.parametrize("name", FILES)
def test_the_copy_in_k8s_is_what_the_chart_makes(name: str) -> None:
    kept = (ROOT / "k8s" / "rendered" / f"{name}.yaml").read_text()
    assert kept == copied(name), "run: python -m tests.chart.copies"


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_what_the_chart_does_not_own_is_valid_too(path: Path) -> None:
    for made in yaml.safe_load_all(path.read_text()):
        for version in VERSIONS:
            assert problems(made, version) == []
        if made["kind"] == "StatefulSet":
            spec = made["spec"]["template"]["spec"]
            assert spec["securityContext"]["runAsNonRoot"] and spec["automountServiceAccountToken"] is False
            assert all(each["securityContext"]["capabilities"] == {"drop": ["ALL"]} for each in spec["containers"])


@pytest.mark.parametrize("case", FILES)
def test_what_values_name_is_made_by_the_examples(case: str) -> None:
    made = {(each["kind"], each["metadata"]["name"]) for path in OWN for each in yaml.safe_load_all(path.read_text())}
    for _, pod in pods(case):
        named = pod["spec"].get("priorityClassName")
        assert named is None or ("PriorityClass", named) in made
        for volume in pod["spec"]["volumes"]:
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            assert claim is None or ("PersistentVolumeClaim", claim) in made


def test_the_migration_of_an_upgrade_is_a_job_of_its_own() -> None:
    assert "arcus-migrate-7" in render(EVERYTHING, is_upgrade=True, revision=7)["arcus/templates/migrate-job.yaml"]
