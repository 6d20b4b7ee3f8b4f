"""Values: closed everywhere, the same as the program's own, and refused where they can't work together."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest

from services.core.settings import Settings
from tests.chart.rendering import (
    CASES,
    CHART,
    EVERYTHING,
    LEAST,
    ROOT,
    chart,
    environment,
    merged,
    parsed,
    pods,
    render,
)

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Objects whose keys are anybody's: labels, annotations, engines by their names, vLLM's own arguments, Helm's globals.
FREE = {"nodeSelector", "podLabels", "podAnnotations", "annotations", "grpcAnnotations", "labels", "namespaceLabels", "engines",
        "extra", "global"}  # fmt: skip
COMPONENT = {"image", "resources", "nodeSelector", "tolerations", "topologySpread", "priorityClass", "runtimeClass", "podLabels",
             "podAnnotations", "extraEnv", "serviceAccount", "readOnlyRootFilesystem"}  # fmt: skip


def _values(values: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all objects."""
    if isinstance(values, dict):
        yield place
        for key, value in values.items():
            yield from _values(value, (*place, key))
    elif isinstance(values, list):
        for number, value in enumerate(values):
            yield from _values(value, (*place, number))


def _at(values: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        values = values[key]
    return values


def test_making_the_schema_again_changes_nothing() -> None:
    code = "import values_schema as v, sys; sys.stdout.write(v.schema())"
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "helm", capture_output=True, text=True, check=True
    ).stdout
    assert made == (CHART / "values.schema.json").read_text(), "run: python helm/values_schema.py"


def test_every_object_of_the_schema_is_closed() -> None:
    def check(schema: Any) -> None:
        if isinstance(schema, dict):
            if "properties" in schema and schema.get("type") == "object":
                assert schema.get("additionalProperties") is False, schema.get("title")
            for each in schema.values():
                check(each)
        elif isinstance(schema, list):
            for each in schema:
                check(each)

    check(SCHEMA)


@pytest.mark.parametrize("case", CASES)
def test_a_misspelt_key_is_refused_in_every_object(case: str) -> None:
    """All at once: Helm names every place."""
    wrong = copy.deepcopy(merged(CASES[case]))
    places = [place for place in _values(wrong) if not place or place[-1] not in FREE or place == ("engines",)]
    for place in places:
        _at(wrong, place)["mispelt"] = "x"
    with pytest.raises(helm_python.HelmValuesError) as caught:
        chart().validate_schema(wrong)
    told = set(re.findall(r"at '([^']*)': additional properties 'mispelt' not allowed", str(caught.value)))
    assert {"".join(f"/{key}" for key in place) for place in places} <= told
    assert len(places) > 60


def test_components_have_the_same_keys() -> None:
    values = merged(LEAST)
    for component in (
        values["front"],
        values["migrate"],
        values["load"],
        values["engines"]["head"],
        values["engines"]["worker"],
    ):
        assert component.keys() >= COMPONENT


def test_settings_are_those_of_the_program_both_ways() -> None:
    sys.path.insert(0, str(ROOT / "helm"))
    try:
        from values_schema import OWNED
    finally:
        sys.path.remove(str(ROOT / "helm"))
    known = set(SCHEMA["$defs"]["Settings"]["properties"])
    assert known == Settings.model_fields.keys() - OWNED
    assert not known & OWNED
    given = {name for _, pod in pods("everything") for c in pod["spec"]["containers"] for name in _names(c)}
    program = {f"ARCUS_{name.upper()}" for name in Settings.model_fields} | {"ARCUS_METRICS_HOST", "ARCUS_METRICS_PORT"}
    assert {name for name in given if name.startswith("ARCUS_")} <= program


def _names(container: dict[str, Any]) -> set[str]:
    return {each["name"] for each in container.get("env", ())}


def test_settings_reach_fronts_and_engines_as_they_were_written() -> None:
    for name, pod in pods("everything"):
        if name.startswith(("Deployment", "head", "group")):
            given = environment(pod["spec"]["containers"][0])
            assert given["ARCUS_MAX_UPLOAD_BYTES"] == "4294967296", "not 4.294967296e+09"
            assert given["ARCUS_LEASE_SECONDS"] == "15" and given["ARCUS_OBJECTS_URL"] == "s3://arcus"
            Settings(
                **{key[6:].lower(): value for key, value in given.items() if key[6:].lower() in Settings.model_fields}
            )


