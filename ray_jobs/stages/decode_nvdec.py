"""Sampled decoding with NVDEC itself: groups of pictures to several decoders at once, frames left on the device."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.annex_b import AnnexB
from ray_jobs.stages.colours import FULL_RANGE
from ray_jobs.stages.container import decoded_video, open_media, read_only, start_seconds
from ray_jobs.stages.decoder import FrameRequest, Frames, check_result_size, picture_size, pixel_bound
from ray_jobs.stages.nvdec import NvdecSession, Session, Sessions, StreamKind
from ray_jobs.stages.orientation import turned
from ray_jobs.stages.picture_groups import PictureGroups, ticks_from
from ray_jobs.stages.surfaces import Colours, pictures
from services.core.errors import MediaError

if TYPE_CHECKING:
    import torch

CODECS = frozenset({"h264", "hevc", "vp8", "vp9"})
_BITS = {"yuv420p": 8, "yuvj420p": 8, "yuv420p10le": 10}
SESSIONS = 16  # more than a card has decoders (an H100 has 7), so that each has work while another picture is copied
MAX_CUTTERS = 3  # one waits for its file; 8 get in each other's way at the interpreter and cut a third less
# Surfaces of a session that wait to be scaled together; scaling takes about seven times as much meanwhile.
_STAGED_BYTES, _MOST_STAGED = 32 * 2**20, 16


class NvdecDecoder:
    """Decodes what NVDEC can. The frames stay on the device until `Frames.host()`.

    Refuses a clip (MediaError) rather than leave out frames of it: others read damaged files better.
    `make`: makes a decoder for streams of one kind; `sessions`: how many there are at most.
    """

    def __init__(self, make: Callable[[StreamKind], Session] = NvdecSession, sessions: int = SESSIONS) -> None:
        self._sessions = Sessions(make, sessions)
        self._cutters = ThreadPoolExecutor(MAX_CUTTERS, "cut")
        self._workers = ThreadPoolExecutor(sessions, "nvdec")
        # Groups that are cut and not decoded yet, of at most MAX_GROUP_BYTES each.
        self._ahead = threading.BoundedSemaphore(sessions + MAX_CUTTERS)

    def frames(self, path: Any, info: Any, times: Sequence[float], max_side: int | None) -> Frames:
        (result,) = self.batch([FrameRequest(path, info, times, max_side)])
        if isinstance(result, MediaError):
            raise result
        return result

    def batch(self, requests: Sequence[FrameRequest]) -> list[Frames | MediaError]:
        """For each request its frames, or why it was refused. Groups of all requests are decoded side by side."""
        for request in requests:
            check_result_size(len(request.times), picture_size(request.info, request.max_side))
        return list(self._cutters.map(self._answer, requests))

    def close(self) -> None:
        self._cutters.shutdown()
        self._workers.shutdown()
        self._sessions.close()

    def _answer(self, request: FrameRequest) -> Frames | MediaError:
        try:
            return self._frames(request)
        except MediaError as error:
            return error

    def _frames(self, request: FrameRequest) -> Frames:
        import torch

        info = request.info
        for_packets = "mp4" in info.format and None not in (info.colour_matrix, info.container_start)
        with open_media(request.path, max_pixels=pixel_bound(info), for_packets=for_packets) as container:
            stream = decoded_video(container)
            read_only(container, stream)
            start = start_seconds(container) if info.container_start is None else info.container_start
            clip = _Clip(request, stream, ticks_from(start, stream, request.times))
            base = float(stream.time_base)
            filtered = AnnexB(stream)
            jobs: list[Future[None]] = []
            try:
                for group in PictureGroups(request.path, stream, clip.ticks, unread=container):
                    packets = filtered.group(group)
                    self._ahead.acquire()
                    jobs.append(self._workers.submit(self._decode, clip, packets, group.wanted))
            finally:
                for job in jobs:  # none writes to a result that was given up
                    with suppress(Exception):
                        job.result()
            for job in jobs:
                job.result()
        stamps = [clip.found.get(tick) for tick in clip.ticks]
        if not stamps or None in stamps:
            raise MediaError("Not every frame that was asked for can be decoded; the video is damaged.")
        import numpy as np

        times = np.maximum(np.array(stamps, np.float64) * base - start, 0.0)
        images = clip.images.flip(2) if info.mirrored else clip.images
        return Frames(times, torch.rot90(images, -info.rotation // 90 % 4, (1, 2)).contiguous())

    def _decode(self, clip: _Clip, packets: list[Any], wanted: dict[int, list[int]]) -> None:
        """Decodes a group, and writes the frames that are wanted of it to their rows."""
        try:
            with self._sessions.lent(clip.kind) as session:
                staged = _Staged(clip, clip.images_on(session.device))
                with session.working():
                    for packet in (*packets, None):
                        for stamp, surface in session.decode(packet):
                            if stamp in wanted:
                                staged.add(surface, [row for tick in wanted[stamp] for row in clip.rows[tick]])
                                clip.found.update(dict.fromkeys(wanted[stamp], stamp))
                    staged.write()
        except MediaError:
            raise
        except Exception as error:
            raise MediaError(f"NVDEC refuses the video: {type(error).__name__}: {error}"[:300]) from error
        finally:
            self._ahead.release()


class _Clip:
    """A request, and what was found for it. images: uint8 [ticks, height, width, 3], not yet upright."""

    def __init__(self, request: FrameRequest, stream: Any, ticks: list[int]) -> None:
        context = stream.codec_context
        codec, pixels = request.info.video_codec, request.info.pixel_format
        if codec not in CODECS or pixels not in _BITS or context.width % 2 or context.height % 2:
            raise MediaError(f"NVDEC does not decode {codec} of {context.width}x{context.height} in {pixels}.")
        self.kind = StreamKind(codec, context.width, context.height, _BITS[pixels])
        matrix, is_full = request.info.colour_matrix, request.info.is_full_range
        if matrix is None:
            matrix, is_full = context.colorspace, context.color_range == FULL_RANGE
        self.colours = Colours(matrix, is_full_range=is_full)
        self.size = turned(picture_size(request.info, request.max_side), request.info.rotation)
        self.ticks = ticks
        self.found: dict[int, int] = {}  # tick -> the stamp of its frame
        self.rows: dict[int, list[int]] = {}
        for row, tick in enumerate(ticks):
            self.rows.setdefault(tick, []).append(row)
        self._images: torch.Tensor | None = None
        self._lock = threading.Lock()

    @property
    def images(self) -> torch.Tensor:
        assert self._images is not None
        return self._images

    def images_on(self, device: torch.device) -> torch.Tensor:
        import torch

        with self._lock:
            if self._images is None:
                shape = (len(self.ticks), self.size[1], self.size[0], 3)
                self._images = torch.empty(shape, dtype=torch.uint8, device=device)
            return self._images


class _Staged:
    """Surfaces of one decoder that are scaled together, and the rows of the result that each goes to."""

    def __init__(self, clip: _Clip, images: torch.Tensor) -> None:
        self._clip, self._images = clip, images
        self._shape = (clip.kind.height * 3 // 2, clip.kind.width)
        surface_bytes = clip.kind.width * self._shape[0] * (2 if clip.kind.bits > 8 else 1)
        self._most = max(1, min(_MOST_STAGED, _STAGED_BYTES // surface_bytes))
        self._surfaces: torch.Tensor | None = None
        self._rows: list[list[int]] = []

    def add(self, surface: torch.Tensor, rows: list[int]) -> None:
        if tuple(surface.shape) != self._shape:
            raise MediaError(f"A surface of {tuple(surface.shape)} came for a picture of {self._shape}.")
        if self._surfaces is None:
            self._surfaces = surface.new_empty((self._most, *self._shape))
        self._surfaces[len(self._rows)].copy_(surface)
        self._rows.append(rows)
        if len(self._rows) == self._most:
            self.write()

    def write(self) -> None:
        if not self._rows or self._surfaces is None:
            return
        made = pictures(self._surfaces[: len(self._rows)], self._clip.size, self._clip.colours)
        for picture, rows in zip(made, self._rows, strict=True):
            for row in rows:
                self._images[row].copy_(picture)
        self._rows = []
