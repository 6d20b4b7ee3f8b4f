"""Shots of a video: cuts by PySceneDetect's adaptive or content detector, fades by its threshold detector."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.container import decoded_video, open_media, start_seconds
from ray_jobs.stages.decoder import pixel_bound
from ray_jobs.stages.frame_memory import decoding
from ray_jobs.stages.unstamped import picture_seconds
from services.core.errors import MediaError, invalid
from services.core.media import MediaInfo, ShotDetectorConfig, Span

if TYPE_CHECKING:
    import numpy as np

# PySceneDetect's own defaults (0.7): adaptive ratio 3.0, content difference 27.0, 15 frames at 30 fps.
_DEFAULT_THRESHOLD = {"adaptive": 3.0, "content": 27.0}
_DEFAULT_MIN_SECONDS = 0.5
_MAX_SIDE = 256
# Of 60 frames per second every second one is looked at: it halves the work and moves a cut by 17 ms at most.
_MIN_STEP_SECONDS = 1 / 31
# Detectors count frames; where frames lie in time is looked up afterwards, so any nominal rate will do.
_NOMINAL_RATE = Fraction(25)


# Where black begins or ends abruptly the picture jumps; that jump belongs to the fade and is no further cut.
_FADE_MARGIN_SECONDS = 0.5


@dataclass(frozen=True)
class _Break:
    """Where one shot gives way to the next: at `time`, with nothing to see from `out_time` to `in_time`."""

    time: float
    out_time: float
    in_time: float


def detect_shots(path: Path, info: MediaInfo, config: ShotDetectorConfig) -> list[Span]:
    """The shots of `path` in order. With `fill_gaps` they cover [0, duration); without, fades to black are left out.

    A shot shorter than `min_seconds` is joined to the one before it; one longer than `max_seconds` is split evenly.
    Decodes every frame once and looks at up to 31 a second at reduced size. Raises MediaError when no frame can be
    decoded, ArcusError INVALID_ARGUMENT when the configuration is wrong.
    """
    minimum = _DEFAULT_MIN_SECONDS if config.min_seconds is None else config.min_seconds
    _check(config, minimum)
    breaks = _breaks(path, info, config)
    shots: list[Span] = []
    start, boundary, end = 0.0, 0.0, info.duration_seconds
    for item in breaks:
        if item.time - boundary < minimum or end - item.time < minimum:
            continue
        shots.append(Span(start, item.time if config.fill_gaps else item.out_time))
        boundary, start = item.time, item.time if config.fill_gaps else item.in_time
    shots.append(Span(start, end))
    return [part for shot in shots if shot.duration > 0 for part in _split(shot, config.max_seconds)]


def _check(config: ShotDetectorConfig, minimum: float) -> None:
    field = "shot_detector_config"
    maximum = config.max_seconds
    if not minimum >= 0:
        raise invalid(f"min_seconds is {minimum:g}; it must be 0 or more.", field=f"{field}.min_seconds")
    if maximum is not None and not maximum > 0:
        raise invalid(f"max_seconds is {maximum:g}; it must be more than 0.", field=f"{field}.max_seconds")
    if maximum is not None and maximum < minimum:
        raise invalid(
            f"max_seconds ({maximum:g}) is less than min_seconds ({minimum:g}).", field=f"{field}.max_seconds"
        )
    if config.threshold is not None and not config.threshold > 0:
        raise invalid(f"threshold is {config.threshold:g}; it must be more than 0.", field=f"{field}.threshold")


def _split(shot: Span, max_seconds: float | None) -> list[Span]:
    count = max(1, math.ceil(shot.duration / max_seconds - 1e-9)) if max_seconds else 1
    bounds = [shot.start_time + shot.duration * i / count for i in range(count)] + [shot.end_time]
    return [Span(a, b) for a, b in pairwise(bounds)]


def _breaks(path: Path, info: MediaInfo, config: ShotDetectorConfig) -> list[_Break]:
    """Cuts and fades in order of time; cuts that are the edge of a fade are left out."""
    from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode, ThresholdDetector

    threshold = config.threshold or _DEFAULT_THRESHOLD[config.detector]
    cut_detector = (
        ContentDetector(threshold=threshold, min_scene_len=0)
        if config.detector == "content"
        else AdaptiveDetector(adaptive_threshold=threshold, min_scene_len=0)
    )
    fade_detector = ThresholdDetector(min_scene_len=0)
    times = array("d")
    cuts: list[int] = []
    fades: list[tuple[int, int]] = []  # the middle of the black, and the first frame after it
    for index, (time, image) in enumerate(_small_frames(path, info)):
        times.append(time)
        timecode = FrameTimecode(index, fps=_NOMINAL_RATE)
        cuts += [found.frame_num for found in cut_detector.process_frame(timecode, image)]
        fades += [(found.frame_num, index) for found in fade_detector.process_frame(timecode, image)]
    if not times:
        raise MediaError("No frame of the video can be decoded; it is damaged.")
    faded = [_Break(times[mid], times[max(0, 2 * mid - after)], times[after]) for mid, after in fades]
    return sorted([*faded, *_clear_of(faded, [times[cut] for cut in cuts])], key=lambda item: item.time)


def _clear_of(fades: list[_Break], cuts: list[float]) -> list[_Break]:
    """The cuts outside every fade. Both lists are in order of time, and fades do not overlap."""
    kept, position = [], 0
    for cut in cuts:
        while position < len(fades) and fades[position].in_time + _FADE_MARGIN_SECONDS < cut:
            position += 1
        if position == len(fades) or cut < fades[position].out_time - _FADE_MARGIN_SECONDS:
            kept.append(_Break(cut, cut, cut))
    return kept


def _small_frames(path: Path, info: MediaInfo) -> Iterator[tuple[float, np.ndarray]]:
    """(time in seconds, uint8 [height, width, 3] BGR) of the frames that can be decoded."""
    with open_media(path, max_pixels=pixel_bound(info)) as container:
        stream = decoded_video(container)
        start, last = start_seconds(container), -math.inf
        with decoding(stream):
            for time, frame in _timed_frames(container, stream):
                if time - last < _MIN_STEP_SECONDS:
                    continue
                last = time
                scale = min(1.0, _MAX_SIDE / max(frame.width, frame.height))
                small = frame.reformat(
                    width=max(2, round(frame.width * scale)),
                    height=max(2, round(frame.height * scale)),
                    format="bgr24",
                    interpolation="BILINEAR",
                    threads=1,
                )
                yield max(0.0, time - start), small.to_ndarray()


def _timed_frames(container: Any, stream: Any) -> Iterator[tuple[float, Any]]:
    import av

    count, seconds = 0, 0.0  # of raw streams, whose pictures have no times
    try:
        for packet in container.demux(stream):
            if not seconds and packet.size and packet.pts is None and packet.dts is None:
                seconds = picture_seconds(packet)
            try:
                frames = stream.codec_context.decode(packet)
            except av.FFmpegError:
                continue
            for frame in frames:
                if frame.time is not None and not seconds:
                    yield frame.time, frame
                elif seconds:
                    yield count * seconds, frame
                    count += 1
    except av.FFmpegError:
        return
