"""The stages as the ingest worker calls them, wherever they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ray_jobs.engines.roles import Seen
from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.core.library.descriptions import NewEmbedding
from services.core.media import DescribeConfig, MediaInfo, SegmentDescription, Span


@dataclass(frozen=True)
class Described:
    """A segment's description, what a model saw and, where it has a picture, a JPEG of it with its size and time."""

    content: SegmentDescription
    thumbnail: bytes = b""
    width: int = 0
    height: int = 0
    time: float = 0.0
    seen: Seen = field(default_factory=Seen)

    def with_seen(self, seen: Seen) -> Described:
        """Tags stand with what else is told of the picture."""
        visual = (*self.content.visual_scene_description, *seen.tags)
        return replace(self, content=replace(self.content, visual_scene_description=visual), seen=seen)


def seen_embeddings(seen: Seen) -> list[NewEmbedding]:
    """What is kept of the pictures of a segment: a vector for each moment, and no text."""
    return [NewEmbedding(seen.space, "", each.start_time, each.end_time, each.vector) for each in seen.moments]


class Pipeline(Protocol):
    async def describe(
        self, tenant_id: str, object_key: str, info: MediaInfo, span: Span, config: DescribeConfig, *, thumbnail: bool
    ) -> Described: ...

    async def summarise(
        self, tenant_id: str, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]: ...

    async def embed(self, texts: Sequence[str]) -> list[bytes]: ...

    async def extract(self, request: ExtractRequest) -> Extracted: ...


def pictured(content: SegmentDescription, frames: Any, thumbnail: bool) -> Described:
    """Adds the middle frame as a thumbnail, where one is wanted and there is one."""
    if not thumbnail or not len(frames):
        return Described(content)
    from ray_jobs.stages.thumbnails import thumbnail_jpeg, thumbnail_size

    middle = len(frames) // 2
    image = frames.images[middle]
    width, height = thumbnail_size(image)
    return Described(content, thumbnail_jpeg(image), width, height, float(frames.times[middle]))
