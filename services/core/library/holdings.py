"""Holdings: all that collections of entities hold at one moment, for queries that count it."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from operator import attrgetter, itemgetter
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
Item = TypeVar("Item", "MemberFile", "EntityRow")


@dataclass(frozen=True)
class Bounds:
    records: int = MAX_RECORDS
    members: int = MAX_MEMBERS
    characters: int = MAX_CHARACTERS

    def __str__(self) -> str:
        return f"{self.members} videos, {self.records} records or {self.characters // 1024**2} MiB of them"


# Tuples: to make 10,000 and to look into them takes a tenth of the time of data classes and of SQLAlchemy's rows.


class MemberFile(NamedTuple):
    """A file in a collection; the same file may be in several."""

    collection_id: str
    file_id: str
    filename: str
    duration_seconds: float | None = None
    created_at: int = 0  # Unix milliseconds
    metadata: str = "{}"  # JSON
    status: str = "completed"  # pending, processing, completed or failed, in this collection


class EntityRow(NamedTuple):
    """One record; of the whole file where segment_id is None."""

    collection_id: str
    file_id: str
    segment_id: str | None
    start_time: float | None
    end_time: float | None
    entities: str  # JSON


class HeldRow(NamedTuple):
    """A row as it is read: of a member, with the record of the whole file, or of a segment, without a filename."""

    collection_id: str
    file_id: str
    entities: str | None
    filename: str | None
    duration_seconds: float | None
    created_at: int
    metadata: str
    status: str
    added_at: int
    position: int
    segment_id: str | None
    start_time: float | None
    end_time: float | None


@dataclass(frozen=True)
class Holdings:
    """What was read. `digest`, `files` and `records` take a while where there is much: read them in a thread.

    Where `is_too_much`, there is more than the bounds allow, and nothing is told of it.
    """

    rows: Sequence[HeldRow] = ()
    is_too_much: bool = False

    @cached_property
    def digest(self) -> bytes:
        """The same for the same content, if the database tells it in the same order."""
        # Version 2 writes equal values equally, whether they are one object or two; a fifth of the time of their repr.
        return blake2b(marshal.dumps(list(zip(*self.rows, strict=True)), 2)).digest()

    @cached_property
    def files(self) -> list[MemberFile]:
        """In the order they were added."""
        return _made(MemberFile, self._members)

    @cached_property
    def records(self) -> list[EntityRow]:
        """Those of files in the order of files, then those of segments in the order of time."""
        order = {(row.collection_id, row.file_id): number for number, row in enumerate(self._members)}
        parts = [
            (order[row.collection_id, row.file_id], row.position, row)
            for row in self.rows
            if row.segment_id is not None and (row.collection_id, row.file_id) in order
        ]
        parts.sort(key=itemgetter(0, 1))
        held = [row for row in self._members if row.entities is not None]
        held += [row for *_, row in parts if row.entities is not None]
        return _made(EntityRow, held)

    @cached_property
    def _members(self) -> list[HeldRow]:
        found = [row for row in self.rows if row.filename is not None]
        return sorted(found, key=attrgetter("collection_id", "added_at", "file_id"))


async def read_holdings(database: Database, tenant_id: str, collection_ids: Sequence[str], bounds: Bounds) -> Holdings:
    """By one statement: a file that leaves meanwhile is there with all its records, or not at all."""
    rows = await _rows(database, _holdings(tenant_id, collection_ids, bounds), _Room(bounds))
    return Holdings(is_too_much=True) if rows is None else Holdings(rows)


class _Room:
    """Counts rows against the bounds, by column: row by row it took a third of the time of reading 10,000 of them."""

    def __init__(self, bounds: Bounds) -> None:
        self._members, self._records, self._characters = bounds.members, bounds.records, bounds.characters

    def has(self, rows: Sequence[Row]) -> bool:
        """Whether there is room for these too, of which there is one at least."""
        columns = dict(zip(HeldRow._fields, zip(*rows, strict=True), strict=True))
        self._members -= len(rows) - columns["filename"].count(None)
        self._records -= len(rows) - columns["entities"].count(None)
        self._characters -= sum(len(text) for name in ("entities", "metadata") for text in columns[name] if text)
        return min(self._members, self._records, self._characters) >= 0


async def _rows(database: Database, query: Any, room: _Room) -> list[HeldRow] | None:
    """None where there is no room for them all. Other requests are not held up by how many there are."""

    def taken(connection: Connection) -> list[HeldRow] | None:
        found: list[HeldRow] = []
        for batch in connection.execute(query).partitions(BATCH):
            if not room.has(batch):
                return None
            found += map(HeldRow._make, batch)
        return found

    if database.is_sqlite:
        return await database.reading(taken)
    found: list[HeldRow] = []
    async with database.write() as connection:  # PostgreSQL's cursors live in transactions
        result = await connection.stream(query, execution_options={"yield_per": BATCH})
        async for batch in result.partitions():
            if not room.has(batch):
                return None
            found += map(HeldRow._make, batch)
    return found


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


def _made(kind: type[Item], rows: Sequence[HeldRow]) -> list[Item]:
    """Of the columns that are called as the kind's fields are."""
    return list(map(kind._make, map(attrgetter(*kind._fields), rows)))
