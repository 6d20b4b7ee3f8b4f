"""Descriptions: what was understood of a file, segment by segment, as it is written and as it is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, RowMapping, Text, cast, exists, func, insert, select, update

from services.core.index.embedding_log import append_adds
from services.core.jobs import Job, LeaseLostError, got_on, is_held
from services.core.library.extractions import queue_extractions
from services.core.library.segments import Segment
from services.core.library.thumbnails import NewThumbnail
from services.core.media import DescribeConfig, SegmentDescription, Span
from services.core.search.full_text_index import index_segment
from services.core.store.database import Database
from services.core.store.schema import (
    collection_files,
    descriptions,
    embeddings,
    files,
    segment_descriptions,
    segmentations,
    segments,
    thumbnails,
)
from services.core.store.tombstones import is_kept


@dataclass(frozen=True)
class Description:
    id: str
    tenant_id: str
    file_id: str
    segmentation_id: str
    config: dict[str, Any]
    status: str  # pending, processing, completed, failed
    stage: str
    segments_done: int
    segments_total: int
    error: str | None
    title: str
    summary: str

    @property
    def describe_config(self) -> DescribeConfig:
        return DescribeConfig(**self.config)

    @classmethod
    def from_row(cls, row: RowMapping) -> Description:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class DescribedSegment:
    segment: Segment
    content: SegmentDescription


@dataclass(frozen=True)
class NewEmbedding:
    """A piece of a segment's text, or a picture (see FRAME_SPACE), and its vector: float32 little-endian, unit length."""

    kind: str
    text: str
    start_time: float
    end_time: float
    vector: bytes


