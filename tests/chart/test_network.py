"""The policies, as a graph: exactly the flows that are listed here are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.rendering import CASES, objects, pods, render

EVERYWHERE = range(1, 65536)
LOOKED_AT = (
    53, 80, 443, 5432, 6379, 8000, 8080, 8265, 8404, 9000, 9101, 9464, 10001, 20000, 20255, 20256, 30000, 40000, 50051, 52365
)  # fmt: skip
NODES = set(LOOKED_AT) - {8404}  # HAProxy's statistics
OUTSIDE = {
    "operator": {"app.kubernetes.io/name": "kuberay-operator"},
    "prometheus": {"app.kubernetes.io/name": "prometheus"},
    "dns": {"k8s-app": "kube-dns"},
    "stranger": {"app": "anything"},
}
NAMESPACES = {"dns": {"kubernetes.io/metadata.name": "kube-system"}}
FLOWS: dict[tuple[str, str], set[int]] = {
    ("stranger", "front"): {8080, 50051},
    ("operator", "front"): {8080, 50051},
    ("dns", "front"): {8080, 50051},
    ("prometheus", "front"): {8080, 50051, 9464},
    ("test", "front"): {8080},
    ("front", "engines-worker"): {9000, 20000, 20255},
    ("engines-head", "engines-head"): NODES,
    ("engines-head", "engines-worker"): NODES,
    ("engines-worker", "engines-head"): NODES,
    ("engines-worker", "engines-worker"): NODES,
    ("operator", "engines-head"): {8265, 52365},
    ("prometheus", "engines-head"): {8080, 9101},
    ("prometheus", "engines-worker"): {8080, 9101},
    **{(pod, "dns"): {53} for pod in ("front", "migrate", "test", "engines-head", "engines-worker")},
}
# Destinations that are not named are anywhere, on these ports.
ANYWHERE = {
    "front": {5432, 443},
    "migrate": {5432},
    "test": set(),
    "load": set(),
    "engines-worker": {5432, 443},
    "engines-head": {5432, 443},
}


def _ours(case: str) -> dict[str, dict[str, str]]:
    return {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["metadata"]["labels"] for _, pod in pods(case)
    }


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for each in selector.get("matchExpressions", ()):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def _is_peer(peer: dict[str, Any], name: str, labels: dict[str, str], ours: bool) -> bool:
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], NAMESPACES.get(name, {})):
            return False
    elif not ours:
        return False
    return _selects(peer.get("podSelector", {}), labels)


def _ports(rule: dict[str, Any]) -> Iterator[range]:
    for port in rule.get("ports", ()):
        yield range(port["port"], port.get("endPort", port["port"]) + 1)


def _allowed(
    case: str, direction: str, pod: dict[str, str], other: str, labels: dict[str, str], *, ours: bool
) -> set[int]:
    """Ports on which a pod of ours may be asked by (Ingress), or may ask (Egress), another."""
    found: set[int] = set()
    key = "from" if direction == "Ingress" else "to"
    is_ruled = False
    for policy in objects(case, "NetworkPolicy"):
        spec = policy["spec"]
        if direction not in spec["policyTypes"] or not _selects(spec["podSelector"], pod):
            continue
        is_ruled = True
        for rule in spec.get(direction.lower(), ()):
            if key not in rule or any(_is_peer(peer, other, labels, ours) for peer in rule[key]):
                ranges = list(_ports(rule)) or [EVERYWHERE]
                found |= {port for port in LOOKED_AT if any(port in each for each in ranges)}
    return found if is_ruled else set(LOOKED_AT)


def _flows(case: str) -> dict[tuple[str, str], set[int]]:
    ours = _ours(case)
    everybody = {**ours, **OUTSIDE}
    found = {}
    for source, target in ((a, b) for a in everybody for b in everybody if a in ours or b in ours):
        ports = set(LOOKED_AT)
        if source in ours:
            named = _allowed(case, "Egress", ours[source], target, everybody[target], ours=target in ours)
            ports &= named - (ANYWHERE[source] if target not in ours else set())
        if target in ours:
            ports &= _allowed(case, "Ingress", ours[target], source, everybody[source], ours=source in ours)
        if ports:
            found[source, target] = ports
    return found


def test_exactly_the_listed_flows_are_allowed() -> None:
    assert _flows("least") == FLOWS


def test_who_asks_the_fronts_may_be_named() -> None:
    found = _flows("everything")
    assert ("stranger", "front") not in found and ("dns", "front") not in found
    assert found["prometheus", "front"] == {9464} and found["test", "front"] == {8080}
    assert found["load", "front"] == {8080, 50051}
    assert not [pair for pair in found if pair[0] == "load" and pair[1] not in ("front", "dns")]


@pytest.mark.parametrize(
    "given", [{"engine_direct": False}, {"engine_direct_ports": ""}, {"engine_direct_ports": None}]
)
def test_replicas_are_reached_on_no_port_of_their_own_where_that_is_off(given: dict[str, Any]) -> None:
    made = render({"settings": {"objects_url": "s3://arcus", **given}})["arcus/templates/network-policies.yaml"]
    assert "port: 9000" in made and "endPort: 20255" not in made


@pytest.mark.parametrize("case", CASES)
def test_nobody_reads_the_statistics_of_haproxy(case: str) -> None:
    assert not [pair for pair, ports in _flows(case).items() if 8404 in ports]


@pytest.mark.parametrize("case", CASES)
def test_every_pod_is_under_a_policy_in_both_directions(case: str) -> None:
    (deny,) = [each for each in objects(case, "NetworkPolicy") if each["metadata"]["name"].endswith("-deny")]
    assert set(deny["spec"]["policyTypes"]) == {"Ingress", "Egress"} and "ingress" not in deny["spec"]
    for labels in _ours(case).values():
        assert _selects(deny["spec"]["podSelector"], labels)


def test_ports_go_to_the_destinations_that_are_named() -> None:
    (front,) = [each for each in objects("everything", "NetworkPolicy") if each["metadata"]["name"] == "arcus-front"]
    by_port = {rule["ports"][0]["port"]: rule.get("to") for rule in front["spec"]["egress"]}
    assert by_port[5432] == [{"ipBlock": {"cidr": "10.0.0.5/32"}}]
    assert by_port[443][0]["podSelector"]["matchLabels"] == {"app": "minio"}


@pytest.mark.parametrize("name", ["arcus-front", "arcus-engines"])
def test_traces_go_to_the_collector_where_one_is_set(name: str) -> None:
    def collectors(case: str) -> list[Any]:
        (policy,) = [each for each in objects(case, "NetworkPolicy") if each["metadata"]["name"] == name]
        return [rule["to"] for rule in policy["spec"]["egress"] if rule["ports"] == [{"port": 4317}]]

    ((peer,),) = collectors("everything")
    assert peer["podSelector"]["matchLabels"] == {"app": "collector"}
    assert not collectors("least")


def test_only_engines_that_fetch_models_may() -> None:
    def models(case: str) -> bool:
        (engines,) = [each for each in objects(case, "NetworkPolicy") if each["metadata"]["name"] == "arcus-engines"]
        return len(engines["spec"]["egress"]) > 3

    assert models("one-gpu") and models("bring-your-own") and not models("least")
