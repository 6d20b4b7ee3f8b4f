"""Segmentations and segments of a file on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from services.rest.schemas.shared import Body, ListReply, Number, Reply, SegmentationConfig, Status, ThumbnailsConfig


class Segmentation(Reply):
    segmentation_id: str
    status: Status
    created_at: int = Field(description="Unix time in milliseconds.")
    file_id: str
    segmentation_config: SegmentationConfig
    thumbnails_config: ThumbnailsConfig
    total_segments: int | None = Field(None, description="Once it is completed.")


class SegmentationList(ListReply):
    data: list[Segmentation]


class FileSegment(Reply):
    id: str
    file_id: str
    start_time: Number = Field(description="Seconds from the start of the media.")
    end_time: Number
    thumbnail_url: str = Field(description="Empty where there is none.")
    metadata: dict[str, Any]
    segmentation_id: str


class FileSegmentList(ListReply):
    data: list[FileSegment]


class UpdateFileSegment(Body):
    metadata: dict[str, Any] | None = Field(None, description="Replaces all of it; null empties it.")
