"""The decoders that the contract holds for, what each reads, and what it needs of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from ray_jobs.stages.decode import DaliDecoder, Decoder, DecordDecoder, PyavDecoder
from ray_jobs.stages.decode_dali import missing
from ray_jobs.stages.probe import ProbeLimits, probe
from services.core.media import MediaInfo
from tests.contract.made_clips import write_clip

MEDIA = Path(__file__).parents[2].parent / "shared" / "media"

DECODERS: dict[str, Callable[[], Decoder]] = {
    "pyav": PyavDecoder,
    "decord": DecordDecoder,
    "dali-cpu": lambda: DaliDecoder("cpu"),
    "dali-gpu": lambda: DaliDecoder("gpu"),
}
EVERY_READER = ("pyav", "decord", "dali-cpu", "dali-gpu")
CPU_READERS = ("pyav", "decord")
# Clips of the shared media, and who reads them.
FOUND = {
    **dict.fromkeys(["screencast_launching_apps.webm", "bbb_30s_vp8.webm"], EVERY_READER),
    **dict.fromkeys(
        ["asl_book.mkv", "derived_nasa_hevc.mp4", "face.flv", "face_with_srt.mkv", "lecture_slides_vfr.mov",
         "nasa_13013.mp4", "ocr_frame_counter.mp4"],
        (*CPU_READERS, "dali-gpu"),
    ),
    **dict.fromkeys(
        ["bbb_av1_aac.mp4", "bbb_h263.3gp", "chapters.mkv", "earth_mpeg4.avi", "earth_theora.ogg",
         "hevc10_rot90_short.mp4", "odd_ogg_named_mkv.mkv", "rot_180.mov", "rot_90.mov", "slides_lorem_1fps.mp4"],
        CPU_READERS,
    ),
}  # fmt: skip
EVEN = [40 * index for index in range(48)]
UNEVEN = [sum((20, 40, 40, 130)[index % 4] for index in range(count)) for count in range(48)]
_QUICK = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
# Made on the spot: name -> encoder, times of the frames in milliseconds, options, and who reads them.
MADE = {
    "even.webm": ("libvpx-vp9", EVEN, _QUICK, EVERY_READER),
    "uneven.webm": ("libvpx-vp9", UNEVEN, _QUICK, EVERY_READER),
    "uneven_vp8.mkv": ("libvpx", UNEVEN, _QUICK, EVERY_READER),
    "bt709.webm": ("libvpx-vp9", EVEN, {**_QUICK, "colorspace": "1"}, ("pyav", "dali-cpu", "dali-gpu")),
    "uneven_h264.mp4": ("libx264", UNEVEN, {"preset": "veryfast"}, (*CPU_READERS, "dali-gpu")),
}


def pairs(clips: dict[str, tuple[str, ...]]) -> list:
    """Each decoder with each clip that it reads, as test parameters."""
    return [
        pytest.param(
            name,
            clip,
            # One worker runs all tests of a clip, and makes it once.
            marks=[pytest.mark.xdist_group(clip), *([pytest.mark.gpu] if name == "dali-gpu" else [])],
            id=f"{name}-{clip}",
        )
        for clip, names in clips.items()
        for name in names
    ]


def decoder_or_skip(name: str) -> Decoder:
    device = {"dali-cpu": "cpu", "dali-gpu": "gpu"}.get(name)
    if device is not None and (lacking := missing(device)):
        if device == "cpu" and os.environ.get("CI") == "true":
            pytest.fail(f"DALI does not run on the CPU: {lacking}")
        pytest.skip(f"DALI on the {device}: {lacking}")
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


def make(folder: Path, name: str) -> Path:
    encoder, milliseconds, options, _ = MADE[name]
    path = folder / name
    return path if path.exists() else write_clip(path, encoder, milliseconds, **options)
