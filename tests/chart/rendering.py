"""The chart as Helm renders it, offline, and the values files that come with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "arcus"
FILES = {path.stem: path for path in sorted((ROOT / "helm" / "values").glob("*.yaml"))}
Object = dict[str, Any]
# What no values file has, so that every template and every kind of value is rendered.
EVERYTHING: Object = {
    "imagePullSecrets": ["pull"],
    "settings": {
        "objects_url": "s3://arcus",
        "max_upload_bytes": 4294967296,
        "lease_seconds": 15.0,
        "index_shards": 3,
        "otlp_endpoint": "http://collector.traces:4317",
    },
    "secrets": {
        "redis": {"name": "redis"},
        "models": "models",
        "engineOther": {"name": "engine-other"},
        "linksOther": {"name": "links-other"},
    },
    "front": {
        "image": {"digest": "sha256:" + "0" * 64},
        "autoscaling": {"enabled": True},
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
        "topologySpread": [{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClass": "arcus-front",
        "runtimeClass": "gvisor",
        "extraEnv": [
            {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
        ],
        "podLabels": {"team": "video"},
        "podAnnotations": {"note": "one"},
    },
    "load": {"enabled": True, "scenario": (ROOT / "loadtests/scenarios/answers.yaml").read_text()},
    "engines": {
        "faultTolerance": {"enabled": True, "address": "redis://redis:6379"},
        "workerGroups": [
            {
                "name": "cpu",
                "replicas": 1,
                "minReplicas": 1,
                "maxReplicas": 4,
                "tolerations": [{"key": "a"}],
                "resources": {"limits": {"nvidia.com/gpu": "1"}},
                "modelCache": {"claim": "models", "readOnly": True},
            }
        ],
        "config": {
            "engines": {
                "pictures": {"kind": "image_text", "folder": "/models/clip", "tags": ["dog"], "tag_threshold": 0.25},
                "eyes": {"kind": "vllm", "model": "a/b", "gpus": 1, "extra": {"seed": 1}},
                "words": {"kind": "openai", "base_url": "http://words/v1", "model": "w"},
                "mine": {"kind": "embedded", "embedder": "all-MiniLM-L6-v2"},
                "scripted": {"kind": "scripted"},
            },
            "roles": {
                "describe": "eyes",
                "embed": "mine",
                "nimbus-001": "scripted",
                "nimbus-002-preview": "words",
                "see": "pictures",
            },
        },
    },
    "gateway": {
        "enabled": True,
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
        "hostnames": ["arcus.example.com"],
        "grpcHostnames": ["grpc.example.com"],
    },
    "ingress": {"enabled": True, "host": "a.example.com", "grpcHost": "g.example.com", "tlsSecret": "tls"},
    "networkPolicy": {
        "clients": [{"namespaceLabels": {"kubernetes.io/metadata.name": "gateways"}, "podLabels": {}}],
        "modelsEnabled": True,
        "database": {"to": [{"cidr": "10.0.0.5/32"}]},
        "objects": {"to": [{"namespaceLabels": {"name": "objects"}, "podLabels": {"app": "minio"}}]},
        "traces": {"to": [{"namespaceLabels": {"name": "traces"}, "podLabels": {"app": "collector"}}]},
    },
    "monitoring": {"monitors": {"enabled": True}, "rules": {"enabled": True}, "dashboards": {"enabled": True}},
}
LEAST: Object = {"settings": {"objects_url": "s3://arcus"}}
CASES: dict[str, Object] = {
    "least": LEAST,
    "everything": EVERYTHING,
    **{name: yaml.safe_load(path.read_text()) for name, path in FILES.items()},
}


@cache
def chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def render(values: Object, **options: Any) -> dict[str, str]:
    """Text by template. Raises what `helm install` would fail with."""
    chart().validate_schema(merged(values))
    return chart().render(values, name="arcus", namespace="arcus", is_install=True, **options)


def merged(values: Object) -> Object:
    return chart().merge_values(values)


def parsed(rendered: Mapping[str, str]) -> list[Object]:
    """The objects of all templates; NOTES.txt is for people."""
    return [
        each
        for template, text in rendered.items()
        if template.endswith(".yaml")
        for each in yaml.safe_load_all(text)
        if each
    ]


@cache
def _objects(case: str) -> list[Object]:
    return parsed(render(CASES[case]))


def objects(case: str, *kinds: str) -> list[Object]:
    return [each for each in _objects(case) if not kinds or each["kind"] in kinds]


def pods(case: str) -> Iterator[tuple[str, Object]]:
    """Every pod template, with the metadata and spec of its pods, by a name that says which it is."""
    for made in objects(case):
        kind, name = made["kind"], made["metadata"]["name"]
        if kind in ("Deployment", "Job"):
            yield f"{kind} {name}", made["spec"]["template"]
        elif kind == "Pod":
            yield f"{kind} {name}", made
        elif kind == "RayService":
            cluster = made["spec"]["rayClusterConfig"]
            yield "head", cluster["headGroupSpec"]["template"]
            for group in cluster["workerGroupSpecs"]:
                yield f"group {group['groupName']}", group["template"]


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def size_bytes(quantity: str) -> int:
    """Of a quantity in Mi or Gi, as the chart's values have them."""
    return int(quantity[:-2]) * {"Mi": 1024**2, "Gi": 1024**3}[quantity[-2:]]
