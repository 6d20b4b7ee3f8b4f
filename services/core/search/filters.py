"""Search filters: criteria over files and their segments, joined by AND, as SQL conditions.

A field that is missing, null or an object matches nothing but NotEqual; an array matches by its elements. What the
operators mean is told in comparisons.py, and is the same on SQLite and PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Text,
    and_,
    cast,
    collate,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH

from services.core.errors import invalid
from services.core.store.comparisons import Value, forms, holds, read
from services.core.store.schema import files, segments

OPERATORS = ("NotEqual", "Equal", "LessThan", "GreaterThan", "ContainsAny", "ContainsAll", "In", "Like")
ARRAY_OPERATORS = ("ContainsAny", "ContainsAll", "In")
KINDS = ("metadata", "video_info", "file", "source_metadata")
PATHS = {
    "file": ("bytes", "filename", "uri", "created_at", "id"),
    "video_info": ("duration_seconds", "has_audio"),
}
# What a field of one kind is compared with: the property of a Value that must be there, and its name in errors.
FIELD_KINDS = {
    "bytes": ("number", "a number"),
    "duration_seconds": ("number", "a number"),
    "has_audio": ("boolean", "true or false"),
    "created_at": ("moment", "an ISO 8601 date, as 2024-01-31 or 2024-01-31T12:00:00Z"),
}
SEGMENT_KINDS = ("metadata", "video_info")
MAX_CRITERIA = 50
MAX_VALUES = 1000
MAX_CHARACTERS = 4096
MAX_NAMES = 8
MICROSECONDS = 1000  # in a millisecond


@dataclass(frozen=True)
class Criterion:
    """`path operator values`: one value, or several for an array operator, read as what the path holds."""

    kind: str
    path: tuple[str, ...]
    operator: str
    values: tuple[str, ...]
    scope: str = "file"

    @property
    def wanted(self) -> list[Value]:
        return [read(value) for value in self.values]


@dataclass(frozen=True)
class SearchFilter:
    criteria: tuple[Criterion, ...] = ()

    @property
    def narrows_segments(self) -> bool:
        """Whether it keeps some segments of a file rather than whole files."""
        return any(criterion.scope == "segment" for criterion in self.criteria)

    @classmethod
    def from_json(cls, value: Any, *, field: str = "filter") -> SearchFilter:
        """Reads the API's form. Raises INVALID_ARGUMENT naming the criterion."""
        if not isinstance(value, dict):
            raise invalid(f"{field} must be an object with arrays named {', '.join(KINDS)}", field=field)
        unknown = set(value) - set(KINDS)
        if unknown:
            raise invalid(f"{field} has an unknown key: {sorted(unknown)[0]}", field=field)
        return cls(
            tuple(
                _criterion(item, f"{field}.{kind}[{position}]", kind)
                for kind in KINDS
                for position, item in enumerate(_array(value.get(kind), f"{field}.{kind}"))
            )
        )


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
    allowed = PATHS.get(kind)
    if allowed and path not in allowed:
        raise invalid(f"{field}.path must be one of: {', '.join(allowed)}", field=f"{field}.path")
    names = path.split(".")
    if not all(map(_is_plain, (path, *names))) or len(names) > MAX_NAMES:
        raise invalid(f"{field}.path must be 1 to {MAX_NAMES} names joined by dots", field=f"{field}.path")
    scope = item.get("scope") or "file"
    if scope not in ("file", "segment"):
        raise invalid(f"{field}.scope must be file or segment", field=f"{field}.scope")
    if scope == "segment" and (kind not in SEGMENT_KINDS or path == "has_audio"):
        raise invalid(
            f"{field}.scope segment is for metadata and duration_seconds; leave scope out", field=f"{field}.scope"
        )
    values = _values(item, operator, field)
    wanted_kind, noun = FIELD_KINDS.get(path, ("", "")) if allowed else ("", "")
    if wanted_kind and operator != "Like" and any(getattr(read(value), wanted_kind) is None for value in values):
        raise invalid(f"{field}: {path} is compared with {noun}", field=field)
    return Criterion(kind, tuple(names), operator, values, scope)


