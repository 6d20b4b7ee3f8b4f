"""JSON Schemas of entities: which are offered, what is wrong with one, and whether a record fits it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, Literal, NoReturn

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from pydantic import StringConstraints, TypeAdapter
from pydantic import ValidationError as PatternMismatch
from pydantic_core import SchemaError as PatternError

from services.core.entities.dialects import plain
from services.core.entities.formats import ANY_TEXT, FORMATS, NUMBER_FORMATS, SAME, checker
from services.core.errors import invalid
from services.core.store.plain_json import check_levels

Kind = Literal["object", "array", "string", "integer", "number", "boolean"]
Json = dict[str, Any]

MAX_SCHEMA_BYTES = 32 * 1024
MAX_DEPTH = 6
MAX_PLACES = 200
MAX_CHOICES = 200
MAX_NAME = 100

MAX_PATTERN = 1_000

KINDS = ("object", "array", "string", "integer", "number", "boolean")
NOTES = {
    *("title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly"),
    *("$schema", "$comment", "$defs", "definitions", "discriminator", "propertyOrdering", "nullable"),
    *("contentEncoding", "contentMediaType", "externalDocs", "xml"),
}
RULES = {
    *("type", "enum", "const", "format", "anyOf", "oneOf", "allOf", "$ref"),
    *("properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"),
    *("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    *("minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
# Of other objects than those of the schema's own text: a place is read with them resolved.
_INNER = {"properties", "additionalProperties", "items", "prefixItems"}
# What every engine reads alike: no look-around, back-references, flags, word boundaries or Unicode classes.
_BEYOND_PATTERNS = re.compile(r"\(\?[^:]|\\[0-9bBAzZGpPkKxuULEQXRchN]")


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
    values: Place | None = None  # of an object whose other properties have any name: what each of them holds
    items: Place | None = None
    prefix: tuple[Place, ...] = ()  # of an array whose elements differ: what the first ones are
    max_items: int | None = None
    others: tuple[Place, ...] = ()  # of a union: what else it may be; all the rest is told of the first

    def fits(self, value: Any) -> bool:
        return _validator(json.dumps(self.schema)).is_valid(value)


def parse_schema(schema: Any, *, field: str = "extract_config.schema") -> Place:
    """Raises INVALID_ARGUMENT that says what is wrong and where."""
    if not isinstance(schema, dict):
        raise invalid(f"{field} must be a JSON Schema: an object of type object with properties", field=field)
    try:
        _check_plain(schema, field)
        schema = plain(schema)
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        raise invalid(f"{field}{where}: {error.message[:300]}", field=f"{field}{where}") from None
    except RecursionError:
        raise invalid(f"{field} is nested too deeply", field=field) from None
    place = _Reader(schema, field).read(schema, field, depth=1, references=())
    if place.kind != "object" or place.is_nullable or place.others:
        raise invalid(f"{field}.type must be object: what is made by it is one record", field=f"{field}.type")
    return place


def misfit(schema: Json, record: Any) -> str:
    """Where and why a record does not fit a schema that parse_schema accepted, or {}; empty when it fits."""
    if not schema:
        return "" if isinstance(record, dict) else "$: it is no object"
    error = best_match(_validator(_resolved(json.dumps(schema))).iter_errors(record))
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
        if name in references or name == "#":
            _refuse(
                f"{at}.$ref",
                f"leads back to itself: {name}; a record has an end, so write out as many levels as it has",
            )
        if not match:
            _refuse(f"{at}.$ref", "must lead to this schema's own $defs, as #/$defs/NAME")
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
        given = [(number, option) for number, option in enumerate(schema[key]) if not _is_null(option)]
        is_nullable = len(given) < len(schema[key])
        if not given or (key == "allOf" and (is_nullable or len(given) > 1)):
            _refuse(f"{at}.{key}", 'is offered for one schema, or in anyOf and oneOf for several and {"type": "null"}')
        if len(given) > 1:
            if all(_is_number(option) for _, option in given):
                given = [(0, {"type": "number"})]  # as pydantic writes int | float
            elif all(_is_constant(option) for _, option in given):
                given = [(0, {"enum": [choice for _, option in given for choice in _choices(option)]})]
        options = [
            self.read(option, f"{at}.{key}[{number}]", depth=depth, references=references) for number, option in given
        ]
        place = _union(key, options) if len(options) > 1 else options[0]
        if is_nullable and not place.is_nullable:
            place = replace(place, is_nullable=True, schema={"anyOf": [place.schema, {"type": "null"}]})
        return replace(place, description=str(schema.get("description", "")) or place.description)

    def _plain(self, schema: Json, at: str, depth: int, references: tuple[str, ...]) -> Place:
        choices = _choices(schema)
        kinds, is_nullable = _kinds(schema, choices, at)
        if len(kinds) > 1 and not choices:
            options = [
                self._plain({**schema, "type": [kind, "null"] if is_nullable else kind}, at, depth, references)
                for kind in kinds
            ]
            return _union("anyOf", options)
        own = {key: value for key, value in schema.items() if key in RULES - _INNER}
        _check_bounds(schema, at)
        kind: Kind = kinds[0] if len(kinds) == 1 else "string"  # choices of several types are told apart by their words
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
            if kind in ("object", "array"):
                _refuse(f"{at}.enum", "is offered for strings, numbers and booleans")
        if kind == "object":
            return self._object(place, schema, at, depth, references)
        if kind == "array":
            return self._array(place, schema, at, depth, references)
        format = _format(schema, kind, at)
        place = replace(place, format=format, schema={**own, "format": format} if format else _without(own, "format"))
        return _with_pattern(place, at)

    def _array(self, place: Place, schema: Json, at: str, depth: int, references: tuple[str, ...]) -> Place:
        prefix = tuple(
            self.read(item, f"{at}.prefixItems[{number}]", depth=depth + 1, references=references)
            for number, item in enumerate(schema.get("prefixItems", ()))
        )
        items, whole = None, dict(place.schema)
        if prefix:
            whole["prefixItems"] = [item.schema for item in prefix]
        if prefix and schema.get("items", True) in (True, False):
            whole["items"] = False  # nothing says what else there may be
        elif "items" not in schema:
            _refuse(at, "needs items: what each element of the array is")
        else:
            items = self.read(schema["items"], f"{at}.items", depth=depth + 1, references=references)
            whole["items"] = items.schema
        if schema.get("minItems", 0) > len(prefix) and whole["items"] is False:
            _refuse(f"{at}.minItems", "is more than prefixItems has: no value would fit")
        return replace(place, items=items, prefix=prefix, schema=whole, max_items=schema.get("maxItems"))

    def _object(self, place: Place, schema: Json, at: str, depth: int, references: tuple[str, ...]) -> Place:
        named, others = schema.get("properties") or {}, schema.get("additionalProperties", True)
        if not named and (isinstance(others, bool) or not others):
            _refuse(at, "needs properties, or a schema as additionalProperties: what to look for")
        required = schema.get("required", [])
        for name in required:
            if name not in named and not isinstance(others, dict):
                _refuse(f"{at}.required", f"names {name!r}, which properties does not have")
        properties = []
        for name, value in named.items():
            if not 1 <= len(name) <= MAX_NAME:
                _refuse(f"{at}.properties", f"has a name that is not 1 to {MAX_NAME} characters long")
            inner = self.read(value, f"{at}.properties.{name}", depth=depth + 1, references=references)
            properties.append(Property(name, inner, name in required))
        whole, values = {**place.schema, "properties": {item.name: item.place.schema for item in properties}}, None
        if others and isinstance(others, dict):
            values = self.read(others, f"{at}.additionalProperties", depth=depth + 1, references=references)
            whole["additionalProperties"] = values.schema
        elif others is False:
            whole["additionalProperties"] = False
        if "propertyNames" in schema:
            names = schema["propertyNames"]
            names = {"type": "string", **names} if isinstance(names, dict) else names
            of_names = self.read(names, f"{at}.propertyNames", depth=depth + 1, references=references)
            whole["propertyNames"] = of_names.schema
        return replace(place, schema=whole, properties=tuple(properties), values=values)


def _union(key: str, options: list[Place]) -> Place:
    first, *others = options
    return replace(
        first,
        schema={key: [option.schema for option in options]},
        is_nullable=any(option.is_nullable for option in options),
        others=tuple(others),
    )


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


def _choices(schema: Json) -> tuple[Any, ...]:
    return tuple(schema["enum"]) if "enum" in schema else (schema["const"],) if "const" in schema else ()


def _is_constant(option: Any) -> bool:
    return isinstance(option, dict) and bool(_choices(option)) and not option.keys() & RULES - {"type", "enum", "const"}


def _kinds(schema: Json, choices: tuple[Any, ...], at: str) -> tuple[list[Kind], bool]:
    """What a value may be, and whether it may be null."""
    given = schema.get("type")
    names = [given] if isinstance(given, str) else list(given or ())
    kinds: list[Any] = [name for name in names if name != "null"]
    told = sorted({_kind_of(choice) for choice in choices if choice is not None})
    if given is None:
        if "properties" in schema or isinstance(schema.get("additionalProperties"), dict):
            kinds = ["object"]
        elif "items" in schema or "prefixItems" in schema:
            kinds = ["array"]
        else:
            kinds = ["number"] if told == ["integer", "number"] else told
    if not kinds:
        _refuse(f"{at}.type", f'must be one or several of {", ".join(KINDS)}; and "null" beside them')
    for choice in choices:
        kind = _kind_of(choice) if choice is not None else kinds[0]
        if kind not in kinds and not (kind == "integer" and "number" in kinds):
            _refuse(f"{at}.enum", f"holds {json.dumps(choice)[:80]}, which is not of type {' or '.join(kinds)}")
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")
    return kinds, "null" in names or (given is None and None in choices)


def _kind_of(value: Any) -> str:
    names = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names[type(value)]


def _check_bounds(schema: Json, at: str) -> None:
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if low in schema and high in schema and schema[low] > schema[high]:
            _refuse(f"{at}.{low}", f"is above {high}: no value would fit")


def _refuse(at: str, problem: str) -> NoReturn:
    raise invalid(f"{at} {problem}", field=at)


def _without(schema: Json, name: str) -> Json:
    return {key: value for key, value in schema.items() if key != name}


def _format(schema: Json, kind: Kind, at: str) -> str:
    given: str = schema.get("format", "")
    format, offered = SAME.get(given, given), FORMATS if kind == "string" else NUMBER_FORMATS
    if not format or format in offered:
        return format
    if kind == "string" and format in ANY_TEXT:
        return ""
    _refuse(f"{at}.format", f"{format!r} is not offered; use one of: {', '.join(offered)}")


def _with_pattern(place: Place, at: str) -> Place:
    """A pattern is matched in linear time. One that can't be stands for its format, where it has one that is checked."""
    pattern = place.schema.get("pattern")
    if pattern is None:
        return place
    try:
        if len(pattern) > MAX_PATTERN or _BEYOND_PATTERNS.search(pattern):
            raise ValueError
        _matcher(pattern)
    except (ValueError, PatternError):
        if place.format in checker.checkers:
            return replace(place, schema=_without(place.schema, "pattern"))
        _refuse(
            f"{at}.pattern",
            f"must be a regular expression of at most {MAX_PATTERN} characters, without look-around, back-references, flags, "
            "word boundaries and named classes",
        )
    return place


@lru_cache(maxsize=512)
def _matcher(pattern: str) -> TypeAdapter[str]:
    return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])


def _check_pattern(_validator: Any, pattern: str, value: Any, _schema: Json) -> Iterator[ValidationError]:
    try:
        if isinstance(value, str):
            _matcher(pattern).validate_python(value)
    except PatternMismatch:
        yield ValidationError(f"{value[:200]!r} does not match {pattern!r}")


_Validator = extend(Draft202012Validator, {"pattern": _check_pattern})


@lru_cache(maxsize=512)
def _validator(schema: str) -> Any:
    return _Validator(json.loads(schema), format_checker=checker)


@lru_cache(maxsize=512)
def _resolved(schema: str) -> str:
    return json.dumps(parse_schema(json.loads(schema)).schema)
