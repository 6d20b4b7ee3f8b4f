"""Extractions: the work of taking a file's entities, from its place in a collection to its job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Select, and_, case, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.clock import now_ms
from services.core.jobs import enqueue
from services.core.store.schema import collection_files, descriptions, extractions, files, segment_entities, segments
from services.core.store.tombstones import of_kept_file

is_member = and_(
    collection_files.c.collection_id == extractions.c.collection_id,
    collection_files.c.file_id == extractions.c.file_id,
)

is_extracting = and_(extractions.c.id.is_not(None), descriptions.c.status == "completed")
# Of a file in a collection: that of its description, then of its entities.
member_status = case(
    (and_(is_extracting, extractions.c.status == "pending"), "processing"),
    (is_extracting, extractions.c.status),
    else_=descriptions.c.status,
)


def segment_records(tenant_id: str, collection_ids: Sequence[str], columns: Sequence[Any]) -> Select:
    """Columns of the segments that have a record, with their extractions."""
    return (
        select(*columns)
        .select_from(segment_entities)
        .join(extractions, extractions.c.id == segment_entities.c.extraction_id)
        .join(segments, segments.c.id == segment_entities.c.segment_id)
        .where(
            extractions.c.tenant_id == tenant_id,
            extractions.c.collection_id.in_(list(collection_ids)),
            segment_entities.c.entities.is_not(None),
            of_kept_file(extractions.c.file_id),
        )
    )


async def add_extraction(connection: AsyncConnection, tenant_id: str, collection_id: str, file_id: str) -> None:
    """Notes that the file's entities are wanted, in the transaction that adds it to a collection of type entities."""
    await connection.execute(
        insert(extractions).values(
            id=str(uuid4()),
            tenant_id=tenant_id,
            collection_id=collection_id,
            file_id=file_id,
            status="pending",
            segments_done=0,
            created_at=now_ms(),
        )
    )


async def queue_extractions(connection: AsyncConnection, description_id: str) -> None:
    """Queues every extraction that waits for this description, which is complete.

    The caller holds the description's row lock: a file that is added meanwhile comes before or after, and is not missed.
    """
    waiting = (
        select(extractions.c.id, extractions.c.tenant_id, files.c.media_info)
        .join(collection_files, is_member)
        .join(files, files.c.id == extractions.c.file_id)
        .where(collection_files.c.description_id == description_id, extractions.c.status == "pending")
        .order_by(extractions.c.id)
    )
    for row in (await connection.execute(waiting)).all():
        await enqueue(connection, row.tenant_id, "extract", row.id, video_seconds=row.media_info["duration_seconds"])
