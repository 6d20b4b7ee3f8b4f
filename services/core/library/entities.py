"""Entities: the records that extraction makes of files and segments, as they are written and as they are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Row, RowMapping, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.entities.configs import ExtractConfig
from services.core.entities.schemas import misfit
from services.core.errors import ArcusError, Reason, not_found
from services.core.jobs import Job, LeaseLostError, got_on, is_held
from services.core.library.extractions import is_member, segment_records
from services.core.library.holdings import Bounds, Holdings, read_holdings
from services.core.library.segments import Segment
from services.core.store.database import Database
from services.core.store.pages import Page
from services.core.store.places import Place
from services.core.store.schema import collection_files, collections, extractions, segment_entities, segments
from services.core.store.tombstones import is_kept, of_kept_file

MAX_RECORD_CHARACTERS = 256 * 1024
LISTED_SEGMENTS = 100
BY_POSITION = ("position", "asc")
Json = dict[str, Any]


@dataclass(frozen=True)
class ValueSource:
    """Where a value was found. `path` leads to it in the record: speakers[0].name; times are seconds in the file."""

    path: str
    start_time: float
    end_time: float


@dataclass(frozen=True)
class SegmentEntities:
    segment_id: str
    start_time: float
    end_time: float
    entities: Json


@dataclass(frozen=True)
class FileEntities:
    """What is extracted so far: `entities` of the whole file, None where there are none, and a page of its segments'."""

    entities: Json | None = None
    sources: tuple[ValueSource, ...] = ()
    segments: list[SegmentEntities] = field(default_factory=list)
    total: int = 0
    next_after: str = ""  # of segments; empty on the last page


@dataclass(frozen=True)
class Extraction:
    """An extraction as its worker sees it."""

    id: str
    tenant_id: str
    file_id: str
    description_id: str
    segmentation_id: str
    status: str
    config: ExtractConfig


