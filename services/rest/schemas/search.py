"""Searches on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from services.nimbus.requests.searches import MAX_COLLECTIONS, MAX_QUERY_CHARACTERS, MODALITIES, SCOPES
from services.rest.schemas.descriptions import DescribeOutputPart, SpeechOutputPart
from services.rest.schemas.shared import Body, ListReply, Number, Reply, SearchFilter


class SearchRequest(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "if": {"required": ["group_by_key"], "properties": {"group_by_key": {"const": "file"}}},
                    "then": {"properties": {"scope": {"const": "segment"}}},
                },
                {
                    "if": {"required": ["sort_by"], "properties": {"sort_by": {"const": "item_count"}}},
                    "then": {"required": ["group_by_key"], "properties": {"group_by_key": {"const": "file"}}},
                },
            ]
        }
    )

    scope: str = Field(json_schema_extra={"enum": list(SCOPES)})
    collections: list[Annotated[str, Field(min_length=1)]] = Field(
        description="1 to 100 ids.", min_length=1, max_length=MAX_COLLECTIONS
    )
    query: str = Field(
        description='For the lexical modalities, text in "double quotes" must be there as it is.',
        pattern=r"\S",
        max_length=MAX_QUERY_CHARACTERS,
    )
    limit: int | None = Field(None, description="From 1 to 100; 10 when absent.", ge=1, le=100)
    filter: SearchFilter | None = None
    threshold: Number | None = Field(None, description="Results below this score are left out.")
    group_by_key: Literal["file"] | None = Field(None, description="For scope segment.")
    sort_by: Literal["score", "item_count"] | None = Field(None, description="item_count needs group_by_key.")
    search_modalities: list[str] | None = Field(
        None, json_schema_extra={"items": {"type": "string", "enum": list(MODALITIES)}}
    )


class FileResult(Reply):
    type: Literal["file"]
    id: str
    file_id: str
    collection_id: str
    score: Number = Field(description="Higher is better.")
    filename: str | None = None
    summary: str | None = None
    generated_title: str | None = None
    thumbnail_url: str | None = None


class SegmentResult(Reply):
    type: Literal["segment"]
    id: str
    file_id: str
    collection_id: str
    segment_id: str
    score: Number = Field(description="Higher is better.")
    start_time: Number = Field(description="Seconds from the start of the media.")
    end_time: Number
    title: str | None = None
    filename: str | None = None
    visual_description: list[DescribeOutputPart] | None = None
    scene_text: list[DescribeOutputPart] | None = None
    speech: list[SpeechOutputPart] | None = None
    thumbnail_url: str | None = None
    metadata: dict[str, Any] | None = None


class SegmentGroup(Reply):
    type: Literal["segment_group"]
    matched_items: list[SegmentResult]
    file_id: str
    item_count: int
    best_score: Number


class SearchHead(Reply):
    id: str
    object: Literal["search"]
    query: str
    scope: str
    group_by_key: Literal["file"] | None = None
    group_count: int | None = None
    search_modalities: list[str]
    total: int = Field(description="Items found, those of all groups together.")
    limit: int
    created_at: int = Field(description="Unix time in milliseconds.")


class SearchResponse(SearchHead):
    results: list[FileResult | SegmentResult | SegmentGroup]


class SearchList(ListReply):
    data: list[SearchHead]