def _values(item: dict[str, Any], operator: str, field: str) -> tuple[str, ...]:
    if operator in ARRAY_OPERATORS:
        values = item.get("valueTextArray")
        if not isinstance(values, list) or not 1 <= len(values) <= MAX_VALUES or not all(map(_is_text, values)):
            raise invalid(f"{field}: {operator} needs valueTextArray, 1 to {MAX_VALUES} strings", field=field)
        named = f"{field}.valueTextArray"
    else:
        values = [item.get("valueText")]
        if not _is_text(values[0]):
            raise invalid(f"{field}: {operator} needs valueText, a string", field=field)
        named = f"{field}.valueText"
    if not all(map(_is_plain, filter(None, values))):
        raise invalid(f"{named} must be valid Unicode without NUL, of at most {MAX_CHARACTERS} characters", field=named)
    return tuple(dict.fromkeys(values))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_plain(text: str) -> bool:
    """Whether both databases keep it: some text, no NUL, no lone surrogates."""
    is_unicode = not any("\ud800" <= character <= "\udfff" for character in text)
    return 0 < len(text) <= MAX_CHARACTERS and "\0" not in text and is_unicode


def file_condition(
    filter: SearchFilter, *, is_sqlite: bool, segmentation_id: ColumnElement | None = None
) -> ColumnElement[bool]:
    """The filter as a condition on the files table.

    Criteria of segment scope keep a file of which some segment fulfils all of them: of the segmentation, if one is given.
    """
    parts = [_file_part(criterion, is_sqlite) for criterion in filter.criteria if criterion.scope == "file"]
    if filter.narrows_segments:
        of_file = select(literal(1)).select_from(segments).where(segments.c.file_id == files.c.id)
        if segmentation_id is not None:
            of_file = of_file.where(segments.c.segmentation_id == segmentation_id)
        parts.append(of_file.where(segment_condition(filter, is_sqlite=is_sqlite)).exists())
    return and_(true(), *parts)


def segment_condition(filter: SearchFilter, *, is_sqlite: bool) -> ColumnElement[bool]:
    """The filter's criteria of segment scope as a condition on the segments table."""
    parts = []
    for criterion in filter.criteria:
        if criterion.scope == "segment" and criterion.kind == "metadata":
            parts.append(_json_condition(segments.c.metadata, criterion, is_sqlite))
        elif criterion.scope == "segment":
            duration = segments.c.end_time - segments.c.start_time
            parts.append(_number_condition(duration, criterion))
    return and_(true(), *parts)


def _file_part(criterion: Criterion, is_sqlite: bool) -> ColumnElement[bool]:
    match criterion.kind:
        case "metadata":
            return _json_condition(files.c.metadata, criterion, is_sqlite)
        case "video_info":
            return _json_condition(files.c.media_info, criterion, is_sqlite)
        case "source_metadata":  # of connectors, which no file comes from: every path is missing
            return true() if holds([], criterion.operator, criterion.wanted) else false()
    match criterion.path[0]:
        case "bytes":
            return _number_condition(files.c.size_bytes, criterion, is_sqlite)
        case "created_at":
            return _created_condition(criterion, is_sqlite)
        case "uri":
            return _text_condition(literal("cloudglue://files/") + files.c.id, criterion, is_sqlite)
        case name:
            return _text_condition(files.c[name], criterion, is_sqlite)


def _number_condition(column: Any, criterion: Criterion, is_sqlite: bool = True) -> ColumnElement[bool]:
    if criterion.operator == "Like":
        return _like(cast(column, Text), criterion, is_sqlite)
    return _compared(column, criterion.operator, [value.number for value in criterion.wanted])


