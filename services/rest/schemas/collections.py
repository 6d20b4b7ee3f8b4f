"""Collections and the files in them, on the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from services.rest.schemas.files import File
from services.rest.schemas.shared import (
    Body,
    ListReply,
    Reply,
    SegmentationConfig,
    Status,
    ThumbnailsConfig,
    told,
)

NAME = told(minLength=1, maxLength=255)
CollectionType = Literal["media-descriptions", "entities", "rich-transcripts", "face-analysis", "metadata", "moments"]


class TranscribeConfig(Body):
    enable_summary: bool | None = None
    enable_speech: bool | None = None
    enable_scene_text: bool | None = None
    enable_visual_scene_description: bool | None = None
    enable_audio_description: bool | None = None


class DescribeConfig(TranscribeConfig):
    prompt: str | None = Field(
        None, description="What to look for; at most 2000 characters.", json_schema_extra=told(maxLength=2000)
    )


class ExtractConfig(Body):
    """What to extract of each file of a collection of type entities: a schema, a prompt, or both.

    The embedded engine reads the schema. A prompt alone stands for a list of each kind of thing that it names (people,
    dates, amounts, numbers, emails, urls, phone_numbers, topics), or of every kind; the reply shows that schema.
    """

    prompt: str | None = Field(None, description="At most 2000 characters.")
    # The name on the wire is schema, which pydantic has a use of its own for.
    record_schema: dict[str, Any] | None = Field(
        None,
        alias="schema",
        description="A JSON Schema of type object, as pydantic, zod, Gemini or OpenAPI 3.0 write it. Offered are properties, "
        "required, a schema as additionalProperties, items, prefixItems, enum, const, formats, patterns, bounds of values and "
        "lengths, anyOf and oneOf, and references to its own $defs that do not lead back to themselves.",
    )
    enable_video_level_entities: bool | None = Field(
        None, description="One record of the file; so unless told otherwise."
    )
    enable_segment_level_entities: bool | None = Field(None, description="One record of each segment instead.")
    enable_transcript_mode: bool | None = Field(None, description="Read what is said alone.")
    enable_metadata_mode: bool | None = Field(None, description="Not offered by this server.")

    def to_core(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True, by_alias=True)


class NewCollection(Body):
    collection_type: CollectionType = Field(
        description="This server offers media-descriptions, rich-transcripts and entities."
    )
    name: str = Field(description="Unique in the account, 1 to 255 characters.", json_schema_extra=NAME)
    description: str | None = None
    describe_config: DescribeConfig | None = Field(None, description="Of media-descriptions.")
    transcribe_config: TranscribeConfig | None = Field(None, description="Of rich-transcripts.")
    extract_config: ExtractConfig | None = Field(None, description="Required for entities, else ignored.")
    default_segmentation_config: SegmentationConfig | None = None
    default_thumbnails_config: ThumbnailsConfig | None = None


class CollectionUpdate(Body):
    name: str | None = Field(None, json_schema_extra=NAME)
    description: str | None = None


class Collection(Reply):
    id: str
    object: Literal["collection"]
    name: str
    description: str | None = None
    collection_type: CollectionType
    describe_config: DescribeConfig | None = None
    extract_config: ExtractConfig | None = None
    transcribe_config: TranscribeConfig | None = None
    default_segmentation_config: SegmentationConfig | None = None
    default_thumbnails_config: ThumbnailsConfig | None = None
    created_at: int = Field(description="Unix time in milliseconds.")
    file_count: int


class CollectionList(ListReply):
    data: list[Collection]


class CollectionDelete(Reply):
    id: str
    object: Literal["collection"]


class AddCollectionFile(Body):
    """The file by file_id, or by url as cloudglue://files/ID."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [one], "properties": {one: {"type": "string"}, other: {"type": "null"}}}
                for one, other in (("file_id", "url"), ("url", "file_id"))
            ]
        }
    )

    file_id: str | None = None
    url: str | None = Field(None, json_schema_extra=told(pattern="^cloudglue://files/."))
    segmentation_id: str | None = None
    segmentation_config: SegmentationConfig | None = None
    thumbnails_config: ThumbnailsConfig | None = Field(None, description="Else as the upload and the collection say.")
    metadata: dict[str, Any] | None = Field(None, description="Merged into the file's metadata.")


class CollectionFileSegmentation(Reply):
    id: str
    status: Status
    file_id: str
    segmentation_config: SegmentationConfig


class Progress(Reply):
    stage: str
    segments_done: int
    segments_total: int


class CollectionFile(Reply):
    collection_id: str
    file_id: str
    object: Literal["collection_file"]
    added_at: int = Field(description="Unix time in milliseconds.")
    status: Status
    searchable_status: Literal["pending", "processing", "completed", "failed"]
    file: File | None = None
    segmentation: CollectionFileSegmentation | None = None
    progress: Progress
    error: str | None = Field(None, description="Why the description failed.")


class CollectionFileList(ListReply):
    data: list[CollectionFile]


class CollectionFileDelete(Reply):
    collection_id: str
    file_id: str
    object: Literal["collection_file"]
