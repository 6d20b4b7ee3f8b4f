"""The virtual tables of a knowledge base: rows and types for DuckDB, and their description for whoever plans queries.

Each top-level property of the collections' schemas is a column of its own. Its type holds every value that occurs: where
collections disagree, integers widen to DOUBLE, dates to TIMESTAMP or VARCHAR, and anything else to JSON. A property whose
name is taken, without regard to case, gets a number behind it (filename_2); one whose name has control characters is
called property_N. Names are kept as they are otherwise, so that queries must quote them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from heapq import nsmallest
from itertools import chain, islice
from math import isfinite
from typing import Any

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb

from services.core.entities.schemas import Place, parse_schema
from services.core.library.holdings import EntityRecords, MemberFiles, only
from services.nimbus.entities.sql import SqlBatch, SqlTable

MAX_PROPERTIES = 100
MAX_NAME = 100
TEXT_EXAMPLES, OTHER_EXAMPLES = 60, 8
BATCH_ROWS = 5_000  # of what is encoded and filled at a time
READ_ROWS = 500  # whose JSON is read at a time
EXAMPLE_CHARACTERS, COLUMN_EXAMPLE_CHARACTERS = 80, 2_000
_NUL = "\\u0000"  # as JSON tells it
_INTEGERS = range(-(2**63), 2**63)
_SCALAR_KINDS = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR"}

FILES = "files"
ENTITIES = "entities"
SEGMENT_ENTITIES = "segment_entities"

_PLACE = {
    "collection_id": ("VARCHAR", "id of the collection"),
    "collection_name": ("VARCHAR", "name of the collection"),
    "file_id": ("VARCHAR", "id of the video"),
    "filename": ("VARCHAR", "name of the video's file"),
}
_SEGMENT = {
    "segment_id": ("VARCHAR", "id of the segment"),
    "start_time": ("DOUBLE", "where the segment begins in the video, in seconds"),
    "end_time": ("DOUBLE", "where the segment ends in the video, in seconds"),
}
_FILE = {
    "file_id": ("VARCHAR", "id of the video"),
    "filename": ("VARCHAR", "name of the video's file"),
    "duration_seconds": ("DOUBLE", "length of the video in seconds"),
    "created_at": ("TIMESTAMP", "when the video was uploaded, in UTC"),
    "collection_id": ("VARCHAR", "id of the collection"),
    "collection_name": ("VARCHAR", "name of the collection"),
    "metadata": ("JSON", "what the uploader noted of the video"),
}
_WHOLE = ("JSON", "all properties together")


@dataclass(frozen=True)
class EntityCollection:
    id: str
    name: str
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)  # JSON Schema of one record
    by_segment: bool = False  # whether segments have records, rather than files


@dataclass(frozen=True)
class EntityTables:
    sql: tuple[SqlTable, ...]
    described: tuple[pb.EntityTable, ...]


@dataclass(frozen=True)
class TableColumn:
    name: str
    type: str
    description: str
    values: Sequence[Any]
    is_encoded: bool = False  # each value is JSON already, and as `clean` makes it


def build_tables(collections: Sequence[EntityCollection], files: MemberFiles, records: EntityRecords) -> EntityTables:
    """All three tables for DuckDB; described are `files` and those in which the collections keep their records."""
    by_id = {collection.id: collection for collection in collections}
    filenames = dict(zip(zip(files.collection_id, files.file_id, strict=True), files.filename, strict=True))
    known = [
        place
        for place, member in enumerate(zip(records.collection_id, records.file_id, strict=True))
        if member in filenames
    ]
    tables: list[SqlTable] = []
    described: list[pb.EntityTable] = []

    def add(name: str, columns: Sequence[TableColumn], description: str, *, is_used: bool) -> None:
        tables.append(sql_table(name, columns))
        if is_used:
            described.append(described_table(name, columns, description))

    add(
        FILES,
        _file_columns(files, by_id),
        "One row for each video of each collection; a video may be in several.",
        is_used=True,
    )
    for name, of_segments in ((ENTITIES, False), (SEGMENT_ENTITIES, True)):
        rows = only(records, [place for place in known if (records.segment_id[place] is not None) == of_segments])
        sources = [item for item in collections if item.by_segment == of_segments]
        add(
            name,
            _entity_columns(rows, filenames, by_id, sources, of_segments),
            f"One row for each {'segment' if of_segments else 'video'} from which something was extracted.",
            is_used=bool(rows.entities or sources),
        )
    return EntityTables(tuple(tables), tuple(described))


def _file_columns(files: MemberFiles, by_id: Mapping[str, EntityCollection]) -> list[TableColumn]:
    held = "; ".join(
        f"“{_unquoted(item.name)}” holds {_unquoted(item.description)}" for item in by_id.values() if item.description
    )
    columns = dict(_FILE)
    if held:
        columns["collection_name"] = ("VARCHAR", f"{columns['collection_name'][1]}: {held}")
    return _fixed(
        columns,
        files.file_id,
        files.filename,
        files.duration_seconds,
        moments(files.created_at),
        files.collection_id,
        [by_id[id].name for id in files.collection_id],
        clean(files.metadata),
    )


def _unquoted(text: str) -> str:
    return " ".join(text.translate(str.maketrans("“”;", "'',")).split())


def _entity_columns(
    rows: EntityRecords,
    filenames: Mapping[tuple[str, str], str],
    by_id: Mapping[str, EntityCollection],
    sources: Sequence[EntityCollection],
    of_segments: bool,
) -> list[TableColumn]:
    names = [by_id[id].name for id in rows.collection_id]
    called = [filenames[member] for member in zip(rows.collection_id, rows.file_id, strict=True)]
    segment = (rows.segment_id, rows.start_time, rows.end_time) if of_segments else ()
    texts = clean(rows.entities)
    columns = {**_PLACE, **(_SEGMENT if of_segments else {}), "entities": _WHOLE}
    places = _fixed(columns, rows.collection_id, names, rows.file_id, called, *segment, texts)
    return [*places, *_property_columns(texts, sources, set(columns))]


def _fixed(columns: Mapping[str, tuple[str, str]], *values: Sequence[Any]) -> list[TableColumn]:
    """Values of type JSON are JSON already."""
    return [
        TableColumn(name, kind, description, held, is_encoded=kind == "JSON")
        for (name, (kind, description)), held in zip(columns.items(), values, strict=True)
    ]


def _property_columns(
    texts: Sequence[str], collections: Sequence[EntityCollection], taken: set[str]
) -> list[TableColumn]:
    """In the order of the schemas, then whatever else the records hold."""
    declared: dict[str, list[Place]] = {}
    for collection in collections:
        for item in parse_schema(collection.schema).properties if collection.schema else ():
            declared.setdefault(item.name, []).append(item.place)
    columns = []
    for number, (name, values) in enumerate(_properties(texts, declared).items(), 1):
        places = declared.get(name, [])
        kind = kind_of(values, {_declared_kind(place) for place in places})
        called = free_name(name, number, taken)
        notes = [place.description.strip() for place in places]
        if called != name:
            notes.append(f"the property {name!r}")
        description = "; ".join(dict.fromkeys(note for note in notes if note))
        if kind.removesuffix("[]") in ("DOUBLE", "TIMESTAMP"):
            values = [as_kind(kind, value) for value in values]
        columns.append(TableColumn(called, kind, description, values))
    return columns


def _properties(texts: Sequence[str], declared: Iterable[str]) -> dict[str, list[Any]]:
    """What the records have of each property, None where one has nothing; MAX_PROPERTIES at most, the declared ones first."""
    found: dict[str, list[Any]] = {name: [] for name in islice(declared, MAX_PROPERTIES)}
    # Not one by one, which takes five times as long, nor all at once, for then Python searches them for garbage.
    for first in range(0, len(texts), READ_ROWS):
        records = json.loads(f"[{','.join(texts[first : first + READ_ROWS])}]")
        for name in dict.fromkeys(chain.from_iterable(records)):
            if name not in found and len(found) < MAX_PROPERTIES:
                found[name] = [None] * first
        for name, values in found.items():
            values += [record.get(name) for record in records]
    return found


def free_name(name: str, number: int, taken: set[str]) -> str:
    plain = name if name.strip() and len(name) <= MAX_NAME and name.isprintable() else f"property_{number}"
    called, count = plain, 1
    while called.lower() in taken:
        count += 1
        called = f"{plain}_{count}"
    taken.add(called.lower())
    return called


def _declared_kind(place: Place) -> str:
    """The type of a column by its schema alone."""
    match place.kind:
        case "string":
            return {"date": "DATE", "date-time": "TIMESTAMP"}.get(place.format, "VARCHAR")
        case "integer":
            return "BIGINT"
        case "number":
            return "DOUBLE"
        case "boolean":
            return "BOOLEAN"
        case "array":
            return f"{_declared_kind(place.items)}[]" if place.items else "JSON"
    return "JSON"


def kind_of(values: Sequence[Any], declared: set[str]) -> str:
    """The narrowest type that holds every value; without values, what the schemas agree on."""
    present = [value for value in values if value is not None]
    if not present:
        (kind, *others) = sorted(declared) or ["JSON"]
        return kind if not others and not kind.endswith("[][]") else "JSON"
    types = set(map(type, present))
    if types == {list}:
        items = [item for value in present for item in value]
        inner = {kind.removesuffix("[]") for kind in declared if kind.endswith("[]")}
        kind = kind_of(items, inner)
        return "JSON" if kind.endswith("[]") else f"{kind}[]"
    kinds = {_SCALAR_KINDS.get(type, "JSON") for type in types}
    if int in types:
        numbers = [value for value in present if type(value) is int]
        if min(numbers) not in _INTEGERS or max(numbers) not in _INTEGERS:
            kinds.add("JSON")
    if kinds == {"BIGINT", "DOUBLE"}:
        return "DOUBLE"
    if kinds == {"BIGINT"} and "DOUBLE" in declared:
        return "DOUBLE"
    if len(kinds) > 1:
        return "JSON"
    (kind,) = kinds
    if kind != "VARCHAR":
        return kind
    texts = set(present)
    if all(_day(value) is not None for value in texts):
        return "TIMESTAMP" if "TIMESTAMP" in declared else "DATE"
    if declared & {"DATE", "TIMESTAMP"} and all(_moment(value) is not None for value in texts):
        return "TIMESTAMP"
    return "VARCHAR"


def as_kind(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind.endswith("[]"):
        return [as_kind(kind[:-2], item) for item in value]
    if kind == "TIMESTAMP":
        return _moment(value)
    return float(value) if kind == "DOUBLE" else value


def _day(value: str) -> str | None:
    try:
        return date.fromisoformat(value).isoformat() if len(value) == 10 else None
    except ValueError:
        return None


def _moment(value: str) -> str | None:
    """In UTC, without a zone."""
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None
    return moment.isoformat()


def clean(texts: Sequence[str]) -> Sequence[str]:
    """JSON without what `finite` takes away. Most texts have nothing of that, and stay as they are."""
    together = "".join(texts)
    if not any(part in together for part in (_NUL, "NaN", "Infinity")):
        return texts
    return [_dumped(finite(json.loads(text))) for text in texts]


def finite(value: Any) -> Any:
    """JSON has no NaN and DuckDB's strings no NUL."""
    match value:
        case float():
            return value if isfinite(value) else None
        case str():
            return value.replace("\0", "")
        case list():
            return [finite(item) for item in value]
        case dict():
            return {finite(key): finite(item) for key, item in value.items()}
    return value


