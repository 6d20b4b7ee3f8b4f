"""Entities that are known, straight in the database, as an extraction would have left them: what is asked about is exact."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select

from loadtests.evaluation.collections import Collection
from services.core.clock import now_ms
from services.core.media import MediaInfo
from services.core.store.database import Database
from services.core.store.schema import collection_files, collections, descriptions, extractions, files, segmentations

SECONDS = 60.0  # of each file
CUT = {"strategy": "uniform", "uniform_config": {"window_seconds": 60, "hop_seconds": 60}}


async def fill(database: Database, collection_id: str, collection: Collection) -> None:
    """A described file for each record, in the collection of that id."""
    async with database.write() as connection:
        query = select(collections).where(collections.c.id == collection_id)
        stored = (await connection.execute(query)).one()
        for number, (name, record) in enumerate(collection.records.items()):
            for table, row in _rows(stored, name, dict(record), now_ms() + number):
                await connection.execute(insert(table), [row])


def _rows(stored: Any, name: str, record: dict[str, Any], now: int) -> list[tuple[Any, dict[str, Any]]]:
    owned = {"tenant_id": stored.tenant_id}
    file_id, cut_id, description_id = str(uuid4()), str(uuid4()), str(uuid4())
    made = {**owned, "file_id": file_id, "created_at": now}
    file = {
        **owned,
        "id": file_id,
        "status": "completed",
        "filename": name,
        "size_bytes": 1000,
        "sha256": f"{uuid4().hex:0>64}",
        "object_key": f"tenants/{stored.tenant_id}/files/{file_id}/original",
        "source": "upload",
        "metadata": {},
        "media_info": MediaInfo("video", SECONDS, "mp4", has_audio=True).to_json(),
        "segment_thumbnails": False,
        "created_at": now,
    }
    described = {
        **made,
        "id": description_id,
        "segmentation_id": cut_id,
        "config": stored.describe_config,
        "config_hash": "all",
        "status": "completed",
        "stage": "done",
        "segments_done": 0,
        "segments_total": 0,
        "title": name,
        "summary": "",
    }
    member = {
        **owned,
        "collection_id": stored.id,
        "file_id": file_id,
        "description_id": description_id,
        "segmentation_id": cut_id,
        "segmentation_config": CUT,
        "shard": stored.shard,
        "added_at": now,
    }
    extracted = {
        **made,
        "id": str(uuid4()),
        "collection_id": stored.id,
        "status": "completed",
        "segments_done": 0,
        "entities": record,
        "sources": [],
    }
    return [
        (files, file),
        (segmentations, {**made, "id": cut_id, "config": CUT, "config_hash": "uniform", "status": "completed"}),
        (descriptions, described),
        (collection_files, member),
        (extractions, extracted),
    ]
