"""Search filters: criteria over a file's metadata and measured properties, joined by AND, as SQL conditions."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Float,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.core.errors import invalid
from services.core.schema import files

Operator = Literal["NotEqual", "Equal", "LessThan", "GreaterThan", "ContainsAny", "ContainsAll", "In", "Like"]
OPERATORS = ("NotEqual", "Equal", "LessThan", "GreaterThan", "ContainsAny", "ContainsAll", "In", "Like")
ARRAY_OPERATORS = ("ContainsAny", "ContainsAll", "In")
FILE_PATHS = ("bytes", "filename", "uri", "created_at", "id")
VIDEO_PATHS = ("duration_seconds", "has_audio")
MAX_CRITERIA = 50
MAX_VALUES = 1000
_PATH = re.compile(r"^[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+){0,7}$")


@dataclass(frozen=True)
class Criterion:
    """`path operator value`. Values are strings, read as what the path holds: number, boolean, date or text."""

    path: str
    operator: str
    value: str | None = None
    values: tuple[str, ...] = ()
    scope: str = "file"


@dataclass(frozen=True)
class SearchFilter:
    metadata: tuple[Criterion, ...] = ()
    video_info: tuple[Criterion, ...] = ()
    file: tuple[Criterion, ...] = ()

    @classmethod
    def from_json(cls, value: Any, *, field: str = "filter") -> SearchFilter:
        """Reads the API's form. Raises INVALID_ARGUMENT naming the criterion."""
        if not isinstance(value, dict):
            raise invalid(f"{field} must be an object with metadata, video_info or file arrays", field=field)
        unknown = set(value) - {"metadata", "video_info", "file", "source_metadata"}
        if unknown:
            raise invalid(f"{field} has an unknown key: {sorted(unknown)[0]}", field=field)
        if value.get("source_metadata"):
            raise invalid(
                "source_metadata filters need a data connector; none is configured",
                field=f"{field}.source_metadata",
            )
        kinds = {
            kind: tuple(
                _criterion(item, f"{field}.{kind}[{position}]", kind)
                for position, item in enumerate(_array(value.get(kind), f"{field}.{kind}"))
            )
            for kind in ("metadata", "video_info", "file")
        }
        return cls(**kinds)