def moments(unix_ms: Sequence[int]) -> list[str]:
    """ISO 8601 in UTC, without a zone; a tenth of the time of datetimes."""
    return np.datetime_as_string(np.array(unix_ms, "datetime64[ms]")).tolist()


def sql_table(name: str, columns: Sequence[TableColumn]) -> SqlTable:
    count = len(columns[0].values) if columns else 0
    batches = tuple(_batch(columns, first, min(BATCH_ROWS, count - first)) for first in range(0, count, BATCH_ROWS))
    return SqlTable(name, tuple((column.name, column.type) for column in columns), batches)


def _batch(columns: Sequence[TableColumn], first: int, rows: int) -> SqlBatch:
    held = [column.values[first : first + rows] for column in columns]
    same = tuple(place for place, values in enumerate(held) if rows > 1 and _is_one_text(values))
    for place in same:
        held[place] = held[place][:1]
    return SqlBatch(rows, tuple(map(_as_json, held, (column.is_encoded for column in columns))), same)


def _is_one_text(values: Sequence[Any]) -> bool:
    """Or NULL alone. Of numbers and truth values, equal ones may be unlike: 1 and true."""
    return (values[0] is None or type(values[0]) is str) and values.count(values[0]) == len(values)


def _as_json(values: Sequence[Any], is_encoded: bool) -> bytes:
    if is_encoded:
        return f"[{','.join(values)}]".encode()
    try:
        content = _dumped(values)
    except ValueError:
        content = _NUL
    return (content if _NUL not in content else _dumped([finite(value) for value in values])).encode()


