"""Frames of a video at given times, by the decoder that is fastest for it and able to read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ray_jobs.stages.decode_decord import DecordDecoder
from ray_jobs.stages.decode_pyav import PyavDecoder
from ray_jobs.stages.decoder import Decoder, Frames
from services.core.errors import MediaError
from services.core.media import MediaInfo

__all__ = ["Decoder", "DecordDecoder", "Frames", "PyavDecoder", "decode_frames"]


def decode_frames(path: Path, info: MediaInfo, times: Sequence[float], max_side: int | None = None) -> Frames:
    """The frames shown at `times` (seconds), see `Decoder.frames`. Raises MediaError when none can be read."""
    if info.media_type == "audio":
        raise MediaError("The file has no video stream to take frames from.")
    return PyavDecoder().frames(path, info, times, max_side)
