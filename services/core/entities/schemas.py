"""JSON Schemas of entities: which are offered, what is wrong with one, and whether a record fits it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker, SchemaError
from jsonschema.exceptions import best_match

from services.core.errors import invalid
from services.core.store.plain_json import check_levels

Kind = Literal["object", "array", "string", "integer", "number", "boolean"]
Json = dict[str, Any]

MAX_SCHEMA_BYTES = 32 * 1024
MAX_DEPTH = 6
MAX_PLACES = 200
MAX_CHOICES = 200
MAX_NAME = 100

KINDS = ("object", "array", "string", "integer", "number", "boolean")
FORMATS = ("date", "date-time", "time", "email", "uri", "phone")
NUMBER_FORMATS = ("int32", "int64", "float", "double")
NOTES = {
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
    *("$schema", "$comment", "$defs", "definitions"),
}
RULES = {
    *("type", "enum", "const", "format", "anyOf", "oneOf", "allOf", "$ref"),
    *("properties", "required", "additionalProperties", "items", "minItems", "maxItems", "uniqueItems"),
    *("minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")


@dataclass(frozen=True)
class Property:
    name: str
    place: Place
    is_required: bool


@dataclass(frozen=True)
class Place:
    """What one place of a record may hold. `schema` is its own part of the schema, with references resolved."""

    kind: Kind
    schema: Json
    is_nullable: bool = False
    description: str = ""
    format: str = ""
    choices: tuple[Any, ...] = ()  # of enum or const, without null
    properties: tuple[Property, ...] = ()
    items: Place | None = None
    max_items: int | None = None

    def fits(self, value: Any) -> bool:
        return _validator(json.dumps(self.schema)).is_valid(value)


def parse_schema(schema: Any, *, field: str = "extract_config.schema") -> Place:
    """Raises INVALID_ARGUMENT that says what is wrong and where."""
    if not isinstance(schema, dict):
        raise invalid(f"{field} must be a JSON Schema: an object of type object with properties", field=field)
    try:
        _check_plain(schema, field)
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        raise invalid(f"{field}{where}: {error.message[:300]}", field=f"{field}{where}") from None
    except RecursionError:
        raise invalid(f"{field} is nested too deeply", field=field) from None
    place = _Reader(schema, field).read(schema, field, depth=1, references=())
    if place.kind != "object" or place.is_nullable:
        raise invalid(f"{field}.type must be object: each file or segment yields one record", field=f"{field}.type")
    return place


def misfit(schema: Json, record: Any) -> str:
    """Where and why a record does not fit a schema that parse_schema accepted; empty when it fits."""
    error = best_match(_validator(json.dumps(schema)).iter_errors(record))
    return "" if error is None else f"{error.json_path}: {error.message[:300]}"


class _Reader:
    def __init__(self, root: Json, field: str) -> None:
        self._root = root
        self._field = field
        self._places = 0

    def read(self, schema: Any, at: str, *, depth: int, references: tuple[str, ...]) -> Place:
        if not isinstance(schema, dict):
            _refuse(at, "must be an object: true and false say nothing of what to look for")
        self._places += 1
        if self._places > MAX_PLACES:
            _refuse(self._field, f"describes more than {MAX_PLACES} places")
        if depth > MAX_DEPTH:
            _refuse(at, f"is nested deeper than {MAX_DEPTH} levels")
        for key in schema:
            if key not in RULES and key not in NOTES and not key.startswith("x-"):
                _refuse(f"{at}.{key}", f"is not offered; a schema may use: {', '.join(sorted(RULES))}")
        if "$ref" in schema:
            return self._referenced(schema, at, depth, references)
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema:
                return self._combined(schema, key, at, depth, references)
        return self._plain(schema, at, depth, references)

    def _referenced(self, schema: Json, at: str, depth: int, references: tuple[str, ...]) -> Place:
        name = schema["$ref"]
        match = re.fullmatch(r"#/(\$defs|definitions)/([^/]+)", name)
        if not match:
            _refuse(f"{at}.$ref", "must lead to this schema's own $defs, as #/$defs/NAME")
        if name in references:
            _refuse(f"{at}.$ref", f"leads back to itself: {name}")
        target = self._root.get(match[1], {}).get(match[2].replace("~1", "/").replace("~0", "~"))
        if target is None:
            _refuse(f"{at}.$ref", f"leads nowhere: {name}")
        if rest := set(schema) & RULES - {"$ref"}:
            _refuse(f"{at}.{min(rest)}", "can't stand beside $ref")
        place = self.read(target, f"{self._field}.{match[1]}.{match[2]}", depth=depth, references=(*references, name))
        return replace(place, description=str(schema.get("description", "")) or place.description)

    def _combined(self, schema: Json, key: str, at: str, depth: int, references: tuple[str, ...]) -> Place:
        if rest := set(schema) & RULES - {key}:
            _refuse(f"{at}.{min(rest)}", f"can't stand beside {key}")
        options = [option for option in schema[key] if not _is_null(option)]
        is_nullable = len(options) < len(schema[key])
        if len(options) > 1 and key != "allOf" and all(_is_number(option) for option in options):
            options = [{"type": "number"}]  # as pydantic writes int | float
        if len(options) != 1 or (key == "allOf" and is_nullable):
            _refuse(f"{at}.{key}", 'is offered for one schema, or for one schema and {"type": "null"}')
        place = self.read(
            options[0],
            f"{at}.{key}[{schema[key].index(options[0]) if options[0] in schema[key] else 0}]",
            depth=depth,
            references=references,
        )
        if is_nullable and not place.is_nullable:
            place = replace(place, is_nullable=True, schema={"anyOf": [place.schema, {"type": "null"}]})
        return replace(place, description=str(schema.get("description", "")) or place.description)

    def _plain(self, schema: Json, at: str, depth: int, references: tuple[str, ...]) -> Place:
        choices = tuple(schema["enum"]) if "enum" in schema else (schema["const"],) if "const" in schema else ()
        kind, is_nullable = _kind(schema, choices, at)
        own = {key: value for key, value in schema.items() if key in RULES - {"properties", "items"}}
        _check_bounds(schema, at)
        place = Place(
            kind,
            own,
            is_nullable,
            description=str(schema.get("description", "")),
            choices=tuple(choice for choice in choices if choice is not None),
        )
        if "enum" in schema or "const" in schema:
            if not place.choices or len(place.choices) > MAX_CHOICES:
                _refuse(f"{at}.enum", f"must hold 1 to {MAX_CHOICES} values")
            if kind not in ("string", "integer", "number"):
                _refuse(f"{at}.enum", "is offered for strings and numbers")
        format = schema.get("format", "")
        if format and format not in (FORMATS if kind == "string" else NUMBER_FORMATS):
            offered = FORMATS if kind == "string" else NUMBER_FORMATS
            _refuse(f"{at}.format", f"{format!r} is not offered; use one of: {', '.join(offered)}")
        if kind == "object":
            return self._object(place, schema, at, depth, references)
        if kind == "array":
            if "items" not in schema:
                _refuse(at, "needs items: what each element of the array is")
            items = self.read(schema["items"], f"{at}.items", depth=depth + 1, references=references)
            expanded = {**own, "items": items.schema}
            return replace(place, items=items, schema=expanded, max_items=schema.get("maxItems"))
        return replace(place, format=format)

    def _object(self, place: Place, schema: Json, at: str, depth: int, references: tuple[str, ...]) -> Place:
        if not schema.get("properties"):
            _refuse(at, "needs properties: what to look for")
        required = schema.get("required", [])
        for name in required:
            if name not in schema["properties"]:
                _refuse(f"{at}.required", f"names {name!r}, which properties does not have")
        if not isinstance(schema.get("additionalProperties", False), bool):
            _refuse(f"{at}.additionalProperties", "must be true or false")
        properties = []
        for name, value in schema["properties"].items():
            if not 1 <= len(name) <= MAX_NAME:
                _refuse(f"{at}.properties", f"has a name that is not 1 to {MAX_NAME} characters long")
            inner = self.read(value, f"{at}.properties.{name}", depth=depth + 1, references=references)
            properties.append(Property(name, inner, name in required))
        whole = {**place.schema, "properties": {item.name: item.place.schema for item in properties}}
        return replace(place, schema=whole, properties=tuple(properties))


def _is_null(option: Any) -> bool:
    return isinstance(option, dict) and option.get("type") == "null" and not option.keys() & RULES - {"type"}


def _is_number(option: Any) -> bool:
    """A number of which nothing else is said than in words."""
    is_plain = isinstance(option, dict) and not option.keys() & RULES - {"type"}
    return is_plain and option.get("type") in ("integer", "number") and option.keys() <= NOTES | {"type"}


def _check_plain(schema: Json, field: str) -> None:
    """Refuses what no database or message keeps: too much, too deep, infinite or huge numbers, NUL characters."""
    check_levels(schema, field)
    try:
        text = json.dumps(schema, allow_nan=False)
        numbers = [int(digits) for digits in re.findall(r"(?<![\w.])-?\d{16,}(?![\w.])", text)]
    except ValueError as error:
        raise invalid(f"{field} must be plain JSON: {error}", field=field) from None
    if len(text) > MAX_SCHEMA_BYTES:
        raise invalid(f"{field} is larger than {MAX_SCHEMA_BYTES} bytes", field=field)
    if "\\u0000" in text or any(abs(number) > 2**53 for number in numbers):
        raise invalid(f"{field} must not hold NUL characters or integers beyond 2**53", field=field)


def _kind(schema: Json, choices: tuple[Any, ...], at: str) -> tuple[Kind, bool]:
    given = schema.get("type")
    names = [given] if isinstance(given, str) else list(given or ())
    kinds = [name for name in names if name != "null"]
    if given is None:
        if "properties" in schema:
            kinds = ["object"]
        elif "items" in schema:
            kinds = ["array"]
        else:
            kinds = sorted({_kind_of(choice) for choice in choices if choice is not None})
    if len(kinds) != 1:
        _refuse(f"{at}.type", f'must be one of {", ".join(KINDS)}, or one of them and "null"')
    kind: Kind = kinds[0]  # type: ignore[assignment]
    for choice in choices:
        if choice is not None and not (_kind_of(choice) == kind or (kind, _kind_of(choice)) == ("number", "integer")):
            _refuse(f"{at}.enum", f"holds {json.dumps(choice)[:80]}, which is not of type {kind}")
    return kind, "null" in names or (given is None and None in choices)


def _kind_of(value: Any) -> str:
    names = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names[type(value)]


def _check_bounds(schema: Json, at: str) -> None:
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if low in schema and high in schema and schema[low] > schema[high]:
            _refuse(f"{at}.{low}", f"is above {high}: no value would fit")


def _refuse(at: str, problem: str) -> NoReturn:
    raise invalid(f"{at} {problem}", field=at)


@lru_cache(maxsize=512)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), format_checker=_formats)


_formats = FormatChecker(formats=())


@_formats.checks("date", raises=ValueError)
def _is_date(value: Any) -> bool:
    return not isinstance(value, str) or (len(value) == 10 and bool(date.fromisoformat(value)))


@_formats.checks("date-time", raises=ValueError)
def _is_moment(value: Any) -> bool:
    return not isinstance(value, str) or (
        value[10:11] == "T" and bool(_ZONE.search(value)) and bool(datetime.fromisoformat(value))
    )


@_formats.checks("time", raises=ValueError)
def _is_time(value: Any) -> bool:
    return not isinstance(value, str) or _is_moment(f"2000-01-01T{value}")


@_formats.checks("email")
def _is_address(value: Any) -> bool:
    return not isinstance(value, str) or bool(_ADDRESS.fullmatch(value))


@_formats.checks("uri", raises=ValueError)
def _is_link(value: Any) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)
