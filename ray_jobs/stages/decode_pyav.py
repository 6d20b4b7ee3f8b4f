"""Sampled decoding with PyAV: only the groups of pictures that hold a sample, and in them only what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.container import decoded_video, open_media, read_only, start_seconds
from ray_jobs.stages.decoder import Frames, check_result_size, picture_size, pixel_bound
from ray_jobs.stages.frame_memory import decoding
from ray_jobs.stages.orientation import turned
from ray_jobs.stages.picture_groups import PictureGroups, ticks_of
from ray_jobs.stages.unstamped import frames_at
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

        size = picture_size(info, max_side)
        check_result_size(len(times), size)
        with open_media(path, max_pixels=pixel_bound(info)) as container:
            stream = decoded_video(container)
            read_only(container, stream)
            sampler = _Sampler(path, container, stream, times, lambda frame: upright(frame, size, info))
            with decoding(stream, _threads(stream)):
                sampler.sample_groups()
                sampler.sample_every_frame()
                sampler.sample_unstamped(times)
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


def upright(frame: Any, size: tuple[int, int], info: MediaInfo) -> Any:
    """uint8 [height, width, 3] RGB of a decoded frame, scaled to `size` (width, height) and shown as `info` says."""
    import numpy as np

    width, height = turned(size, info.rotation)
    shrinks = width < frame.width
    scaled = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA" if shrinks else "BICUBIC")
    image = scaled.to_ndarray()
    return np.rot90(image[:, ::-1] if info.mirrored else image, -info.rotation // 90)


class _Sampler:
    """Finds, for each tick (a time in the stream's time base), the frame shown then.

    found: tick -> (presentation stamp of the frame, image).
    """

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        stream: Any,
        times: Sequence[float],
        image: Callable[[Any], Any],
    ) -> None:
        self.path, self.container, self.stream, self.image = path, container, stream, image
        self.ticks = ticks_of(container, stream, times)
        self.found: dict[int, tuple[int, Any]] = {}
        self.codec = stream.codec_context
        self.skips = self.codec.codec.canonical_name in _SKIPPABLE

    def missing(self) -> list[int]:
        return sorted({tick for tick in self.ticks if tick not in self.found})

    def sample_groups(self) -> None:
        """Decodes the groups of pictures that hold a tick, and in them only what it needs."""
        for group in PictureGroups(self.path, self.stream, self.missing()):
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
        """Decodes every frame from the start on: what any file allows, damaged ones too. `container` is left at its end."""
        missing = self.missing()
        if not missing:
            return
        self.codec.skip_frame = "DEFAULT"
        self.codec.flush_buffers()
        previous: Any = None
        for frame in self._every_frame():
            if frame.pts is None:
                continue
            while missing and frame.pts > missing[0]:
                self._keep(missing.pop(0), previous or frame)
            previous = frame
            if not missing:
                return
        if previous is not None:
            for tick in missing:
                self._keep(tick, previous)

    def _every_frame(self) -> Iterator[Any]:
        import av

        try:
            for packet in self.container.demux(self.stream):
                if packet.size and packet.pts is None and packet.dts is None:
                    return  # a raw stream
                try:
                    yield from self.codec.decode(packet)
                except av.FFmpegError:
                    continue
        except av.FFmpegError:
            return

    def sample_unstamped(self, times: Sequence[float]) -> None:
        """Of raw streams, whose pictures have no stamps."""
        missing = {tick: time for tick, time in zip(self.ticks, times, strict=True) if tick not in self.found}
        if not missing:
            return
        self.codec.flush_buffers()
        ticks = sorted(missing)
        for index, seconds, frame in frames_at(self.path, self.stream, [missing[tick] for tick in ticks]):
            self.found[ticks[index]] = round(seconds / self.stream.time_base), self.image(frame)

    def _keep(self, tick: int, frame: Any) -> None:
        self.found[tick] = (frame.pts, self.image(frame))