def _dumped(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def described_table(name: str, columns: Sequence[TableColumn], description: str) -> pb.EntityTable:
    return pb.EntityTable(name=name, columns=[_column(column) for column in columns], description=description)


def _column(column: TableColumn) -> pb.Column:
    """Examples are the commonest values of a text, and some from smallest to largest of anything else."""
    description = column.description
    if column.name.endswith("_id") or column.type.startswith("JSON"):
        return pb.Column(name=column.name, type=column.type, description=description)
    values = column.values
    if column.type.endswith("[]"):
        values = [item for value in values if value is not None for item in value]
    counts = Counter(values)
    del counts[None]
    if column.type.startswith("VARCHAR"):
        for blank in [value for value in counts if not value.strip()]:
            del counts[blank]
        short = [value for value in counts if len(value) <= EXAMPLE_CHARACTERS]
        examples = nsmallest(TEXT_EXAMPLES, short, key=lambda value: (-counts[value], value))
        while sum(map(len, examples)) > COLUMN_EXAMPLE_CHARACTERS:
            examples.pop()
        description = f"{description} ({len(counts)} different values)".strip()
    else:
        ordered = sorted(counts)
        last = len(ordered) - 1
        places = (
            {round(index * last / max(1, OTHER_EXAMPLES - 1)) for index in range(OTHER_EXAMPLES)} if ordered else ()
        )
        examples = [json.dumps(ordered[place]).strip('"') for place in sorted(places)]
    return pb.Column(name=column.name, type=column.type, description=description, examples=examples)
