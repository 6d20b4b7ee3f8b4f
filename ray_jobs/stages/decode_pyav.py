"""Sampled decoding with PyAV: only the groups of pictures that hold a sample, and in them only what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.container import open_media, start_seconds, video_stream
from ray_jobs.stages.decoder import Frames, check_result_size, picture_size
from ray_jobs.stages.picture_groups import PictureGroups, ticks_of
from services.core.errors import MediaError
from services.core.media import MediaInfo

if TYPE_CHECKING:
    from av.container import InputContainer

# Codecs whose bitstream marks pictures that no other picture needs; leaving those out changes nothing else.
# HEVC is not among them: its "non-reference" pictures may be references of a higher temporal layer.
_SKIPPABLE = frozenset({"h264", "mpeg2video", "mpeg4"})
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
        self.container, self.stream, self.image = container, stream, image
        self.ticks = ticks_of(container, stream, times)
        self.found: dict[int, tuple[int, Any]] = {}
        self.codec = stream.codec_context
        self.skips = self.codec.codec.canonical_name in _SKIPPABLE

    def missing(self) -> list[int]:
        return sorted({tick for tick in self.ticks if tick not in self.found})

    def sample_groups(self) -> None:
        """Decodes the groups of pictures that hold a tick, and in them only what it needs."""
        for group in PictureGroups(self.container, self.stream, self.missing()):
            wanted = dict(group.wanted)
            self.codec.flush_buffers()
            for packet in group.packets:
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