class Descriptions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, id: str) -> Description | None:
        async with self._database.read() as connection:
            query = select(descriptions).where(descriptions.c.id == id, is_kept(descriptions))
            row = (await connection.execute(query)).mappings().first()
        return Description.from_row(row) if row else None

    async def segmentation_config(self, segmentation_id: str) -> dict[str, Any]:
        query = select(segmentations.c.config).where(segmentations.c.id == segmentation_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one()

    async def segments(self, segmentation_id: str) -> list[Segment]:
        query = select(segments).where(segments.c.segmentation_id == segmentation_id).order_by(segments.c.position)
        async with self._database.read() as connection:
            return [Segment.from_row(row) for row in (await connection.execute(query)).mappings()]

    async def has_segments(self, segmentation_id: str) -> bool:
        query = select(segments.c.id).where(segments.c.segmentation_id == segmentation_id).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None

    async def shots(self, file_id: str) -> list[Span]:
        """The shots of a file, in order, from its newest segmentation by the shot detector; empty where it has none."""
        newest = (
            select(segmentations.c.id)
            .where(
                segmentations.c.file_id == file_id,
                segmentations.c.status == "completed",
                segmentations.c.config["strategy"].as_string() == "shot-detector",
            )
            .order_by(segmentations.c.created_at.desc(), segmentations.c.id)
            .limit(1)
            .scalar_subquery()
        )
        query = select(segments.c.start_time, segments.c.end_time).where(segments.c.segmentation_id == newest)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(segments.c.position))
            return [Span(row.start_time, row.end_time) for row in rows]

    async def wants_pictures(self, id: str) -> bool:
        """Whether any collection that the description is made for wants pictures of its segments."""
        query = select(collection_files.c.file_id).where(
            collection_files.c.description_id == id, collection_files.c.segment_thumbnails
        )
        async with self._database.read() as connection:
            return (await connection.execute(query.limit(1))).first() is not None

    async def unpictured(self, segmentation_id: str) -> list[Segment]:
        """The segments that have no picture, in order of time."""
        pictured = exists().where(thumbnails.c.segment_id == segments.c.id)
        query = select(segments).where(segments.c.segmentation_id == segmentation_id, ~pictured)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(segments.c.position))
            return [Segment.from_row(row) for row in rows.mappings()]

    async def segments_by_id(self, ids: Sequence[str]) -> dict[str, Segment]:
        query = select(segments).where(segments.c.id.in_(list(ids)))
        async with self._database.read() as connection:
            return {row["id"]: Segment.from_row(row) for row in (await connection.execute(query)).mappings()}

    async def find_many(self, ids: Collection[str]) -> dict[str, Description]:
        query = select(descriptions).where(self._database.among(descriptions.c.id, ids))
        return {row.id: Description.from_row(row._mapping) for row in await self._database.fetch(query)}

    async def sizes(self, ids: Collection[str]) -> dict[str, int]:
        """About how much text is written of each, in characters."""
        size = func.sum(func.length(cast(segment_descriptions.c.content, Text)))
        query = select(segment_descriptions.c.description_id, size).where(
            self._database.among(segment_descriptions.c.description_id, ids)
        )
        return dict(map(tuple, await self._database.fetch(query.group_by(segment_descriptions.c.description_id))))

    async def described(self, id: str, segment_ids: Sequence[str] | None = None) -> list[DescribedSegment]:
        """What is written so far, in order of time."""
        return (await self.described_many([id], segment_ids)).get(id, [])

    async def described_many(
        self, ids: Collection[str], segment_ids: Sequence[str] | None = None, *, with_words: bool = True
    ) -> dict[str, list[DescribedSegment]]:
        """What is written so far of each, in order of time, parsed in a thread. Without words, their times are left out."""
        query = (
            select(
                segments,
                segment_descriptions.c.description_id,
                cast(segment_descriptions.c.content, Text).label("content"),
            )
            .join(segment_descriptions, segment_descriptions.c.segment_id == segments.c.id)
            .where(self._database.among(segment_descriptions.c.description_id, ids))
            .order_by(segments.c.position)
        )
        if segment_ids is not None:
            query = query.where(self._database.among(segments.c.id, segment_ids))
        rows = await self._database.fetch(query)
        return await asyncio.to_thread(_described, rows, with_words)

    # What the ingest application writes. Every write is fenced by the job's lease.

    async def start(self, job: Job, owner: str, spans: Sequence[Span] | None = None) -> list[Segment]:
        """Marks a description as under way; stores the segmentation when it is new. Returns the segments still to describe."""
        id = job.subject_id
        async with self._database.write() as connection:
            if not await is_held(connection, job, owner):
                raise LeaseLostError
            row = (
                await connection.execute(
                    select(descriptions).where(descriptions.c.id == id, is_kept(descriptions)).with_for_update()
                )
            ).first()
            if row is None:
                raise LeaseLostError
            of_segmentation = segments.c.segmentation_id == row.segmentation_id
            total = (
                await connection.execute(select(func.count()).select_from(segments).where(of_segmentation))
            ).scalar_one()
            if total == 0 and spans is not None:
                total = len(spans)
                await connection.execute(
                    insert(segments),
                    [
                        {
                            "id": str(uuid4()),
                            "tenant_id": row.tenant_id,
                            "segmentation_id": row.segmentation_id,
                            "file_id": row.file_id,
                            "position": position,
                            "start_time": span.start_time,
                            "end_time": span.end_time,
                            "metadata": {},
                        }
                        for position, span in enumerate(spans)
                    ],
                )
                await connection.execute(
                    update(segmentations).where(segmentations.c.id == row.segmentation_id).values(status="completed")
                )
            done = select(segment_descriptions.c.segment_id).where(segment_descriptions.c.description_id == id)
            missing = select(segments).where(of_segmentation, segments.c.id.not_in(done)).order_by(segments.c.position)
            left = [Segment.from_row(item) for item in (await connection.execute(missing)).mappings()]
            await connection.execute(
                update(descriptions)
                .where(descriptions.c.id == id)
                .values(
                    status="processing",
                    stage="describe" if total else "segment",
                    segments_total=total,
                    segments_done=total - len(left),
                )
            )
        return left

    async def write_segment(
        self,
        job: Job,
        owner: str,
        segment: Segment,
        content: SegmentDescription,
        text: str,
        vectors: Sequence[NewEmbedding],
        thumbnail: NewThumbnail | None = None,
    ) -> None:
        """Keeps one finished segment and puts it into the index of every collection that waits for it, at once or not at all."""
        id = job.subject_id
        async with self._database.write() as connection:
            if not await is_held(connection, job, owner):
                raise LeaseLostError
            locked = select(descriptions.c.id).where(descriptions.c.id == id, is_kept(descriptions))
            if (await connection.execute(locked.with_for_update())).first() is None:
                raise LeaseLostError
            await got_on(connection, job)
            described = content.to_json()
            row = insert(segment_descriptions).values(
                description_id=id,
                segment_id=segment.id,
                tenant_id=segment.tenant_id,
                content=described,
                text=text,
            )
            row_id = (await connection.execute(row.returning(segment_descriptions.c.id))).scalar_one()
            await connection.run_sync(index_segment, row_id, segment.tenant_id, text, described)
            rows = [
                {
                    "tenant_id": segment.tenant_id,
                    "description_id": id,
                    "segment_id": segment.id,
                    "kind": item.kind,
                    "text": item.text,
                    "start_time": item.start_time,
                    "end_time": item.end_time,
                    "vector": item.vector,
                }
                for item in vectors
            ]
            adding = insert(embeddings).returning(embeddings.c.id, sort_by_parameter_order=True)
            embedding_ids = list((await connection.execute(adding, rows)).scalars()) if rows else []
            if thumbnail is not None:
                await self._write_thumbnail(connection, segment, thumbnail)
            waiting = (
                select(collection_files.c.collection_id, collection_files.c.shard)
                .where(collection_files.c.description_id == id)
                .order_by(collection_files.c.shard)
            )
            for collection in (await connection.execute(waiting)).all():
                await append_adds(
                    connection,
                    collection.shard,
                    tenant_id=segment.tenant_id,
                    collection_id=collection.collection_id,
                    file_id=segment.file_id,
                    embedding_ids=embedding_ids,
                )
            await connection.execute(
                update(descriptions)
                .where(descriptions.c.id == id)
                .values(segments_done=descriptions.c.segments_done + 1)
            )

    async def write_picture(self, job: Job, owner: str, segment: Segment, thumbnail: NewThumbnail) -> None:
        """Adds the picture that a described segment lacks."""
        async with self._database.write() as connection:
            if not await is_held(connection, job, owner):
                raise LeaseLostError
            await self._write_thumbnail(connection, segment, thumbnail)

    async def has_thumbnail(self, object_key: str) -> bool:
        query = select(thumbnails.c.id).where(thumbnails.c.object_key == object_key)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None

    async def finish(self, job: Job, owner: str, *, title: str, summary: str) -> None:
        """Marks a description as complete, and queues what waits for that."""
        values = {"status": "completed", "stage": "done", "title": title, "summary": summary, "error": None}
        async with self._database.write() as connection:
            if not await is_held(connection, job, owner):
                raise LeaseLostError
            await connection.execute(update(descriptions).where(descriptions.c.id == job.subject_id).values(**values))
            await queue_extractions(connection, job.subject_id)

    async def set_stage(self, job: Job, owner: str, stage: str) -> None:
        await self._set(job, owner, stage=stage)

    async def set_failed(self, id: str, error: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                update(descriptions)
                .where(descriptions.c.id == id, descriptions.c.status != "completed")
                .values(status="failed", error=error)
            )

    async def _set(self, job: Job, owner: str, **values: Any) -> None:
        async with self._database.write() as connection:
            if not await is_held(connection, job, owner):
                raise LeaseLostError
            await connection.execute(update(descriptions).where(descriptions.c.id == job.subject_id).values(**values))

    async def _write_thumbnail(self, connection, segment: Segment, thumbnail: NewThumbnail) -> None:
        exists = select(files.c.id).where(files.c.id == segment.file_id, is_kept(files))
        if (await connection.execute(exists)).first() is None:
            raise LeaseLostError
        # A segment has one picture, however often it is described: links to it stay good.
        made = await connection.execute(
            update(thumbnails).where(thumbnails.c.segment_id == segment.id).values(**asdict(thumbnail))
        )
        if made.rowcount:
            return
        await connection.execute(
            insert(thumbnails).values(
                id=str(uuid4()),
                tenant_id=segment.tenant_id,
                file_id=segment.file_id,
                segmentation_id=segment.segmentation_id,
                segment_id=segment.id,
                **asdict(thumbnail),
            )
        )


def _described(rows: Sequence[Row], with_words: bool) -> dict[str, list[DescribedSegment]]:
    found: dict[str, list[DescribedSegment]] = {}
    for row in rows:
        content = SegmentDescription.from_json(json.loads(row.content), with_words=with_words)
        found.setdefault(row.description_id, []).append(DescribedSegment(Segment.from_row(row._mapping), content))
    return found
