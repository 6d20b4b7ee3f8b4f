"""Schemas as guided decoding takes them: what it knows, and an end to everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAX_STRING, MAX_ITEMS = 400, 50  # where the schema sets no bounds: an answer that never ends is none
GUIDES = {"oneOf": "anyOf"}
CHECKED = ("propertyNames", "minProperties", "maxProperties")


def bounded(schema: dict[str, Any]) -> dict[str, Any]:
    """The guide with an end to every string and list, so that a guided answer has one."""
    made = _guided(schema, bounded)
    kinds = made.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "string" in kinds and not made.keys() & {"enum", "const", "maxLength"}:
        made["maxLength"] = MAX_STRING
    if "array" in kinds and "maxItems" not in made:
        made["maxItems"] = MAX_ITEMS
    return made


def guide(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without what guided decoding does not know: the answer is checked by the whole schema.

    Objects have no properties but those that are named, where some are.
    """
    made = _guided(schema, guide)
    return made | (
        {"additionalProperties": False} if made.get("properties") and "additionalProperties" not in made else {}
    )


def _guided(schema: dict[str, Any], inner: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    return {GUIDES.get(name, name): _part(name, value, inner) for name, value in schema.items() if name not in CHECKED}


def _part(name: str, value: Any, inner: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if name == "properties":
        return {key: inner(item) for key, item in value.items()}
    if name in ("items", "additionalProperties") and isinstance(value, dict):
        return inner(value)
    if name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        return [inner(item) for item in value]
    return value
