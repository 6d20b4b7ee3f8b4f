"""Segments of a file: its segmentations, when each part starts and ends, and the metadata that its owner gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, select, update

from services.core.errors import invalid, not_found
from services.core.media import Span
from services.core.search.filters import SearchFilter, file_condition, segment_condition
from services.core.store.database import Database
from services.core.store.pages import Listing, Page, list_page
from services.core.store.plain_json import check_metadata
from services.core.store.schema import collection_files, files, segmentations, segments
from services.core.store.tombstones import is_kept

MAX_KEPT = 200_000


@dataclass(frozen=True)
class Segment:
    id: str
    tenant_id: str
    segmentation_id: str
    file_id: str
    position: int
    start_time: float
    end_time: float
    metadata: dict[str, Any]

    @property
    def span(self) -> Span:
        return Span(self.start_time, self.end_time)

    @classmethod
    def from_row(cls, row: RowMapping) -> Segment:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Segmentation:
    """One way in which one file is divided into segments."""

    id: str
    file_id: str
    config: dict[str, Any]
    status: str
    created_at: int
    segment_count: int
    segment_thumbnails: bool

    @classmethod
    def from_row(cls, row: RowMapping) -> Segmentation:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class SegmentRange:
    """Seconds, all inclusive: starts at or after, ends at or before, lasts from `shortest` to `longest`."""

    start_time_after: float | None = None
    end_time_before: float | None = None
    shortest: float | None = None
    longest: float | None = None

    def __post_init__(self) -> None:
        names = ("start_time_after", "end_time_before", "min_duration", "max_duration")
        for name, value in zip(names, self.__dict__.values(), strict=True):
            if value is not None and not 0 <= value < float("inf"):
                raise invalid(f"{name} must be seconds, 0 or more", field=name)
        if self.shortest is not None and self.longest is not None and self.longest < self.shortest:
            raise invalid("max_duration must not be below min_duration", field="max_duration")


class Segments:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def segmentations(self, tenant_id: str, file_id: str, page: Page) -> Listing[Segmentation]:
        """Of one file, the newest first. Raises NOT_FOUND for a file that is not the tenant's."""
        await self._check_file(tenant_id, file_id)
        count = select(func.count()).select_from(segments).where(segments.c.segmentation_id == segmentations.c.id)
        query = (
            select(segmentations, count.scalar_subquery().label("segment_count"), files.c.segment_thumbnails)
            .join(files, files.c.id == segmentations.c.file_id)
            .where(segmentations.c.tenant_id == tenant_id, segmentations.c.file_id == file_id)
        )
        orders = {"created_at": segmentations.c.created_at}
        return await list_page(
            self._database, query, page, orders=orders, tie=segmentations.c.id, build=Segmentation.from_row
        )

    async def list(
        self, tenant_id: str, file_id: str, page: Page, *, within: SegmentRange = SegmentRange()
    ) -> Listing[Segment]:
        """Of all segmentations of one file. Raises NOT_FOUND for a file that is not the tenant's."""
        await self._check_file(tenant_id, file_id)
        query = select(segments).where(segments.c.tenant_id == tenant_id, segments.c.file_id == file_id)
        duration = segments.c.end_time - segments.c.start_time
        if within.start_time_after is not None:
            query = query.where(segments.c.start_time >= within.start_time_after)
        if within.end_time_before is not None:
            query = query.where(segments.c.end_time <= within.end_time_before)
        if within.shortest is not None:
            query = query.where(duration >= within.shortest)
        if within.longest is not None:
            query = query.where(duration <= within.longest)
        orders = {"start_time": segments.c.start_time}
        return await list_page(self._database, query, page, orders=orders, tie=segments.c.id, build=Segment.from_row)

    async def get(self, tenant_id: str, file_id: str, id: str) -> Segment:
        await self._check_file(tenant_id, file_id)
        query = select(segments).where(
            segments.c.tenant_id == tenant_id, segments.c.file_id == file_id, segments.c.id == id
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise not_found("Segment", id)
        return Segment.from_row(row)

    async def update(self, tenant_id: str, file_id: str, id: str, *, metadata: dict[str, Any] | None) -> Segment:
        """Replaces all of the metadata; None leaves it."""
        check_metadata(metadata)
        if metadata is not None:
            change = update(segments).where(
                segments.c.tenant_id == tenant_id, segments.c.file_id == file_id, segments.c.id == id
            )
            async with self._database.write() as connection:
                await connection.execute(change.values(metadata=metadata))
        return await self.get(tenant_id, file_id, id)

    async def files_kept(
        self, tenant_id: str, filter: SearchFilter, collection_ids: Sequence[str] | None = None
    ) -> frozenset[str]:
        """Ids of the files that a filter keeps: of these collections, or of all of the tenant's."""
        query = select(files.c.id).where(files.c.tenant_id == tenant_id, is_kept(files))
        query = query.where(file_condition(filter, is_sqlite=self._database.is_sqlite))
        if collection_ids is not None:
            query = query.where(self._in_collections(collection_ids))
        async with self._database.read() as connection:
            rows = (await connection.execute(query.limit(MAX_KEPT + 1))).scalars().all()
        return frozenset(_bounded(rows, "files"))

    async def segments_kept(
        self, tenant_id: str, filter: SearchFilter, collection_ids: Sequence[str] | None = None
    ) -> dict[str, str]:
        """Segments that a filter keeps, with the file of each."""
        is_sqlite = self._database.is_sqlite
        of_files = SearchFilter(tuple(item for item in filter.criteria if item.scope == "file"))
        query = (
            select(segments.c.id, segments.c.file_id)
            .join(files, files.c.id == segments.c.file_id)
            .where(files.c.tenant_id == tenant_id, segments.c.tenant_id == tenant_id, is_kept(files))
            .where(file_condition(of_files, is_sqlite=is_sqlite), segment_condition(filter, is_sqlite=is_sqlite))
        )
        if collection_ids is not None:
            query = query.where(self._in_collections(collection_ids))
        async with self._database.read() as connection:
            rows = (await connection.execute(query.limit(MAX_KEPT + 1))).all()
        return {row.id: row.file_id for row in _bounded(rows, "segments")}

    def _in_collections(self, collection_ids: Sequence[str]) -> ColumnElement[bool]:
        among = self._database.among(collection_files.c.collection_id, collection_ids)
        return files.c.id.in_(select(collection_files.c.file_id).where(among))

    async def _check_file(self, tenant_id: str, file_id: str) -> None:
        query = select(files.c.id).where(files.c.tenant_id == tenant_id, files.c.id == file_id, is_kept(files))
        async with self._database.read() as connection:
            if (await connection.execute(query)).first() is None:
                raise not_found("File", file_id)


def _bounded(rows: Sequence[Any], noun: str) -> Sequence[Any]:
    if len(rows) > MAX_KEPT:
        raise invalid(f"The filter matches more than {MAX_KEPT} {noun}; make it narrower.", field="filter")
    return rows