GATEWAY = {"enabled": True, "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": ""}]}
WAYS_IN: dict[str, tuple[dict[str, Any], str | None]] = {
    "none": ({}, None),
    "gateway": ({"gateway": {**GATEWAY, "hostnames": ["a.example.com", "b.example.com"]}}, "https://a.example.com"),
    "any host": ({"gateway": {**GATEWAY, "hostnames": ["*.example.com"]}}, None),
    "ingress": ({"ingress": {"enabled": True, "host": "a.example.com"}}, "http://a.example.com"),
    "secure ingress": (
        {"ingress": {"enabled": True, "host": "a.example.com", "tlsSecret": "a"}},
        "https://a.example.com",
    ),
    "said": (
        {"settings": {"public_url": "https://c"}, "gateway": {**GATEWAY, "hostnames": ["a.example.com"]}},
        "https://c",
    ),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_links_begin_with_where_clients_come_in(way: str) -> None:
    values, url = WAYS_IN[way]
    values = {**LEAST, **values, "settings": {**LEAST["settings"], **values.get("settings", {})}}
    (front,) = [each for each in parsed(render(values)) if each["kind"] == "Deployment"]
    assert environment(front["spec"]["template"]["spec"]["containers"][0]).get("ARCUS_PUBLIC_URL") == url


@pytest.mark.parametrize("name", ["replicaCount", "image", "env", "postgresql"])
def test_values_that_other_charts_have_say_what_to_write_instead(name: str) -> None:
    with pytest.raises(
        helm_python.HelmError, match=rf"{name} is no value of this chart.\nBefore:\n{name}: 3\nAfter:\n"
    ):
        render({**LEAST, name: 3})


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no bucket": ({"settings": {"objects_url": ""}}, "settings.objects_url"),
    "no database": ({"secrets": {"database": {"name": ""}}}, "secrets.database.name"),
    "no token": ({"secrets": {"rayToken": ""}}, "secrets.rayToken"),
    "front killed while it drains": ({"front": {"drain": {"graceSeconds": 30}}}, "front.drain.graceSeconds: 30"),
    "short graceful": ({"engines": {"drain": {"gracefulSeconds": 599}}}, "engines.drain.gracefulSeconds: 599"),
    "short drain": ({"engines": {"drain": {"rayDrainSeconds": 630}}}, "engines.drain.rayDrainSeconds: 630"),
    "short grace": ({"engines": {"drain": {"graceSeconds": 675}}}, "engines.drain.graceSeconds: 675"),
    "hard stop": ({"engines": {"drain": {"hardStopSeconds": 120}}}, "engines.drain.hardStopSeconds: 120"),
    "deletion": ({"engines": {"drain": {"deletionDelaySeconds": 60}}}, "engines.drain.deletionDelaySeconds: 60"),
    "scaling": (
        {"front": {"autoscaling": {"enabled": True, "minReplicas": 20}}},
        "minReplicas is more than maxReplicas",
    ),
    "a gateway without parents": ({"gateway": {"enabled": True}}, "gateway.parentRefs"),
    "an ingress without host": ({"ingress": {"enabled": True}}, "ingress.host"),
    "no engines": ({"engines": {"enabled": False}}, "engines.address"),
    "two places of engines": ({"engines": {"address": "elsewhere:9000"}}, "engines.address"),
    "no Redis": ({"engines": {"faultTolerance": {"enabled": True}}}, "engines.faultTolerance"),
    "an engine that is not there": ({"engines": {"config": {"roles": {"embed": "mine"}}}}, "no engine is named mine"),
    "vLLM without GPUs": (
        {"engines": {"config": {"engines": {"e": {"kind": "vllm", "model": "m"}}, "roles": {"describe": "e"}}}},
        "no group has limits of nvidia.com/gpu",
    ),
    "replicas": (
        {"engines": {"workerGroups": [{"name": "a", "replicas": 5, "minReplicas": 1, "maxReplicas": 4}]}},
        "minReplicas <= replicas <= maxReplicas",
    ),
    "a peer of two kinds": (
        {"networkPolicy": {"objects": {"to": [{"cidr": "10.0.0.0/8", "podLabels": {"a": "b"}}]}}},
        "a peer has a cidr, or labels",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_values_that_contradict_each_other_are_refused_with_what_to_change(name: str) -> None:
    values, message = CONTRADICTIONS[name]
    values = {**LEAST, **values, "settings": {**LEAST["settings"], **values.get("settings", {})}}
    with pytest.raises(helm_python.HelmError, match=message.replace(".", r"\.")):
        render(values)


def test_engines_elsewhere_are_asked_and_none_are_made() -> None:
    values = {**LEAST, "engines": {"enabled": False, "address": "elsewhere:9000"}}
    made = parsed(render(values))
    assert not [each for each in made if each["kind"] == "RayService"]
    (front,) = [each for each in made if each["kind"] == "Deployment"]
    assert environment(front["spec"]["template"]["spec"]["containers"][0])["ARCUS_ENGINE_ADDRESS"] == "elsewhere:9000"


@pytest.mark.parametrize(("case", "is_rotating"), [("everything", True), ("least", False)])
def test_whoever_has_a_secret_has_the_other_one_too_while_they_are_rotated(case: str, is_rotating: bool) -> None:
    having = {"ENGINE": 0, "LINK": 0}
    for _, pod in pods(case):
        for container in pod["spec"]["containers"]:
            names = {each["name"] for each in container.get("env", [])}
            for kind in having.keys() & {name[6:-7] for name in names if name.endswith("_SECRET")}:
                having[kind] += 1
                assert (f"ARCUS_{kind}_OTHER_SECRET" in names) == is_rotating
    assert having["ENGINE"] > having["LINK"] == 1


def test_secrets_are_named_and_never_made() -> None:
    for case in CASES:
        for text in render(CASES[case]).values():
            assert "kind: Secret\n" not in text
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))
    assert "rand" not in templates and "genCA" not in templates and "lookup" not in templates


def test_a_change_of_engines_makes_new_pods_and_one_of_the_chart_does_not() -> None:
    before = dict(pods("least"))
    assert before["head"]["metadata"]["annotations"]["checksum/engines"]
    assert "helm.sh/chart" not in before["head"]["metadata"]["labels"]
    assert dict(pods("everything"))["head"]["metadata"]["annotations"] != before["head"]["metadata"]["annotations"]
    assert (
        EVERYTHING["front"]["podAnnotations"].items()
        <= dict(pods("everything"))["Deployment arcus-front"]["metadata"]["annotations"].items()
    )
