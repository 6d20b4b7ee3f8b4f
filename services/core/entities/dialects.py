"""Schemas as other SDKs write them (Gemini, OpenAPI 3.0, older drafts), in the words of JSON Schema 2020-12."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TYPES = {"OBJECT", "ARRAY", "STRING", "INTEGER", "NUMBER", "BOOLEAN", "NULL"}
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_ONE = ("items", "additionalProperties", "additionalItems", "propertyNames")  # holds a schema
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")  # holds an array of schemas
_NAMED = ("properties", "$defs", "definitions")  # holds schemas by name


def plain(schema: Any) -> Any:
    """The same schema without what 2020-12 does not know. What is malformed is left to be refused by its place."""
    if not isinstance(schema, dict):
        return schema
    made = {name: _part(name, value) for name, value in schema.items()}
    _name_types(made)
    _bound(made)
    _order_items(made)
    _name_properties(made)
    if made.get("format") == "enum":  # Gemini says twice that a string has choices
        del made["format"]
    return _or_null(made) if made.pop("nullable", False) is True else made


def _part(name: str, value: Any) -> Any:
    if name in _MANY or (name == "items" and isinstance(value, list)):
        return [plain(item) for item in value] if isinstance(value, list) else value
    if name in _NAMED:
        return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value
    return plain(value) if name in _ONE else value


def _name_types(schema: Json) -> None:
    """STRING is string; a protobuf's JSON has counts as text."""
    given = schema.get("type")
    if isinstance(given, str) and given in _TYPES:
        schema["type"] = given.lower()
    for name in _COUNTS:
        if isinstance(schema.get(name), str) and schema[name].isdecimal() and len(schema[name]) < 10:
            schema[name] = int(schema[name])


def _bound(schema: Json) -> None:
    """Draft 4 and OpenAPI 3.0 have a flag beside the bound."""
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(flag), bool):
            if schema.pop(flag) and bound in schema:
                schema[flag] = schema.pop(bound)


def _order_items(schema: Json) -> None:
    """Before 2020-12, a tuple was an array of items."""
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        if "additionalItems" in schema:
            schema["items"] = schema["additionalItems"]
    schema.pop("additionalItems", None)


def _name_properties(schema: Json) -> None:
    """A map whose keys are listed is an object with these properties."""
    names, value = schema.get("propertyNames"), schema.get("additionalProperties")
    choices = names.get("enum") if isinstance(names, dict) else None
    if isinstance(choices, list) and isinstance(value, dict) and all(isinstance(item, str) for item in choices):
        del schema["propertyNames"]
        schema["properties"] = {name: value for name in choices} | schema.get("properties", {})
        schema["additionalProperties"] = False


def _or_null(schema: Json) -> Json:
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]} if schema.keys() - {"description"} else schema
    choices = {"enum": [*schema["enum"], None]} if isinstance(schema.get("enum"), list) else {}
    return {**schema, "type": [kind, "null"], **choices}
