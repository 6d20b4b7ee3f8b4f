"""The stages as the ingest worker calls them: in threads of its own process, or as Serve deployments."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ray_jobs.stages.describe import Sampling, hear, look, sample_frames
from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.core.media import DescribeConfig, MediaInfo, SegmentDescription, Span


@dataclass(frozen=True)
class Described:
    """A segment's description and, where it has a picture, a JPEG of it with its size and time."""

    content: SegmentDescription
    thumbnail: bytes = b""
    width: int = 0
    height: int = 0
    time: float = 0.0


class Pipeline(Protocol):
    async def describe(
        self, object_key: str, info: MediaInfo, span: Span, config: DescribeConfig, *, thumbnail: bool
    ) -> Described: ...

    async def embed(self, texts: Sequence[str]) -> list[bytes]: ...

    async def extract(self, request: ExtractRequest) -> Extracted: ...


class ThreadPipeline:
    """Every stage in this process, one segment at a time: tests, and measuring a stage by itself."""

    def __init__(self, objects: Any, sampling: Sampling) -> None:
        self._objects = objects
        self._sampling = sampling
        self._turn = asyncio.Lock()  # PocketSphinx crashes when two threads use one decoder

    def setup(self) -> None:
        from ray_jobs.engines.embedded.describer import EmbeddedDescriber
        from ray_jobs.engines.embedded.embedder import EmbeddedEmbedder
        from ray_jobs.engines.embedded.extractor import EmbeddedExtractor
        from ray_jobs.engines.embedded.scene_text import SceneTextReader
        from ray_jobs.engines.embedded.transcriber import EmbeddedTranscriber

        self._engines = (EmbeddedTranscriber(), SceneTextReader(), EmbeddedDescriber())
        self._embedder = EmbeddedEmbedder()
        self._extractor = EmbeddedExtractor()
        for engine in (*self._engines, self._embedder):
            engine.setup()

    async def describe(
        self, object_key: str, info: MediaInfo, span: Span, config: DescribeConfig, *, thumbnail: bool
    ) -> Described:
        async with self._turn, self._objects.local_path(object_key) as path:
            return await asyncio.to_thread(self._describe, path, info, span, config, thumbnail)

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        vectors = await asyncio.to_thread(self._embedder.embed, list(texts))
        return [row.astype("<f4").tobytes() for row in vectors]

    async def extract(self, request: ExtractRequest) -> Extracted:
        return await self._extractor.extract(request)

    def _describe(self, path: Path, info: MediaInfo, span: Span, config: DescribeConfig, thumbnail: bool) -> Described:
        transcriber, reader, describer = self._engines
        frames = sample_frames(path, info, span, self._sampling)
        speech = hear(path, info, span, transcriber) if config.enable_speech or config.enable_summary else ()
        content = look(path, info, span, frames, speech, config, reader, describer)
        return pictured(content, frames, thumbnail)


def pictured(content: SegmentDescription, frames: Any, thumbnail: bool) -> Described:
    """Adds the middle frame as a thumbnail, where one is wanted and there is one."""
    if not thumbnail or not len(frames):
        return Described(content)
    from ray_jobs.stages.thumbnails import thumbnail_jpeg, thumbnail_size

    middle = len(frames) // 2
    image = frames.images[middle]
    width, height = thumbnail_size(image)
    return Described(content, thumbnail_jpeg(image), width, height, float(frames.times[middle]))