class Entities:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def held(self, tenant_id: str, collection_ids: Sequence[str], bounds: Bounds = Bounds()) -> Holdings:
        """All that the collections hold at one moment, or that it is more than the bounds allow.

        Raises NOT_FOUND for a collection that is not the tenant's.
        """
        async with self._database.read() as connection:
            await _check_collections(connection, tenant_id, collection_ids)
        return await read_holdings(self._database, tenant_id, collection_ids, bounds)

    async def of_file(self, tenant_id: str, collection_id: str, file_id: str, page: Page) -> FileEntities:
        """The entities of a file in a collection, with one page of its segments'."""
        return (await self.of_files(tenant_id, collection_id, [file_id], page)).get(file_id, FileEntities())

    async def of_files(
        self, tenant_id: str, collection_id: str, file_ids: Sequence[str], page: Page = Page(limit=LISTED_SEGMENTS)
    ) -> dict[str, FileEntities]:
        """The entities of files in a collection, each with one page of its segments'. Raises INVALID_ARGUMENT for no place."""
        place = Place.read(page.after, order=BY_POSITION[0], sort=BY_POSITION[1], types=[int]) if page.after else None
        among = extractions.c.file_id.in_(list(file_ids))
        of_files = _members(tenant_id, [collection_id]).where(among)
        columns = (extractions.c.file_id, func.count().label("total"))
        counted = segment_records(tenant_id, [collection_id], columns).where(among).group_by(extractions.c.file_id)
        records = _segments(tenant_id, [collection_id]).where(among).order_by(None)
        if place:
            records = records.where(segments.c.position > place.values[0])
        number = func.row_number().over(partition_by=extractions.c.file_id, order_by=segments.c.position)
        ranked = records.add_columns(segments.c.position, number.label("number")).subquery()
        shown = (
            select(ranked)
            .where(ranked.c.number > page.offset, ranked.c.number <= page.offset + page.limit + 1)
            .order_by(ranked.c.file_id, ranked.c.position)
        )
        async with self._database.read() as connection:
            files = (await connection.execute(of_files)).all()
            parts = (await connection.execute(shown)).all()
            totals: dict[str, int] = {}
            if not place:
                totals = {row.file_id: row.total for row in await connection.execute(counted)}
        return {
            file.file_id: _listed(
                file,
                [part for part in parts if part.file_id == file.file_id],
                page,
                place.total if place else totals.get(file.file_id, 0),
            )
            for file in files
        }

    # What the ingest application reads and writes. Every write is fenced by the job's lease.

    async def find(self, id: str) -> Extraction | None:
        """An extraction of any tenant, for a worker that was handed its id by a job; None once its file has left."""
        query = (
            select(extractions, collection_files.c.description_id, collection_files.c.segmentation_id)
            .add_columns(collections.c.extract_config)
            .join(collections, collections.c.id == extractions.c.collection_id)
            .join(collection_files, is_member)
            .where(extractions.c.id == id, is_kept(collections), of_kept_file(extractions.c.file_id))
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return _extraction(row) if row else None

    async def start(self, job: Job, owner: str) -> list[Segment]:
        """Marks an extraction as under way. Returns the segments that have no record yet."""
        id = job.subject_id
        done = select(segment_entities.c.segment_id).where(segment_entities.c.extraction_id == id)
        missing = (
            select(segments)
            .join(collection_files, collection_files.c.segmentation_id == segments.c.segmentation_id)
            .join(extractions, is_member)
            .where(extractions.c.id == id, segments.c.id.not_in(done))
            .order_by(segments.c.position)
        )
        async with self._database.write() as connection:
            await _hold(connection, job, owner)
            await connection.execute(update(extractions).where(extractions.c.id == id).values(status="processing"))
            return [Segment.from_row(row) for row in (await connection.execute(missing)).mappings()]

    async def write_segment(
        self,
        job: Job,
        owner: str,
        extraction: Extraction,
        segment_id: str,
        entities: Json | None,
        sources: Sequence[ValueSource] = (),
    ) -> None:
        """Keeps the record of one segment; None tells that it has none. Raises INTERNAL for one that does not fit."""
        _check(extraction, entities)
        async with self._database.write() as connection:
            await _hold(connection, job, owner)
            await got_on(connection, job)
            await connection.execute(
                insert(segment_entities).values(
                    extraction_id=extraction.id,
                    segment_id=segment_id,
                    tenant_id=extraction.tenant_id,
                    entities=entities,
                    sources=[asdict(source) for source in sources],
                )
            )
            await connection.execute(
                update(extractions)
                .where(extractions.c.id == extraction.id)
                .values(segments_done=extractions.c.segments_done + 1)
            )

    async def write_file(
        self,
        job: Job,
        owner: str,
        extraction: Extraction,
        entities: Json | None,
        sources: Sequence[ValueSource] = (),
        *,
        segments_done: int,
    ) -> None:
        """Keeps the record of the whole file; None tells that it has none. Raises INTERNAL for one that does not fit."""
        _check(extraction, entities)
        async with self._database.write() as connection:
            await _hold(connection, job, owner)
            await connection.execute(
                update(extractions)
                .where(extractions.c.id == extraction.id)
                .values(
                    entities=entities,
                    sources=[asdict(source) for source in sources],
                    segments_done=segments_done,
                )
            )

    async def finish(self, job: Job, owner: str) -> None:
        async with self._database.write() as connection:
            await _hold(connection, job, owner)
            await connection.execute(
                update(extractions).where(extractions.c.id == job.subject_id).values(status="completed", error=None)
            )

    async def set_failed(self, id: str, error: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(extractions)
                .where(extractions.c.id == id, extractions.c.status != "completed")
                .values(status="failed", error=error)
            )


def _listed(file: Row[Any], parts: Sequence[Row[Any]], page: Page, total: int) -> FileEntities:
    """parts: those of the page, and the next one."""
    here = parts[: page.limit]
    return FileEntities(
        file.entities,
        tuple(ValueSource(**item) for item in file.sources or ()),
        [SegmentEntities(part.segment_id, part.start_time, part.end_time, part.entities) for part in here],
        total,
        Place(*BY_POSITION, (here[-1].position,), total).key() if len(parts) > len(here) else "",
    )


def _check(extraction: Extraction, entities: Json | None) -> None:
    if entities is None:
        return
    problem = misfit(extraction.config.schema, entities)
    if not problem and len(json.dumps(entities)) > MAX_RECORD_CHARACTERS:
        problem = f"the record has more than {MAX_RECORD_CHARACTERS} characters"
    if problem:
        raise ArcusError(Reason.INTERNAL, f"The entities that the engine made do not fit the schema: {problem}")


async def _hold(connection: AsyncConnection, job: Job, owner: str) -> None:
    """Keeps the job and its extraction for this transaction, in the order that everyone locks them."""
    if not await is_held(connection, job, owner):
        raise LeaseLostError
    locked = select(extractions.c.id).where(extractions.c.id == job.subject_id).with_for_update()
    if (await connection.execute(locked)).first() is None:
        raise LeaseLostError


async def _check_collections(connection: AsyncConnection, tenant_id: str, ids: Sequence[str]) -> None:
    query = select(collections.c.id).where(
        collections.c.tenant_id == tenant_id, collections.c.id.in_(list(ids)), is_kept(collections)
    )
    known = set((await connection.execute(query)).scalars())
    for id in ids:
        if id not in known:
            raise not_found("Collection", id)


def _members(tenant_id: str, collection_ids: Sequence[str]) -> Select:
    return (
        select(extractions)
        .join(collection_files, is_member)
        .where(
            extractions.c.tenant_id == tenant_id,
            extractions.c.collection_id.in_(list(collection_ids)),
            of_kept_file(extractions.c.file_id),
        )
        .order_by(extractions.c.collection_id, collection_files.c.added_at, extractions.c.file_id)
    )


def _segments(tenant_id: str, collection_ids: Sequence[str]) -> Select:
    """The segments that have a record."""
    columns = (
        extractions.c.collection_id,
        extractions.c.file_id,
        segment_entities.c.segment_id,
        segments.c.start_time,
        segments.c.end_time,
        segment_entities.c.entities,
    )
    return segment_records(tenant_id, collection_ids, columns).order_by(
        extractions.c.collection_id, extractions.c.created_at, extractions.c.file_id, segments.c.position
    )


def _extraction(row: RowMapping) -> Extraction:
    return Extraction(
        id=row["id"],
        tenant_id=row["tenant_id"],
        file_id=row["file_id"],
        description_id=row["description_id"],
        segmentation_id=row["segmentation_id"],
        status=row["status"],
        config=ExtractConfig.from_json(row["extract_config"]),
    )
