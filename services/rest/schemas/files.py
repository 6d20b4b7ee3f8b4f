"""Files and thumbnails on the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from services.rest.schemas.shared import Body, ListReply, Number, Reply, Status, told


class FileMediaInfo(Reply):
    duration_seconds: Number | None = None
    width: int | None = None
    height: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    bitrate: int | None = None
    format: str | None = None
    has_audio: bool | None = None


class FileVideoInfo(Reply):
    duration_seconds: Number | None = None
    height: int | None = None
    width: int | None = None
    format: str | None = None
    has_audio: bool | None = None


class File(Reply):
    id: str
    status: Status
    bytes: int | None = None
    created_at: int | None = Field(None, description="Unix time in milliseconds.")
    filename: str | None = None
    uri: str = Field(description="cloudglue://files/ID")
    metadata: dict[str, Any] | None = None
    media_type: Literal["video", "audio", "image"] | None = None
    media_info: FileMediaInfo | None = None
    video_info: FileVideoInfo | None = None
    thumbnail_url: str | None = None
    source: Literal["upload"] | None = None
    error: str | None = Field(None, description="Why a failed file can't be used.")


class FileList(ListReply):
    data: list[File]


class FileDelete(Reply):
    id: str
    object: Literal["file"]


class FileUpdate(Body):
    filename: str | None = Field(None, json_schema_extra=told(pattern=r"\S"))
    metadata: dict[str, Any] | None = None


class Upload(BaseModel):
    """Of a form: what is absent is left out."""

    file: bytes = Field(description="The video, audio or image file.")
    metadata: dict[str, Any] = Field({}, description="A JSON object, as text.")
    enable_segment_thumbnails: bool = Field(False, description="Make a thumbnail of each segment.")


class Thumbnail(Reply):
    id: str
    url: str = Field(description="Works without a key.")
    time: Number = Field(description="Seconds from the start of the media.")
    type: Literal["file", "segment"]
    segmentation_id: str | None = None
    segment_id: str | None = None


class ThumbnailList(ListReply):
    data: list[Thumbnail]
