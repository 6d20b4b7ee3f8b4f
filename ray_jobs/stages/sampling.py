"""Which pictures of a segment are looked at: some that stand for it, and those on which something new may be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ray_jobs.stages.decode import FrameRequest, Frames, decode_batch
from ray_jobs.stages.screen_watch import LOOKS_PER_SECOND, ScreenWatch
from services.core.errors import MediaError
from services.core.media import MediaInfo, Span

if TYPE_CHECKING:
    from ray_jobs.stages.device_frames import Arena, Ticket

EDGE_SECONDS = 0.05  # the very end of a file often has no frame of its own
# Pictures that are decoded together before all but a few are let go: 20 s of one segment, 270 MB at 1280 x 720.
DECODED_TOGETHER = 96
MAX_WATCHED_SECONDS = 600.0  # of one segment: of a longer one only the frames that stand for it are decoded


@dataclass(frozen=True)
class SampledFrames(Frames):
    """`moments`: further pictures, as Frames, each of something on the screen that appeared or went and then stayed;
    `since`: float64 [m], seconds from when on each shows it. `ticket`: by which a model takes `images` on the GPU that decoded
    them, where they still lie there."""

    moments: Frames
    since: np.ndarray
    ticket: Ticket | None = None


@dataclass(frozen=True)
class Sampling:
    """Which frames stand for a segment."""

    interval_seconds: float
    max_frames: int
    max_side: int

    def times(self, span: Span) -> list[float]:
        """Evenly spread over the span: one every interval, at least one, at most max_frames."""
        count = max(1, min(self.max_frames, round(span.duration / self.interval_seconds)))
        step = span.duration / count
        return [span.start_time + step * (index + 0.5) for index in range(count)]


def sample_frames(path: Path, info: MediaInfo, span: Span, sampling: Sampling) -> SampledFrames:
    """Frames of a segment: uint8 [n, height, width, 3]. None for audio, or where this part of a damaged file has none."""
    return sample_segments([(path, info, span)], sampling)[0]


def sample_segments(
    segments: Sequence[tuple[Path, MediaInfo, Span]], sampling: Sampling, arena: Arena | None = None
) -> list[SampledFrames]:
    """Frames of each segment, decoded together where the decoder can, and brought to the host's memory.

    arena: where those that stand for a segment are left on the device as well, for a model that is there.

    All that is decoded at once is DECODED_TOGETHER pictures; of each segment at most 2 * max_frames are kept, those moments
    at which most changed.
    """
    samples = [_Sample(*segment, sampling) for segment in segments]
    step = max(1, DECODED_TOGETHER // max(1, len(samples)))
    while left := [sample for sample in samples if sample.left]:
        requests = [FrameRequest(one.path, one.info, one.left[:step], sampling.max_side) for one in left]
        for sample, frames in zip(left, decode_batch(requests), strict=True):
            if isinstance(frames, MediaError):
                sample.take(step, None)
                continue
            is_wanted = arena is not None and getattr(frames.images, "device", None) == arena.device
            sample.take(step, frames.host(), frames.images if is_wanted else None)
    return [sample.frames(arena) for sample in samples]


@dataclass(frozen=True, eq=False)
class _Moment:
    time: float
    since: float
    pixels: int  # that are new or gone
    image: np.ndarray


class _Sample:
    """One segment while it is decoded, part by part."""

    def __init__(self, path: Path, info: MediaInfo, span: Span, sampling: Sampling) -> None:
        self.path, self.info = path, info
        self.left: list[float] = []
        self._start, self._max_moments = span.start_time, sampling.max_frames
        self._standing: list[float] = []
        self._looks: set[float] = set()
        self._watch = ScreenWatch()
        self._stood: list[tuple[float, np.ndarray]] = []
        self._on_device: list[Any] = []  # the same pictures, where the decoder left them
        self._moments: list[_Moment] = []
        if info.media_type == "video":
            last = max(0.0, info.duration_seconds - EDGE_SECONDS)
            self._standing = [min(time, last) for time in sampling.times(span)]
            if span.duration <= MAX_WATCHED_SECONDS:
                looks = range(int(span.duration * LOOKS_PER_SECOND))
                self._looks = {time for look in looks if (time := span.start_time + look / LOOKS_PER_SECOND) < last}
            self.left = sorted({*self._standing, *self._looks})

    def take(self, count: int, frames: Frames | None, on_device: Any = None) -> None:
        """What was decoded of the next `count` times that are left; None where that part is damaged.

        on_device: the same images as a tensor, to be kept there.
        """
        times, self.left = self.left[:count], self.left[count:]
        if frames is None:
            return
        for time, at in _shown(times, frames.times):
            image, stamp = frames.images[at], float(frames.times[at])
            stands = self._standing.count(time)
            self._stood += [(stamp, image.copy())] * stands
            if stands and on_device is not None:
                self._on_device += [on_device[at].clone()] * stands  # the others are let go
            seen = self._watch.look(image, stamp) if time in self._looks else None
            if seen is not None:
                since, pixels = seen
                self._moments.append(_Moment(time, max(self._start, since), pixels, image.copy()))
                if len(self._moments) > self._max_moments:
                    self._moments.remove(min(self._moments, key=lambda moment: moment.pixels))

    def frames(self, arena: Arena | None = None) -> SampledFrames:
        moments = Frames(*_stacked([(moment.time, moment.image) for moment in self._moments]))
        since = np.array([moment.since for moment in self._moments])
        ticket = None
        if arena is not None and self._stood and len(self._on_device) == len(self._stood):
            import torch

            ticket = arena.put(torch.stack(self._on_device))
        return SampledFrames(*_stacked(self._stood), moments, since, ticket)


def _shown(times: Sequence[float], stamps: np.ndarray) -> Iterator[tuple[float, int]]:
    """Each time with the index of the frame that is shown then; without those that could not be decoded."""
    if len(stamps) == len(times):
        yield from zip(times, range(len(times)), strict=True)
        return
    for time in times:
        at = int(np.searchsorted(stamps, time + 1e-3, side="right")) - 1
        if at >= 0 and time - stamps[at] < 1 / LOOKS_PER_SECOND:
            yield time, at


def _stacked(frames: Sequence[tuple[float, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    if not frames:
        return np.zeros(0), np.zeros((0, 1, 1, 3), np.uint8)
    return np.array([time for time, _ in frames]), np.stack([image for _, image in frames])
