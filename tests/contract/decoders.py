"""The decoders that the contract holds for, what each reads, and what it needs of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from ray_jobs.stages import decode_dali, nvdec
from ray_jobs.stages.decode import DaliDecoder, Decoder, DecordDecoder, NvdecDecoder, PyavDecoder
from ray_jobs.stages.probe import ProbeLimits, probe
from services.core.media import MediaInfo

DECODERS: dict[str, Callable[[], Decoder]] = {
    "pyav": PyavDecoder,
    "decord": DecordDecoder,
    "dali-cpu": lambda: DaliDecoder("cpu"),
    "dali-gpu": lambda: DaliDecoder("gpu"),
    "nvdec": NvdecDecoder,
    "nvdec-software": lambda: NvdecDecoder(nvdec.SoftwareSession, sessions=2),  # all of it but NVDEC
}
LACKING: dict[str, Callable[[], str]] = {
    "dali-cpu": lambda: decode_dali.missing("cpu"),
    "dali-gpu": lambda: decode_dali.missing("gpu"),
    "nvdec": nvdec.missing,
}
ON_A_GPU = frozenset({"dali-gpu", "nvdec"})
NVDEC = ("nvdec", "nvdec-software")
EVERY_READER = ("pyav", "decord", "dali-cpu", "dali-gpu", *NVDEC)
CPU_READERS = ("pyav", "decord")
WITH_GPU = (*CPU_READERS, "dali-gpu", *NVDEC)
# Numbered clips, and who reads them.
READERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(["even.webm", "uneven.webm", "uneven_vp8.mkv", "vp8.webm", "vp9.webm"], EVERY_READER),
    "bt709.webm": ("pyav", "dali-cpu", "dali-gpu", *NVDEC),
    **dict.fromkeys(
        ["uneven_h264.mp4", "uneven.mov", "h264.mkv", "h264.flv", "clock.mkv", "reordered.mp4", "reordered.mkv"],
        WITH_GPU,
    ),
    **dict.fromkeys(
        ["av1.mp4", "flv1.flv", "h263.3gp", "mjpeg.avi", "mjpeg.mov", "mpeg4.avi",
         "mpeg4.mp4", "ogg_named.mkv", "slow_444.mp4", "theora.ogv"],
        CPU_READERS,
    ),
    "turned_180.mov": (*CPU_READERS, *NVDEC),
    **dict.fromkeys(["hevc10_turned.mp4", "turned_90.mov", "turned_270.mp4"], ("pyav", *NVDEC)),
    "hevc.mp4": ("pyav", "dali-gpu", *NVDEC),  # decord refuses it where frames are asked for in no order
    **dict.fromkeys(["hevc10.mkv", "reordered.ts"], ("pyav", *NVDEC)),
    **dict.fromkeys(["mpeg2.ts", "mpeg2.mpg"], ("pyav",)),
}  # fmt: skip
# Clips of more than pictures.
SCENES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(["shots.webm", "screencast.webm"], EVERY_READER),
    **dict.fromkeys(["counter.mp4", "slides.mov", "subtitles.mkv", "tracks.mp4"], WITH_GPU),
    **dict.fromkeys(["chapters.mkv", "moving.avi", "slide_cuts.mp4"], CPU_READERS),
}


def pairs(clips: dict[str, tuple[str, ...]]) -> list:
    """Each decoder with each clip that it reads, as test parameters."""
    return [
        pytest.param(
            name,
            clip,
            # One worker runs all tests of a clip, and makes it once.
            marks=[pytest.mark.xdist_group(clip), *([pytest.mark.gpu] if name in ON_A_GPU else [])],
            id=f"{name}-{clip}",
        )
        for clip, names in clips.items()
        for name in names
    ]


def decoder_or_skip(name: str) -> Decoder:
    if lacking := LACKING.get(name, str)():
        if name not in ON_A_GPU and os.environ.get("CI") == "true":
            pytest.fail(f"{name} does not run: {lacking}")
        pytest.skip(f"{name}: {lacking}")
    return DECODERS[name]()


@lru_cache
def probed(path: Path) -> MediaInfo:
    return probe(path, ProbeLimits())


@lru_cache(maxsize=4)
def every_frame(path: Path, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Reference: stamps, and pictures at width x height of every frame, decoded in order and scaled by OpenCV."""
    import av
    import cv2

    stamps, pictures = [], []
    with av.open(str(path)) as container:
        start = (container.start_time or 0) / 1e6
        for frame in container.decode(container.streams.best("video")):
            stamps.append(float(frame.time) - start)
            upright = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            pictures.append(cv2.resize(np.ascontiguousarray(upright), (width, height), interpolation=cv2.INTER_AREA))
    return np.array(stamps), np.array(pictures)


def shown_at(stamps: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Index of the frame shown at each time."""
    return np.maximum(np.searchsorted(stamps, times + 1e-6, side="right") - 1, 0)


def decibels(image: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures."""
    error = np.mean((image.astype(np.float64) - reference) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
