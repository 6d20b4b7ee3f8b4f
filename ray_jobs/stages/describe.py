"""One segment from its frames and sound to its description: the chain of stages, and its bounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ray_jobs.engines.embedded.scene_text import Moment
from ray_jobs.engines.roles import DescribeRequest
from ray_jobs.stages.audio import audio_samples
from ray_jobs.stages.decode import Frames
from ray_jobs.stages.sampling import SampledFrames
from ray_jobs.stages.speakers import MIX, Speakers
from ray_jobs.stages.spoken_track import SpokenTracks
from services.core.media import DescribeConfig, MediaInfo, Span, Speech, TimedText

if TYPE_CHECKING:
    import numpy as np

    from ray_jobs.engines.embedded.scene_text import SceneTextReader, Source
    from ray_jobs.engines.roles import Transcriber

SAMPLE_RATE = 16_000
PADDING_SECONDS = 1.0  # heard on both sides of a segment, so that a word on its edge is whole


async def hear(
    path: Path,
    info: MediaInfo,
    span: Span,
    tenant_id: str,
    transcriber: Transcriber,
    tracks: SpokenTracks | None = None,
    object_key: str = "",
    speakers: Speakers | None = None,
) -> tuple[Speech, ...]:
    """What is said in a segment: from a subtitle track that holds it, else by recognition; and who says it.

    `tracks` remembers which track that is under the tenant and `object_key`; without, it is found out each time. Without
    `speakers` nobody is told apart.
    """
    from ray_jobs.engines.embedded.sound import SILENT_DBFS, level_dbfs
    from ray_jobs.engines.embedded.transcriber import within

    tracks = tracks or SpokenTracks()
    cues = await asyncio.to_thread(tracks.cues, (tenant_id, object_key), path, info)
    if cues is not None and await asyncio.to_thread(tracks.covers, cues, path, info, span):
        return within(span, cues)
    if not info.has_audio:
        return ()
    sides = MIX if speakers is None else await speakers.sides((tenant_id, object_key), path, info)
    start = max(0.0, span.start_time - PADDING_SECONDS)
    end = span.end_time + PADDING_SECONDS
    found: list[Speech] = []
    for side in sides:
        samples = await asyncio.to_thread(audio_samples, path, info, start, end, SAMPLE_RATE, side.channel)
        if not len(samples) or level_dbfs(samples) < SILENT_DBFS:  # some recognisers hear words in silence
            continue
        said = within(span, await transcriber.transcribe(tenant_id, samples, SAMPLE_RATE, start))
        found += said if speakers is None else await speakers.told(side, samples, start, said)
    return tuple(sorted(found, key=lambda item: item.start_time))


@dataclass(frozen=True)
class Reading:
    """What a describer is given beside frames and speech. `samples`: mono int16 [n] from the span's start on."""

    scene_text: tuple[TimedText, ...]
    samples: np.ndarray


def read(
    path: Path,
    source: Source,
    info: MediaInfo,
    span: Span,
    frames: Frames,
    config: DescribeConfig,
    reader: SceneTextReader,
) -> Reading:
    """The text on the frames, and the sound of the segment. `source`: whose file lies at `path`."""
    scene_text: tuple[TimedText, ...] = ()
    if len(frames) and (config.enable_scene_text or config.enable_summary):
        scene_text = reader.read(frames.images, frames.times, span.end_time, source, moments_of(frames))
    samples = audio_samples(path, info, span.start_time, span.end_time, SAMPLE_RATE) if info.has_audio else _none()
    return Reading(scene_text, samples)


def moments_of(frames: Frames) -> list[Moment]:
    """What a reader is shown beside the frames that stand for a segment."""
    if not isinstance(frames, SampledFrames):
        return []
    found = zip(frames.moments.images, frames.moments.times, frames.since, strict=True)
    return [Moment(image, float(time), float(since)) for image, time, since in found]


def describe_request(
    tenant_id: str,
    span: Span,
    frames: Frames,
    speech: tuple[Speech, ...],
    reading: Reading,
    config: DescribeConfig,
) -> DescribeRequest:
    return DescribeRequest(
        tenant_id,
        frames.images,
        frames.times,
        span,
        reading.samples,
        SAMPLE_RATE,
        speech,
        reading.scene_text,
        config,
    )


def _none() -> np.ndarray:
    import numpy as np

    return np.zeros(0, np.int16)
