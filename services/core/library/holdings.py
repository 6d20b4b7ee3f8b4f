"""Holdings: all that collections of entities hold at one moment, for queries that count it."""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Column, Connection, Float, Label, Row, Select, Text, cast, literal, null, select, union_all

from services.core.library.extractions import is_member, member_status, segment_records
from services.core.store.database import Database
from services.core.store.schema import (
    collection_files,
    descriptions,
    extractions,
    files,
    segment_entities,
    segments,
)
from services.core.store.tombstones import is_kept

MAX_RECORDS = 100_000  # of files and of segments together
MAX_MEMBERS = 100_000
MAX_CHARACTERS = 64 * 1024**2  # of JSON: the records, and what the uploaders noted
BATCH = 1_000


@dataclass(frozen=True)
class Bounds:
    records: int = MAX_RECORDS
    members: int = MAX_MEMBERS
    characters: int = MAX_CHARACTERS

    def __str__(self) -> str:
        return f"{self.members} videos, {self.records} records or {self.characters // 1024**2} MiB of them"


class MemberFiles(NamedTuple):
    """Files in collections, by column; the same file may be in several."""

    collection_id: Sequence[str] = ()
    file_id: Sequence[str] = ()
    filename: Sequence[str] = ()
    duration_seconds: Sequence[float | None] = ()
    created_at: Sequence[int] = ()  # Unix milliseconds
    metadata: Sequence[str] = ()  # JSON
    status: Sequence[str] = ()  # pending, processing, completed or failed, in this collection


class EntityRecords(NamedTuple):
    """Records, by column; of the whole file where segment_id is None."""

    collection_id: Sequence[str] = ()
    file_id: Sequence[str] = ()
    segment_id: Sequence[str | None] = ()
    start_time: Sequence[float | None] = ()
    end_time: Sequence[float | None] = ()
    entities: Sequence[str] = ()  # JSON


Columns = TypeVar("Columns", MemberFiles, EntityRecords)


def only(columns: Columns, places: Sequence[int]) -> Columns:
    """The rows at these places, in this order."""
    kept: list[Any] = [list(map(column.__getitem__, places)) for column in columns]
    return type(columns)(*kept)


@dataclass(frozen=True)
class Holdings:
    """What was read. `digest`, `files` and `records` take a while where there is much: read them in a thread.

    Where `is_too_much`, there is more than the bounds allow, and nothing is told of it. Each of the `columns` has a value of
    every row: by row, Python would search 10,000 of them for garbage.
    """

    columns: Mapping[str, Sequence[Any]]
    is_too_much: bool = False

    @cached_property
    def digest(self) -> bytes:
        """The same for the same content, if the database tells it in the same order."""
        # Version 2 writes equal values equally, whether they are one object or two; a fifth of the time of their repr.
        return blake2b(marshal.dumps(list(self.columns.values()), 2)).digest()

    @cached_property
    def files(self) -> MemberFiles:
        """In the order they were added."""
        return only(MemberFiles(*map(self.columns.__getitem__, MemberFiles._fields)), self._members)

    @cached_property
    def records(self) -> EntityRecords:
        """Those of files in the order of files, then those of segments in the order of time."""
        member_of = list(zip(self.columns["collection_id"], self.columns["file_id"], strict=True))
        order = {member_of[place]: number for number, place in enumerate(self._members)}
        positions, entities = self.columns["position"], self.columns["entities"]
        parts = sorted(
            (order[member_of[place]], positions[place], place)
            for place, segment in enumerate(self.columns["segment_id"])
            if segment is not None and member_of[place] in order
        )
        places = [place for place in (*self._members, *(place for *_, place in parts)) if entities[place] is not None]
        return only(EntityRecords(*map(self.columns.__getitem__, EntityRecords._fields)), places)

    @cached_property
    def _members(self) -> list[int]:
        """Their places, in the order they were added."""
        names = ("collection_id", "added_at", "file_id")
        added = list(zip(*map(self.columns.__getitem__, names), strict=True))
        found = [place for place, filename in enumerate(self.columns["filename"]) if filename is not None]
        return sorted(found, key=added.__getitem__)