def _created_condition(criterion: Criterion, is_sqlite: bool) -> ColumnElement[bool]:
    column = files.c.created_at
    if criterion.operator != "Like":
        moments = [value.moment for value in criterion.wanted]
        return _compared(column * MICROSECONDS, criterion.operator, moments)
    seconds = column / 1000
    if is_sqlite:
        shown = func.strftime("%Y-%m-%dT%H:%M:%SZ", seconds, "unixepoch")
    else:
        shown = func.to_char(func.timezone("UTC", func.to_timestamp(seconds)), 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    return _like(shown, criterion, is_sqlite)


def _text_condition(column: Any, criterion: Criterion, is_sqlite: bool) -> ColumnElement[bool]:
    """A name, compared as text whatever it reads as."""
    if criterion.operator == "Like":
        return _like(column, criterion, is_sqlite)
    form = _form(column, is_sqlite)
    ordered = form if is_sqlite or criterion.operator not in ("LessThan", "GreaterThan") else collate(form, "C")
    return _compared(ordered, criterion.operator, [value.text for value in criterion.wanted])


def _compared(column: Any, operator: str, wanted: Sequence[Any]) -> ColumnElement[bool]:
    """A single value against others of its kind."""
    match operator:
        case "Equal" | "In" | "ContainsAny":
            return column.in_(wanted) if len(wanted) > 1 else column == wanted[0]
        case "NotEqual":
            return column != wanted[0]
        case "LessThan":
            return column < wanted[0]
        case "GreaterThan":
            return column > wanted[0]
    return and_(*(column == value for value in wanted))


def _form(text: Any, is_sqlite: bool) -> Any:
    """`same_form` of a text in the database."""
    return func.arcus_text_form(text) if is_sqlite else func.normalize(text, literal_column("NFKC"))


def _like(text: Any, criterion: Criterion, is_sqlite: bool) -> ColumnElement[bool]:
    pattern = criterion.wanted[0].text
    if is_sqlite:
        return func.arcus_is_like(text, pattern, type_=Boolean)
    escaped = pattern.upper().replace("\\", "\\\\").replace("_", "\\_")
    # In upper case, for which no letter depends on its neighbours; by ICU, as the database's locale may know ASCII only.
    return func.upper(collate(_form(text, is_sqlite), "und-x-icu")).like(escaped, escape="\\")


def _json_condition(column: Any, criterion: Criterion, is_sqlite: bool) -> ColumnElement[bool]:
    if is_sqlite:
        path, values = json.dumps(criterion.path), json.dumps(criterion.values)
        return func.arcus_holds(column, path, criterion.operator, values, type_=Boolean)
    # Lax paths look into arrays on their way, and a name that is not there is no error.
    found = [
        select(
            func.jsonb_path_query(cast(column, JSONB), cast(f"lax $.{path}[*]", JSONPATH), type_=JSONB).label("item")
        )
        for names in forms(criterion.path)
        for path in _readings(names)
    ]
    item: Any = union_all(*(each.correlate(files, segments) for each in found)).lateral().c.item
    text = _form(item.op("#>>")(literal_column("'{}'::text[]")), is_sqlite)
    is_value = func.jsonb_typeof(item).in_(("string", "number", "boolean"))

    def some(condition: ColumnElement[bool]) -> ColumnElement[bool]:
        each = select(literal(1)).select_from(item.table).where(is_value, condition)
        return each.correlate(files, segments).exists()

    match criterion.operator:
        case "Equal" | "In" | "ContainsAny":
            return some(or_(*(_equals(text, value) for value in criterion.wanted)))
        case "NotEqual":
            return not_(some(_equals(text, criterion.wanted[0])))
        case "ContainsAll":
            return and_(*(some(_equals(text, value)) for value in criterion.wanted))
        case "Like":
            return some(_like(text, criterion, is_sqlite))
    return some(_is_beyond(text, criterion.wanted[0], is_below=criterion.operator == "LessThan"))


def _readings(path: tuple[str, ...]) -> list[str]:
    """A path as names of keys, for each way that its dots may belong to keys: at most 2 ** (MAX_NAMES - 1) of them."""
    if len(path) == 1:
        return [json.dumps(path[0])]
    rest = _readings(path[1:])
    longer = _readings((f"{path[0]}.{path[1]}", *path[2:]))
    return [f"{json.dumps(path[0])}.{reading}" for reading in rest] + longer


def _equals(text: Any, wanted: Value) -> ColumnElement[bool]:
    same = text == wanted.text
    if wanted.number is not None:
        return or_(same, func.arcus_number(text) == wanted.number)
    if wanted.moment is not None:
        return or_(same, func.arcus_moment(text) == wanted.moment)
    if wanted.boolean is not None:
        return func.lower(text) == wanted.text.lower()
    return same


def _is_beyond(text: Any, limit: Value, *, is_below: bool) -> ColumnElement[bool]:
    if limit.boolean is not None:
        return false()
    number, moment = func.arcus_number(text), func.arcus_moment(text)
    if limit.number is not None:
        return number < limit.number if is_below else number > limit.number
    if limit.moment is not None:
        return moment < limit.moment if is_below else moment > limit.moment
    ordered = collate(text, "C")
    is_text = and_(number.is_(None), moment.is_(None), func.lower(text).not_in(("true", "false")))
    return and_(is_text, ordered < limit.text if is_below else ordered > limit.text)
