"""Sampled decoding with PyAV: only the groups of pictures that hold a sample, and in them only what it needs."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
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
# On 2 cores, handing AV1 pictures of 320x180 between dav1d's threads took two to three times as long as decoding them.
_SMALL_PICTURE_PIXELS = 640 * 360


class PyavDecoder:
    """Decodes on the CPU whatever FFmpeg can read, and what is left of damaged files."""

    def frames(self, path: Path, info: MediaInfo, times: Sequence[float], max_side: int | None) -> Frames:
        import numpy as np
        from av.stream import Discard

        size = picture_size(info, max_side)
        check_result_size(len(times), size)
        with open_media(path) as container:
            stream = video_stream(container)
            if stream is None:
                raise MediaError("The file has no video stream to take frames from.")
            stream.thread_type = "AUTO"
            stream.thread_count = _threads(stream)
            for other in container.streams:
                if other.index != stream.index:
                    other.discard = Discard.all
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


def _threads(stream: Any) -> int:
    """How many threads decode `stream`; 0: as many as there are cores."""
    context = stream.codec_context
    is_small = context.width * context.height <= _SMALL_PICTURE_PIXELS
    return 1 if is_small and context.codec.canonical_name == "av1" else 0


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
        self._beside: tuple[int | None, int] = (None, 0)

    def missing(self) -> list[int]:
        return sorted({tick for tick in self.ticks if tick not in self.found})

    def sample_groups(self) -> None:
        """Reads groups of pictures (a keyframe up to the next) and decodes those that hold a tick.

        Leaves ticks unfound where packets lack stamps, a group is too large to hold, or a frame is damaged.
        """
        import av

        missing = self.missing()
        group: list[Any] = []
        held_bytes = 0
        head: list[Any] = []  # the next keyframe and the pictures after it that are shown before it
        try:
            packets = self._packets_before(missing[0], None) if missing else None
            while missing and packets is not None:
                packet = next(packets, None)
                if packet is not None and packet.size:
                    if packet.pts is None:
                        return
                    last = self._last_beside(missing)
                    if not head and group and packet.dts is not None and packet.dts > last:
                        # Every picture shown by then has been read, and the index knows a later keyframe to go to.
                        count = bisect_right(missing, last)
                        self._sample_group([*group, packet], [], missing[:count])
                        missing, reached, group = missing[count:], group[0].pts, []
                        packets = self._packets_before(missing[0], reached) if missing else None
                        continue
                    if not head and not (packet.is_keyframe and group):
                        group.append(packet)
                    elif not head or packet.pts < head[0].pts:
                        head.append(packet)
                    else:
                        count = bisect_left(missing, head[0].pts)
                        self._sample_group(group, head, missing[:count])
                        missing, group, head = missing[count:], head, []
                        (head if packet.is_keyframe else group).append(packet)
                        if missing and (missing[0] - group[0].pts) * self.stream.time_base > _SEEK_GAP_SECONDS:
                            packets = self._packets_before(missing[0], group[0].pts)
                            group, head = [], []
                    held_bytes = held_bytes + packet.size if len(group) > 1 else packet.size
                    if held_bytes > _MAX_GROUP_BYTES:
                        return
                elif packet is None:
                    if group:
                        count = bisect_left(missing, head[0].pts) if head else len(missing)
                        self._sample_group(group, head, missing[:count])
                        if head:
                            self._sample_group(head, [], missing[count:])
                    return
        except av.FFmpegError:
            return

    def _keyframe(self, tick: int) -> int:
        """Where the container's index says the keyframe before `tick` is; -1 where it does not know."""
        entries = self.stream.index_entries
        position = entries.search_timestamp(tick)
        return entries[position].timestamp if position >= 0 else -1

    def _last_beside(self, missing: list[int]) -> int:
        """The last of `missing` that shares the first one's keyframe. Worked out once for each first tick."""
        if self._beside[0] != missing[0]:
            keyframe, count = self._keyframe(missing[0]), 1
            while count < len(missing) and self._keyframe(missing[count]) == keyframe:
                count += 1
            self._beside = (missing[0], missing[count - 1])
        return self._beside[1]

    def _packets_before(self, tick: int, reached: int | None) -> Iterator[Any] | None:
        """Packets from the keyframe before `tick` on; None where seeking leads elsewhere or behind `reached`."""
        self.container.seek(tick, stream=self.stream)
        packets = self.container.demux(self.stream)
        first = next(packets, None)
        if first is None or first.pts is None or first.pts > tick or not first.is_keyframe:
            if reached is not None:
                return None
            self.container.seek(self.container.start_time or 0)
            return self.container.demux(self.stream)
        if reached is not None and first.pts < reached:
            return None
        return chain([first], packets)

    def _sample_group(self, group: list[Any], head: list[Any], ticks: list[int]) -> None:
        """Decodes from the keyframe to the last packet that `ticks` need; the rest of the group is passed over."""
        if not ticks:
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
