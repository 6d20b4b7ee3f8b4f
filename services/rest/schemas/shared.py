"""Shapes that every resource uses."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.core.search.filters import OPERATORS

Status = Literal["pending", "processing", "completed", "failed", "not_applicable"]
Number = int | float


class Body(BaseModel):
    """A request: types are not converted, unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Reply(BaseModel):
    model_config = ConfigDict(extra="allow")


class ListReply(Reply):
    object: Literal["list"]
    total: int = Field(description="Items that match, on all pages.")
    limit: int
    offset: int
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = Field(None, description="What comes next is asked for with `after`.")


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


class UniformConfig(Body):
    window_seconds: Number = Field(description="From 1 to 120.")
    hop_seconds: Number | None = Field(None, description="From 1 to 120; the window when absent.")


class ShotDetectorConfig(Body):
    detector: Literal["adaptive", "content"] = "adaptive"
    threshold: Number | None = None
    min_seconds: Number | None = Field(None, description="From 0.6 to 600.")
    max_seconds: Number | None = Field(None, description="From 1 to 600.")
    fill_gaps: bool | None = None


class ManualSegment(Body):
    start_time: Number
    end_time: Number


class ManualConfig(Body):
    segments: list[ManualSegment]


class SegmentationConfig(Body):
    strategy: str = Field(json_schema_extra={"enum": ["uniform", "shot-detector", "manual"]})
    uniform_config: UniformConfig | None = None
    shot_detector_config: ShotDetectorConfig | None = None
    manual_config: ManualConfig | None = None
    start_time_seconds: Number | None = None
    end_time_seconds: Number | None = None

    def to_core(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class ThumbnailsConfig(Body):
    enable_segment_thumbnails: bool


class Criterion(Body):
    """`path operator value`. Values that read as numbers, booleans or ISO 8601 dates are compared as such."""

    path: str = Field(description="A field, or names joined by dots.")
    operator: str = Field(json_schema_extra={"enum": list(OPERATORS)})
    valueText: str | None = Field(None, description="For NotEqual, Equal, LessThan, GreaterThan and Like.")
    valueTextArray: list[str] | None = Field(None, description="For ContainsAny, ContainsAll and In.")
    scope: str | None = Field(None, json_schema_extra={"enum": ["file", "segment"]})


class SearchFilter(Body):
    """Criteria that must all hold. A missing field fulfils NotEqual only."""

    metadata: list[Criterion] | None = None
    video_info: list[Criterion] | None = Field(None, description="duration_seconds, has_audio.")
    file: list[Criterion] | None = Field(None, description="bytes, filename, uri, created_at, id.")
    source_metadata: list[Criterion] | None = Field(None, description="Of a connector; uploads have none.")
