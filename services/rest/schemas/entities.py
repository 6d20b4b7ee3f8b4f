"""Entities on the wire: records that fit the schema of their collection."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from services.rest.schemas.descriptions import Shot
from services.rest.schemas.shared import NEXT_AFTER, ListReply, Number, Reply

NONE = "Empty where there is none: the level is not enabled, it is not extracted yet, or the text supports no record."


class SegmentEntities(Reply):
    start_time: Number
    end_time: Number
    entities: dict[str, Any]
    thumbnail_url: str | None = None


class ValueSource(Reply):
    path: str = Field(description="The value's place in the record: speakers[0].name.")
    start_time: Number
    end_time: Number


class FileEntities(Reply):
    collection_id: str
    file_id: str
    thumbnail_url: str | None = None
    entities: dict[str, Any] = Field(description=f"The record of the whole file. {NONE}")
    entity_sources: list[ValueSource] = Field(description="Where the values of the whole file's record were found.")
    segment_entities: list[SegmentEntities] = Field(description="One page of the segments that have a record.")
    total: int = Field(description="Segments that have a record, on all pages.")
    limit: int
    offset: int
    next_after: str | None = Field(None, description=NEXT_AFTER)
    shots: list[Shot] | None = None
    total_shots: int | None = None


class EntitiesData(Reply):
    entities: dict[str, Any] = Field(description=f"The record of the whole file. {NONE}")
    segment_entities: list[SegmentEntities] = Field(description="The first 100 segments that have a record.")


class CollectionEntities(Reply):
    file_id: str
    added_at: int
    data: EntitiesData


class CollectionEntitiesList(ListReply):
    data: list[CollectionEntities]