def _array(value: Any, field: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_CRITERIA:
        raise invalid(f"{field} must be an array of at most {MAX_CRITERIA} criteria", field=field)
    return value


def _criterion(item: Any, field: str, kind: str) -> Criterion:
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        raise invalid(f"{field} needs a path", field=field)
    path, operator = item["path"].removeprefix(f"{kind}."), item.get("operator")
    if operator not in OPERATORS:
        raise invalid(f"{field}.operator must be one of: {', '.join(OPERATORS)}", field=f"{field}.operator")
    allowed = {"file": FILE_PATHS, "video_info": VIDEO_PATHS}.get(kind)
    if allowed and path not in allowed:
        raise invalid(f"{field}.path must be one of: {', '.join(allowed)}", field=f"{field}.path")
    if not _PATH.match(path):
        raise invalid(f"{field}.path must be names joined by dots", field=f"{field}.path")
    if item.get("scope", "file") not in ("file", "segment"):
        raise invalid(f"{field}.scope must be file or segment", field=f"{field}.scope")
    if operator in ARRAY_OPERATORS:
        values = item.get("valueTextArray")
        if not isinstance(values, list) or not values or len(values) > MAX_VALUES or not _all_text(values):
            raise invalid(f"{field}: {operator} needs valueTextArray, 1 to {MAX_VALUES} strings", field=field)
        return Criterion(path, operator, None, tuple(values), item.get("scope", "file"))
    if not isinstance(item.get("valueText"), str):
        raise invalid(f"{field}: {operator} needs valueText, a string", field=field)
    return Criterion(path, operator, item["valueText"], (), item.get("scope", "file"))


def _all_text(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def file_condition(filter: SearchFilter, *, is_sqlite: bool) -> ColumnElement[bool]:
    """The filter as a condition on the files table. A missing field fails every operator but NotEqual."""
    parts: list[ColumnElement[bool]] = [true()]
    for criterion in filter.file:
        parts.append(_column_condition(criterion))
    for criterion in filter.video_info:
        key = [criterion.path]
        parts.append(_json_condition(files.c.media_info, key, criterion, is_sqlite))
    for criterion in filter.metadata:
        parts.append(_json_condition(files.c.metadata, criterion.path.split("."), criterion, is_sqlite))
    return and_(*parts)


def _column_condition(criterion: Criterion) -> ColumnElement[bool]:
    match criterion.path:
        case "bytes":
            return _compare(files.c.size_bytes, criterion, _number)
        case "created_at":
            return _compare(files.c.created_at, criterion, _milliseconds)
        case "uri":
            return _compare(literal("cloudglue://files/") + files.c.id, criterion, str)
        case name:
            return _compare(files.c[name], criterion, str)


def _compare(column: Any, criterion: Criterion, parse: Any) -> ColumnElement[bool]:
    value = parse(criterion.value) if criterion.value is not None and criterion.operator != "Like" else criterion.value
    match criterion.operator:
        case "Equal":
            return column == value
        case "NotEqual":
            return column != value
        case "LessThan":
            return column < value
        case "GreaterThan":
            return column > value
        case "Like":
            return func.lower(cast(column, Text)).like(_pattern(criterion.value or ""), escape="\\")
        case "ContainsAll" if len(set(criterion.values)) > 1:
            return false()  # a single value can't contain two
        case _:
            return column.in_([parse(value) for value in criterion.values])


@dataclass(frozen=True)
class _Elements:
    """The values at a JSON path, one row for a scalar, one per element for an array, none where it is missing."""

    source: Any
    value: Any  # as text
    number: Any  # as a float, or NULL
    present: Any


def _json_condition(column: Any, path: list[str], criterion: Criterion, is_sqlite: bool) -> ColumnElement[bool]:
    """A condition on the value at a path of a JSON column; an array matches by its elements."""

    def exists(build: Any) -> ColumnElement[bool]:
        each = _sqlite_elements(column, path) if is_sqlite else _postgres_elements(column, path)
        return select(literal(1)).select_from(each.source).where(each.present, build(each)).correlate(files).exists()

    def same(wanted: str) -> Any:
        if (number := _finite(wanted)) is not None:
            return lambda each: or_(each.value == wanted, each.number == number)
        text_value = wanted.lower() if wanted.lower() in ("true", "false") else wanted
        return lambda each: each.value == text_value

    value = criterion.value or ""
    match criterion.operator:
        case "Equal":
            return exists(same(value))
        case "NotEqual":
            return not_(exists(same(value)))
        case "In" | "ContainsAny":
            return or_(*(exists(same(wanted)) for wanted in criterion.values))
        case "ContainsAll":
            return and_(*(exists(same(wanted)) for wanted in criterion.values))
        case "Like":
            return exists(lambda each: func.lower(each.value).like(_pattern(value), escape="\\"))
        case _:
            less = criterion.operator == "LessThan"
            if (limit := _finite(value)) is not None:
                return exists(lambda each: each.number < limit if less else each.number > limit)
            # Dates in ISO 8601 and names compare as text.
            return exists(lambda each: and_(each.number.is_(None), each.value < value if less else each.value > value))


def _sqlite_elements(column: Any, path: list[str]) -> _Elements:
    quoted = "$" + "".join(f'."{name}"' for name in path)
    each = func.json_each(column, quoted).table_valued(Column("value", Text), Column("type", Text)).alias()
    return _Elements(
        source=each,
        value=case((each.c.type.in_(("true", "false")), each.c.type), else_=cast(each.c.value, Text)),
        number=case((each.c.type.in_(("integer", "real")), cast(each.c.value, Float)), else_=None),
        # json_each walks an object's members too; an object is no value.
        present=and_(
            func.json_type(column, quoted) != "object", each.c.type.in_(("text", "integer", "real", "true", "false"))
        ),
    )


def _postgres_elements(column: Any, path: list[str]) -> _Elements:
    # Strict, so that a path does not look into arrays on its way; silent, so that a missing name is no error.
    # The path was checked against _PATH: it holds no quote.
    inside: Any = literal_column("'strict $" + "".join(f'."{name}"' for name in path) + "'::jsonpath")
    found = func.jsonb_path_query_first(cast(column, JSONB), inside, literal_column("'{}'::jsonb"), true())
    item = func.jsonb_path_query(found, literal_column("'$[*]'::jsonpath"), type_=JSONB).column_valued()
    text = func.jsonb_extract_path_text(func.jsonb_build_array(item), "0")
    kind = func.jsonb_typeof(item)
    return _Elements(
        source=item.scalar_alias,
        value=text,
        number=case((kind == "number", cast(text, Float)), else_=None),
        present=kind.in_(("string", "number", "boolean")),
    )


def _pattern(value: str) -> str:
    return value.lower().replace("\\", "\\\\").replace("_", "\\_")


def _finite(value: str) -> float | None:
    """The number in a text; None for what is none, infinity and NaN included."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _number(value: str) -> float:
    number = _finite(value)
    if number is None:
        raise invalid(f"filter: {value!r} is not a number", field="filter")
    return number


def _milliseconds(value: str) -> int:
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        raise invalid(f"filter: {value!r} is not an ISO 8601 date", field="filter") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
