"""Sampled decoding with PyAV: only the groups of pictures that hold a sample, and in them only what it needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.container import open_media, start_seconds, video_stream
from ray_jobs.stages.decoder import Frames, check_result_size, picture_size
from services.core.errors import MediaError
from services.core.media import MediaInfo

if TYPE_CHECKING:
    from av.container import InputContainer

# Codecs whose bitstream marks pictures that no other picture needs; leaving those out changes nothing else.
# HEVC is not among them: its "non-reference" pictures may be references of a higher temporal layer.
_SKIPPABLE = frozenset({"h264", "mpeg2video", "mpeg4"})
# A seek costs a few packet reads, so that reading on is dearer only when much lies between two samples.
_SEEK_GAP_SECONDS = 10.0
_MAX_GROUP_BYTES = 32 * 2**20


class PyavDecoder:
    """Decodes on the CPU whatever FFmpeg can read, and what is left of damaged files."""

    def frames(self, path: Path, info: MediaInfo, times: Sequence[float], max_side: int | None) -> Frames:
        import numpy as np

        size = picture_size(info, max_side)
        check_result_size(len(times), size)
        with open_media(path) as container:
            stream = video_stream(container)
            if stream is None:
                raise MediaError("The file has no video stream to take frames from.")
            stream.thread_type = "AUTO"
            sampler = _Sampler(container, stream, times, lambda frame: upright(frame, size, info.rotation))
            sampler.sample_groups()
            sampler.sample_every_frame()
            found = sampler.found
            kept = [tick for tick in sampler.ticks if tick in found]
            if not kept:
                raise MediaError("No frame of the video could be decoded at the times asked for; it is damaged.")
            start = start_seconds(container)
            stamps = [max(0.0, float(found[tick][0] * stream.time_base) - start) for tick in kept]
            images = np.stack([found[tick][1] for tick in kept])
        return Frames(times=np.array(stamps, dtype=np.float64), images=images)


def upright(frame: Any, size: tuple[int, int], rotation: int) -> Any:
    """uint8 [height, width, 3] RGB of a decoded frame, scaled to `size` (width, height) and turned clockwise."""
    import numpy as np

    width, height = size if rotation not in (90, 270) else size[::-1]
    shrinks = width < frame.width
    scaled = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA" if shrinks else "BICUBIC")
    return np.rot90(scaled.to_ndarray(), -rotation // 90)


class _Sampler:
    """Finds, for each tick (a time in the stream's time base), the frame shown then.

    found: tick -> (presentation stamp of the frame, image).
    """

    def __init__(
        self, container: InputContainer, stream: Any, times: Sequence[float], image: Callable[[Any], Any]
    ) -> None:
        start, base = start_seconds(container), stream.time_base
        self.container, self.stream, self.image = container, stream, image
        # The thousandth is for times that were computed from stamps and lost their last bit.
        self.ticks = [math.floor((time + start) / base + 1e-3) for time in times]
        self.found: dict[int, tuple[int, Any]] = {}
        self.codec = stream.codec_context
        self.skips = self.codec.codec.canonical_name in _SKIPPABLE
        self.is_contiguous = True

    def missing(self) -> list[int]:
        return sorted({tick for tick in self.ticks if tick not in self.found})

    def sample_groups(self) -> None:
        """Reads groups of pictures (a keyframe up to the next) and decodes those that hold a tick.

        Leaves ticks unfound where packets lack stamps, a group is too large to hold, or a frame is damaged.
        """
        import av

        missing = self.missing()
        group: list[Any] = []
        head: list[Any] = []  # the next keyframe and the pictures after it that are shown before it
        size_bytes = 0
        try:
            packets = self.container.demux(self.stream)
            while missing:
                packet = next(packets, None)
                if packet is not None and packet.size:
                    if packet.pts is None:
                        return
                    size_bytes += packet.size
                    if size_bytes > _MAX_GROUP_BYTES:
                        return
                    if not head and not (packet.is_keyframe and group):
                        group.append(packet)
                        continue
                    if not head or packet.pts < head[0].pts:
                        head.append(packet)
                        continue
                elif packet is not None:
                    continue
                if not group:
                    return
                end = head[0].pts if head else None
                count = sum(1 for tick in missing if end is None or tick < end)
                self._sample_group(group, head, missing[:count])
                missing = missing[count:]
                if packet is None and not head:
                    return
                group, head = head, []
                if packet is not None:
                    if packet.is_keyframe:
                        head = [packet]
                    else:
                        group.append(packet)
                size_bytes = sum(p.size for p in (*group, *head))
                if missing and (missing[0] - group[0].pts) * self.stream.time_base > _SEEK_GAP_SECONDS:
                    reached = group[0].pts
                    self.container.seek(missing[0], stream=self.stream)
                    self.is_contiguous = False
                    packets = self.container.demux(self.stream)
                    first = next(packets, None)
                    if first is None or first.pts is None or not reached <= first.pts <= missing[0]:
                        return
                    group, head, size_bytes = [first], [], first.size
        except av.FFmpegError:
            return

    def _sample_group(self, group: list[Any], head: list[Any], ticks: list[int]) -> None:
        """Decodes from the keyframe to the last packet that `ticks` need; the rest of the group is passed over."""
        if not ticks:
            self.is_contiguous = False
            return
        stamps = sorted(packet.pts for packet in (*group, *head))
        wanted: dict[int, list[int]] = {}
        for tick in ticks:
            wanted.setdefault(max((s for s in stamps if s <= tick), default=stamps[0]), []).append(tick)
        packets = [*group, *head] if any(p.pts in wanted for p in head[1:]) else group
        last = max(index for index, packet in enumerate(packets) if packet.pts in wanted)
        self.codec.flush_buffers()
        for packet in packets[: last + 1]:
            if self.skips:
                self.codec.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            self._decode(packet, wanted)
        self._decode(None, wanted)
        self.codec.flush_buffers()

    def _decode(self, packet: Any, wanted: dict[int, list[int]]) -> None:
        import av

        try:
            for frame in self.codec.decode(packet):
                if frame.pts in wanted:
                    image = self.image(frame)
                    for tick in wanted.pop(frame.pts):
                        self.found[tick] = (frame.pts, image)
        except av.FFmpegError:
            pass

    def sample_every_frame(self) -> None:
        """Decodes every frame from before the first unfound tick on: what any file allows, damaged ones too."""
        import av

        missing = self.missing()
        if not missing:
            return
        self.codec.skip_frame = "DEFAULT"
        try:
            self.container.seek(self.container.start_time or 0)
        except av.FFmpegError:
            pass
        self.codec.flush_buffers()
        previous: Any = None
        try:
            for packet in self.container.demux(self.stream):
                try:
                    frames = self.codec.decode(packet)
                except av.FFmpegError:
                    continue
                for frame in frames:
                    if frame.pts is None:
                        continue
                    while missing and frame.pts > missing[0]:
                        self._keep(missing.pop(0), previous or frame)
                    previous = frame
                    if not missing:
                        return
        except av.FFmpegError:
            pass
        if previous is not None:
            for tick in missing:
                self._keep(tick, previous)

    def _keep(self, tick: int, frame: Any) -> None:
        self.found[tick] = (frame.pts, self.image(frame))
