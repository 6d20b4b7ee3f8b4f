"""The expressions of the rules and the dashboards, and the names of metrics in them."""

from __future__ import annotations

import json
from typing import Any

import promql_parser
import yaml

from services.cli.instance import ROOT

RULES = ROOT / "helm" / "arcus" / "rules" / "arcus.yaml"
DASHBOARDS = sorted((ROOT / "helm" / "arcus" / "dashboards").glob("*.json"))
# What Grafana puts in.
VARIABLES = {"$__rate_interval": "1m"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def expressions() -> dict[str, str]:
    """By where each stands."""
    found = {f"{rule.get('alert') or rule['record']} #{number}": rule["expr"] for number, rule in enumerate(rules())}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                found[f"{path.name}: {panel['title']} {target['refId']}"] = with_values(target["expr"])
    return found


def with_values(expression: str) -> str:
    """With what Grafana would put in for its variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def names(expression: str) -> set[str]:
    """Of the metrics in it. Raises ValueError where it is none."""
    found: set[str] = set()
    waiting: list[Any] = [promql_parser.parse(expression)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            found.add(node.name)
        for part in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
            inner = getattr(node, part, None)
            if inner is not None and not isinstance(inner, str | float | int):
                waiting.append(inner)
        waiting += getattr(node, "args", None) or []
    return found