async def read_holdings(database: Database, tenant_id: str, collection_ids: Sequence[str], bounds: Bounds) -> Holdings:
    """By one statement: a file that leaves meanwhile is there with all its records, or not at all."""
    query = _holdings(tenant_id, collection_ids, bounds)
    room = _Room([column.name for column in query.selected_columns], bounds)
    return Holdings(room.columns, is_too_much=not await _has_taken_all(database, query, room))


class _Room:
    """Takes rows by column within the bounds: counted one by one, 10,000 took a third of the time of reading them."""

    def __init__(self, names: Sequence[str], bounds: Bounds) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in names}
        self._members, self._records, self._characters = bounds.members, bounds.records, bounds.characters

    def takes(self, rows: Sequence[Row]) -> bool:
        """Whether there is room for these too, of which there is one at least. Else it is empty again."""
        columns = dict(zip(self.columns, zip(*rows, strict=True), strict=True))
        self._members -= len(rows) - columns["filename"].count(None)
        self._records -= len(rows) - columns["entities"].count(None)
        self._characters -= sum(len(text) for name in ("entities", "metadata") for text in columns[name] if text)
        if min(self._members, self._records, self._characters) < 0:
            for held in self.columns.values():
                held.clear()
            return False
        for name, values in columns.items():
            self.columns[name] += values
        return True


async def _has_taken_all(database: Database, query: Any, room: _Room) -> bool:
    """Other requests are not held up by how many rows there are."""

    def taken(connection: Connection) -> bool:
        return all(room.takes(batch) for batch in connection.execute(query).partitions(BATCH))

    if database.is_sqlite:
        return await database.reading(taken)
    async with database.write() as connection:  # PostgreSQL's cursors live in transactions
        result = await connection.stream(query, execution_options={"yield_per": BATCH})
        async for batch in result.partitions():
            if not room.takes(batch):
                return False
    return True


def _holdings(tenant_id: str, collection_ids: Sequence[str], bounds: Bounds) -> Any:
    """Rows of members, with the records of whole files, and rows of segments. JSON comes as text."""
    of_members = (
        select(
            collection_files.c.collection_id,
            collection_files.c.file_id,
            cast(extractions.c.entities, Text).label("entities"),
            files.c.filename,
            files.c.media_info["duration_seconds"].as_float().label("duration_seconds"),
            files.c.created_at,
            cast(files.c.metadata, Text).label("metadata"),
            member_status.label("status"),
            collection_files.c.added_at,
            literal(0).label("position"),
            _none(segment_entities.c.segment_id),
            _none(segments.c.start_time),
            _none(segments.c.end_time),
        )
        .join(files, files.c.id == collection_files.c.file_id)
        .join(descriptions, descriptions.c.id == collection_files.c.description_id)
        .outerjoin(extractions, is_member)
        .where(
            collection_files.c.tenant_id == tenant_id,
            collection_files.c.collection_id.in_(list(collection_ids)),
            is_kept(files),
        )
        .limit(bounds.members + 1)
    )
    columns = (
        extractions.c.collection_id,
        extractions.c.file_id,
        cast(segment_entities.c.entities, Text).label("entities"),
        _none(files.c.filename),
        cast(null(), Float).label("duration_seconds"),
        _none(files.c.created_at),
        cast(null(), Text).label("metadata"),
        _none(extractions.c.status),
        _none(collection_files.c.added_at),
        segments.c.position,
        segment_entities.c.segment_id,
        segments.c.start_time,
        segments.c.end_time,
    )
    of_segments = segment_records(tenant_id, collection_ids, columns).limit(bounds.records + 1)
    return union_all(_whole(of_members), _whole(of_segments))


def _none(column: Column) -> Label:
    return cast(null(), column.type).label(column.name)


def _whole(query: Select) -> Select:
    """SQLite takes no LIMIT in a part of a union, but in what that part is of."""
    return select(query.subquery())
