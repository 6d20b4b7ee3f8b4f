"""Holdings: all that collections of entities hold at one moment, for queries that count it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Label, Row, Select, Text, cast, literal, null, select, union_all

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
Json = dict[str, Any]


@dataclass(frozen=True)
class Bounds:
    records: int = MAX_RECORDS
    members: int = MAX_MEMBERS
    characters: int = MAX_CHARACTERS

    def __str__(self) -> str:
        return f"{self.members} videos, {self.records} records or {self.characters // 1024**2} MiB of them"


@dataclass(frozen=True)
class MemberFile:
    """A file in a collection; the same file may be in several."""

    collection_id: str
    file_id: str
    filename: str
    duration_seconds: float | None = None
    created_at: int = 0  # Unix milliseconds
    metadata: Json = field(default_factory=dict)
    status: str = "completed"  # pending, processing, completed or failed, in this collection


@dataclass(frozen=True)
class EntityRow:
    """One record; of the whole file where segment_id is None."""

    collection_id: str
    file_id: str
    segment_id: str | None
    start_time: float | None
    end_time: float | None
    entities: Json


@dataclass(frozen=True)
class Holdings:
    """Files in the order they were added; records of files in that order, then those of segments in the order of time.

    Where `is_too_much`, there is more than the bounds allow, and nothing is told of it.
    """

    files: list[MemberFile] = field(default_factory=list)
    records: list[EntityRow] = field(default_factory=list)
    is_too_much: bool = False


async def read_holdings(database: Database, tenant_id: str, collection_ids: Sequence[str], bounds: Bounds) -> Holdings:
    """By one statement: a file that leaves meanwhile is there with all its records, or not at all."""
    rows = await _rows(database, _holdings(tenant_id, collection_ids, bounds), _Room(bounds))
    return Holdings(is_too_much=True) if rows is None else await asyncio.to_thread(_parsed, rows)


class _Room:
    """Counts rows against the bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self._members, self._records, self._characters = bounds.members, bounds.records, bounds.characters

    def has(self, row: Row) -> bool:
        """Whether there is room for one more row."""
        self._members -= row.filename is not None
        self._records -= row.entities is not None
        self._characters -= len(row.entities or "") + len(row.metadata or "")
        return min(self._members, self._records, self._characters) >= 0


async def _rows(database: Database, query: Any, room: _Room) -> list[Row] | None:
    """None where there is no room for them all. Other requests are not held up by how many there are."""

    def taken(connection: Connection) -> list[Row] | None:
        found = []
        for row in connection.execute(query):
            if not room.has(row):
                return None
            found.append(row)
        return found

    if database.is_sqlite:
        return await database.reading(taken)
    found: list[Row] = []
    async with database.write() as connection:  # PostgreSQL's cursors live in transactions
        result = await connection.stream(query, execution_options={"yield_per": BATCH})
        async for batch in result.partitions():
            if not all(map(room.has, batch)):
                return None
            found += batch
    return found


def _holdings(tenant_id: str, collection_ids: Sequence[str], bounds: Bounds) -> Any:
    """Rows of members, with the records of whole files, and rows of segments. JSON comes as text."""
    of_members = (
        select(
            collection_files.c.collection_id,
            collection_files.c.file_id,
            cast(extractions.c.entities, Text).label("entities"),
            files.c.filename,
            cast(files.c.media_info, Text).label("media_info"),
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
        cast(null(), Text).label("media_info"),
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


def _parsed(rows: Sequence[Row]) -> Holdings:
    members = sorted(
        (row for row in rows if row.filename is not None),
        key=lambda row: (row.collection_id, row.added_at, row.file_id),
    )
    order = {(row.collection_id, row.file_id): number for number, row in enumerate(members)}
    parts = sorted(
        (row for row in rows if row.segment_id is not None and (row.collection_id, row.file_id) in order),
        key=lambda row: (order[row.collection_id, row.file_id], row.position),
    )
    return Holdings(
        [_member(row) for row in members],
        [
            EntityRow(
                row.collection_id, row.file_id, row.segment_id, row.start_time, row.end_time, json.loads(row.entities)
            )
            for row in (*members, *parts)
            if row.entities is not None
        ],
    )


def _member(row: Row) -> MemberFile:
    info = json.loads(row.media_info) if row.media_info else None
    return MemberFile(
        row.collection_id,
        row.file_id,
        row.filename,
        info["duration_seconds"] if info else None,
        row.created_at,
        json.loads(row.metadata),
        row.status,
    )
