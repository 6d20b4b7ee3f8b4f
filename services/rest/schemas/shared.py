"""Shapes that every resource uses."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.core.library.segmentations import MAX_MANUAL_SEGMENTS
from services.core.search.filters import (
    ARRAY_OPERATORS,
    MAX_CHARACTERS,
    MAX_CRITERIA,
    MAX_NAMES,
    MAX_VALUES,
    OPERATORS,
)

Status = Literal["pending", "processing", "completed", "failed", "not_applicable"]
Number = int | float


class Body(BaseModel):
    """A request: types are not converted, unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Reply(BaseModel):
    model_config = ConfigDict(extra="allow")


NEXT_AFTER = "What comes next is asked for with this as `after`; absent on the last page."


class ListReply(Reply):
    object: Literal["list"]
    total: int = Field(description="Items that match, on all pages; behind next_after, what the first page counted.")
    limit: int
    offset: int
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = Field(
        None, description="What comes next is asked for with `after`, of files, responses and chats."
    )
    next_after: str | None = Field(None, description=NEXT_AFTER)


class ErrorObject(Reply):
    """What OpenAI's clients read."""

    message: str
    type: str
    param: str | None = Field(description="The field to blame.")
    code: str | None


class Error(Reply):
    error: str | ErrorObject = Field(
        description="What went wrong and what to change: an object, or text for Cloudglue's clients (x-sdk-client)."
    )


def told(**rules: Any) -> Any:
    """Rules for the document alone: what breaks them is refused behind the model, in words that say more."""
    return rules


SECONDS = told(minimum=0, maximum=1e9)
LATER_SECONDS = told(exclusiveMinimum=0, maximum=1e9)  # an end is behind its start


class UniformConfig(Body):
    window_seconds: Number = Field(description="From 1 to 120.", json_schema_extra=told(minimum=1, maximum=120))
    hop_seconds: Number | None = Field(
        None, description="From 1 to 120; the window when absent.", json_schema_extra=told(minimum=1, maximum=120)
    )


class ShotDetectorConfig(Body):
    detector: Literal["adaptive", "content"] = "adaptive"
    threshold: Number | None = Field(None, json_schema_extra=told(minimum=0, maximum=1000))
    min_seconds: Number | None = Field(
        None, description="From 0.6 to 600.", json_schema_extra=told(minimum=0.6, maximum=600)
    )
    max_seconds: Number | None = Field(
        None, description="From 1 to 600.", json_schema_extra=told(minimum=1, maximum=600)
    )
    fill_gaps: bool | None = None


class ManualSegment(Body):
    start_time: Number = Field(json_schema_extra=SECONDS)
    end_time: Number = Field(json_schema_extra=LATER_SECONDS)


class ManualConfig(Body):
    segments: list[ManualSegment] = Field(json_schema_extra=told(minItems=1, maxItems=MAX_MANUAL_SEGMENTS))


class SegmentationConfig(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"strategy": {"const": "manual"}}},
            "then": {"required": ["manual_config"], "properties": {"manual_config": {"type": "object"}}},
        }
    )

    strategy: str = Field(json_schema_extra={"enum": ["uniform", "shot-detector", "manual"]})
    uniform_config: UniformConfig | None = None
    shot_detector_config: ShotDetectorConfig | None = None
    manual_config: ManualConfig | None = None
    start_time_seconds: Number | None = Field(None, json_schema_extra=SECONDS)
    end_time_seconds: Number | None = Field(None, json_schema_extra=LATER_SECONDS)

    def to_core(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class ThumbnailsConfig(Body):
    enable_segment_thumbnails: bool


VALUES: dict[str, Any] = {
    "if": {"properties": {"operator": {"enum": list(ARRAY_OPERATORS)}}},
    "then": {
        "required": ["valueTextArray"],
        "properties": {"valueTextArray": {"type": "array", "minItems": 1, "maxItems": MAX_VALUES}},
    },
    "else": {"required": ["valueText"], "properties": {"valueText": {"type": "string"}}},
}
A_NUMBER = r"^-?\d{1,15}(\.\d{1,9})?$"
A_DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])(T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ)?$"


class Criterion(Body):
    """`path operator value`. Values that read as numbers, booleans or ISO 8601 dates are compared as such."""

    model_config = ConfigDict(json_schema_extra=VALUES)

    path: str = Field(
        description="A field, or names joined by dots.",
        json_schema_extra=told(maxLength=MAX_CHARACTERS, pattern=rf"^[^.]+(\.[^.]+){{0,{MAX_NAMES - 1}}}$"),
    )
    operator: str = Field(json_schema_extra={"enum": list(OPERATORS)})
    valueText: str | None = Field(
        None,
        description="For NotEqual, Equal, LessThan, GreaterThan and Like.",
        json_schema_extra=told(maxLength=MAX_CHARACTERS),
    )
    valueTextArray: list[str] | None = Field(None, description="For ContainsAny, ContainsAll and In.")
    scope: str | None = Field(None, json_schema_extra={"enum": ["file", "segment", None]})


def compared_as(pattern: str, *paths: str) -> dict[str, Any]:
    """That the values of these fields read as what the fields hold; for Like they are text."""
    value = {"pattern": pattern}
    return {
        "if": {"properties": {"path": {"enum": [*paths]}, "operator": {"not": {"const": "Like"}}}},
        "then": {"properties": {"valueText": value, "valueTextArray": {"items": value}}},
    }


class FileCriterion(Criterion):
    model_config = ConfigDict(
        json_schema_extra={**VALUES, "allOf": [compared_as(A_NUMBER, "bytes"), compared_as(A_DATE, "created_at")]}
    )

    path: Literal["bytes", "filename", "uri", "created_at", "id"]  # type: ignore[assignment]
    scope: Literal["file"] | None = None  # type: ignore[assignment]


class VideoInfoCriterion(Criterion):
    model_config = ConfigDict(
        json_schema_extra={
            **VALUES,
            "allOf": [
                compared_as(A_NUMBER, "duration_seconds"),
                compared_as("^(true|false)$", "has_audio"),
                {
                    "if": {"properties": {"path": {"const": "has_audio"}}},
                    "then": {"properties": {"scope": {"enum": ["file", None]}}},
                },
            ],
        }
    )

    path: Literal["duration_seconds", "has_audio"]  # type: ignore[assignment]


class SourceCriterion(Criterion):
    scope: Literal["file"] | None = None  # type: ignore[assignment]


class SearchFilter(Body):
    """Criteria that must all hold. A missing field fulfils NotEqual only."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    metadata: list[Criterion] | None = Field(None, json_schema_extra=told(maxItems=MAX_CRITERIA))
    video_info: list[VideoInfoCriterion] | None = Field(
        None, description="duration_seconds, has_audio.", json_schema_extra=told(maxItems=MAX_CRITERIA)
    )
    file: list[FileCriterion] | None = Field(
        None, description="bytes, filename, uri, created_at, id.", json_schema_extra=told(maxItems=MAX_CRITERIA)
    )
    source_metadata: list[SourceCriterion] | None = Field(
        None, description="Of a connector; uploads have none.", json_schema_extra=told(maxItems=MAX_CRITERIA)
    )
