"""Searches: what was asked and found, as it is stored, and what there is to show of a hit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, insert, select, tuple_

from services.core.clock import now_ms
from services.core.errors import not_found
from services.core.store.database import Database
from services.core.store.pages import CreatedRange, Listing, Page, list_page
from services.core.store.schema import (
    descriptions,
    embeddings,
    files,
    searches,
    segment_descriptions,
    segments,
    thumbnails,
)
from services.core.store.tombstones import is_kept

MAX_BATCH = 100


@dataclass(frozen=True)
class SearchHit:
    """A segment, or with an empty segment_id a file, as one description tells of it."""

    collection_id: str
    description_id: str
    file_id: str
    segment_id: str
    score: float


@dataclass(frozen=True)
class Search:
    """`request` is the search as it was asked, in the API's form."""

    id: str
    tenant_id: str
    request: dict[str, Any]
    hits: tuple[SearchHit, ...]
    created_at: int

    @classmethod
    def from_row(cls, row: RowMapping) -> Search:
        hits = tuple(SearchHit(*hit) for hit in row["hits"])
        return cls(row["id"], row["tenant_id"], row["request"], hits, row["created_at"])


@dataclass(frozen=True)
class SegmentItem:
    """`content` is a SegmentDescription as JSON."""

    description_id: str
    segment_id: str
    file_id: str
    filename: str
    start_time: float
    end_time: float
    metadata: dict[str, Any]
    content: dict[str, Any]
    thumbnail_id: str | None


@dataclass(frozen=True)
class FileItem:
    description_id: str
    file_id: str
    filename: str
    title: str
    summary: str
    thumbnail_id: str | None


_segment_items = (
    select(
        segment_descriptions.c.description_id,
        segments.c.id.label("segment_id"),
        files.c.id.label("file_id"),
        files.c.filename,
        segments.c.start_time,
        segments.c.end_time,
        segments.c.metadata,
        segment_descriptions.c.content,
        thumbnails.c.id.label("thumbnail_id"),
    )
    .select_from(segment_descriptions)
    .join(segments, segments.c.id == segment_descriptions.c.segment_id)
    .join(files, files.c.id == segments.c.file_id)
    .outerjoin(thumbnails, thumbnails.c.segment_id == segments.c.id)
)
_file_items = (
    select(
        descriptions.c.id.label("description_id"),
        files.c.id.label("file_id"),
        files.c.filename,
        descriptions.c.title,
        descriptions.c.summary,
        thumbnails.c.id.label("thumbnail_id"),
    )
    .select_from(descriptions)
    .join(files, files.c.id == descriptions.c.file_id)
    .outerjoin(thumbnails, and_(thumbnails.c.file_id == files.c.id, thumbnails.c.segment_id.is_(None)))
)
_ids: Any = bindparam("ids", expanding=True)
_of_tenant = and_(files.c.tenant_id == bindparam("tenant_id"), is_kept(files))
_embedded = embeddings.c.id.label("embedding_id")
# Built once: making a query costs more than running it.
_segments_kept = _segment_items.where(
    _of_tenant,
    tuple_(segment_descriptions.c.description_id, segment_descriptions.c.segment_id).in_(
        bindparam("keys", expanding=True)
    ),
)
_segments_embedded = _segment_items.add_columns(_embedded).where(
    _of_tenant,
    embeddings.c.description_id == segment_descriptions.c.description_id,
    embeddings.c.segment_id == segment_descriptions.c.segment_id,
    embeddings.c.id.in_(_ids),
)
_files_kept = _file_items.where(_of_tenant, descriptions.c.id.in_(_ids))
_files_embedded = _file_items.add_columns(_embedded).where(
    _of_tenant, embeddings.c.description_id == descriptions.c.id, embeddings.c.id.in_(_ids)
)


class Searches:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def create(self, tenant_id: str, id: str, request: dict[str, Any], hits: Sequence[SearchHit]) -> Search:
        """Keeps a search. Those that come while one is being written share the next transaction. Raises STORAGE_FULL."""
        self._database.check_space()
        search = Search(id, tenant_id, request, tuple(hits), now_ms())
        row = {**vars(search), "hits": [list(vars(hit).values()) for hit in hits]}
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="searches")
        await done
        return search

    async def get(self, tenant_id: str, id: str) -> Search:
        query = select(searches).where(searches.c.tenant_id == tenant_id, searches.c.id == id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise not_found("Search", id)
        return Search.from_row(row)

    async def list(self, tenant_id: str, page: Page, *, created: CreatedRange = CreatedRange()) -> Listing[Search]:
        query = created.apply(select(searches).where(searches.c.tenant_id == tenant_id), searches.c.created_at)
        orders = {"created_at": searches.c.created_at}
        return await list_page(self._database, query, page, orders=orders, tie=searches.c.id, build=Search.from_row)

    async def segments(
        self, tenant_id: str, *, hits: Sequence[SearchHit] = (), embedding_ids: Sequence[int] = ()
    ) -> tuple[dict[tuple[str, str], SegmentItem], dict[int, tuple[str, str]]]:
        """(items by description and segment, the same key by embedding) of stored hits or of embeddings."""
        if embedding_ids:
            rows = await self._database.fetch(_segments_embedded, {"tenant_id": tenant_id, "ids": list(embedding_ids)})
        else:
            keys = [(hit.description_id, hit.segment_id) for hit in hits]
            rows = await self._database.fetch(_segments_kept, {"tenant_id": tenant_id, "keys": keys})
        items: dict[tuple[str, str], SegmentItem] = {}
        keys_of: dict[int, tuple[str, str]] = {}
        for row in rows:
            key = (row.description_id, row.segment_id)
            if key not in items:
                items[key] = SegmentItem(*row[:9])
            if embedding_ids:
                keys_of[row.embedding_id] = key
        return items, keys_of

    async def files(
        self, tenant_id: str, *, hits: Sequence[SearchHit] = (), embedding_ids: Sequence[int] = ()
    ) -> tuple[dict[str, FileItem], dict[int, str]]:
        """(items by description, the same key by embedding) of stored hits or of embeddings."""
        if embedding_ids:
            rows = await self._database.fetch(_files_embedded, {"tenant_id": tenant_id, "ids": list(embedding_ids)})
        else:
            ids = [hit.description_id for hit in hits]
            rows = await self._database.fetch(_files_kept, {"tenant_id": tenant_id, "ids": ids})
        items: dict[str, FileItem] = {}
        keys_of: dict[int, str] = {}
        for row in rows:
            items.setdefault(row.description_id, FileItem(*row[:6]))
            if embedding_ids:
                keys_of[row.embedding_id] = row.description_id
        return items, keys_of

    async def _write(self) -> None:
        while self._waiting:
            batch = self._waiting[:MAX_BATCH]
            del self._waiting[:MAX_BATCH]
            failure: Exception | None = None
            try:
                await self._database.store(insert(searches), [row for row, _ in batch])
            except Exception as error:
                failure = error
            for _, done in batch:
                if not done.done():  # its caller may have gone
                    done.set_result(None) if failure is None else done.set_exception(failure)
