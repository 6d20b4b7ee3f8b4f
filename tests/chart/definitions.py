"""What a cluster knows: the schemas of Kubernetes by version, and the definitions of others with their rules. All are closed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cel
import jsonschema
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

CRDS = Path(__file__).parent / "crds"
# Rules by functions of the API server, which no library for Python has.
ONLY_THERE = ("isURL", "quantity(", "oldSelf", "isQuantity")
Object = dict[str, Any]


@cache
def _kubernetes(version: str) -> tuple[str, Registry]:
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    definitions = Resource.from_contents(schema_contents(f"{folder}/_definitions.json", version))
    return folder, definitions @ Registry()


@cache
def _kind(version: str, api_version: str, kind: str) -> jsonschema.Draft202012Validator:
    folder, registry = _kubernetes(version)
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = schema_contents(f"{folder}/{kind.lower()}-{name}.json", version)
    return jsonschema.Draft202012Validator(schema, registry=Resource.from_contents(schema) @ registry)


@cache
def of_others() -> dict[tuple[str, str], Object]:
    found = {}
    for path in CRDS.glob("*.json"):
        made = json.loads(path.read_text())
        _close(made["schema"])
        made["schema"]["properties"]["metadata"] = {"type": "object"}
        found[made["apiVersion"], made["kind"]] = made["schema"]
    return found


def _close(schema: Any) -> None:
    """A field that a definition does not know is dropped by the API server without a word."""
    if isinstance(schema, dict):
        is_open = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
        if schema.get("type") == "object" and "properties" in schema and not is_open:
            schema["additionalProperties"] = False
        if schema.get("x-kubernetes-int-or-string"):
            schema.pop("type", None)
        for each in schema.values():
            _close(each)
    elif isinstance(schema, list):
        for each in schema:
            _close(each)


def problems(made: Object, version: str) -> list[str]:
    """What a cluster of this version (as 1.36.0) would not take, or would drop."""
    schema = of_others().get((made["apiVersion"], made["kind"]))
    if schema is not None:
        validator = jsonschema.Draft202012Validator(schema)
    else:
        validator = _kind(version, made["apiVersion"], made["kind"])
    return [f"{each.json_path}: {each.message[:300]}" for each in validator.iter_errors(made)]


def _resolved(schema: Object, root: Object) -> Object:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _with_defaults(schema: Object, value: Any, root: Object) -> Any:
    """As the API server completes an object before it looks at rules."""
    schema = _resolved(schema, root)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        given = {name: _resolved(each, root)["default"] for name, each in properties.items() if "default" in each}
        extra = schema.get("additionalProperties")
        below = {**given, **value}
        return {
            name: _with_defaults(properties.get(name) or (extra if isinstance(extra, dict) else {}), each, root)
            for name, each in below.items()
        }
    if isinstance(value, list):
        return [_with_defaults(schema.get("items", {}), each, root) for each in value]
    return value


def _ruled(schema: Object, value: Any, root: Object) -> Iterator[tuple[str, Any]]:
    schema = _resolved(schema, root)
    for rule in schema.get("x-kubernetes-validations", ()):
        if not any(word in rule["rule"] for word in ONLY_THERE):
            yield rule["rule"], value
    if isinstance(value, dict):
        for key, inner in value.items():
            below = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
            if isinstance(below, dict):
                yield from _ruled(below, inner, root)
    elif isinstance(value, list):
        for inner in value:
            yield from _ruled(schema.get("items", {}), inner, root)


def rules(made: Object) -> list[tuple[str, Any]]:
    """The rules of an object's definition, each with the value that it is about."""
    schema = of_others()[made["apiVersion"], made["kind"]]
    return list(_ruled(schema, _with_defaults(schema, made, schema), schema))


def broken_rules(made: Object) -> list[str]:
    return [rule for rule, value in rules(made) if cel.evaluate(rule, {"self": value}) is not True]
