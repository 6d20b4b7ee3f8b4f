"""What decoded pictures take of memory, told before anything is decoded, and the share of it that one process may take."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from services.core.errors import MediaError, Reason

# All that one process decodes at once. An 8K film in 10 bits (100 MB a picture, 18 of them at worst) is just taken.
MAX_BYTES = 2 * 2**30
# Longer sides than any video has: level 6.2 of H.264 and HEVC ends at 16,888.
MAX_SIDE = 16_384
# Pictures that a decoder keeps beside the one it works on: references and those that wait for their turn to be shown.
# H.264 and HEVC: 16 references (A.3.1 and A.4.1 of their standards, which a stream may ignore up to here); VP8 3, VP9 and
# AV1 8; older ones 2; a codec without references none.
_HELD = {"h264": 16, "hevc": 16, "vvc": 16, "vp9": 8, "av1": 8, "vp8": 3}
_HELD_OTHERWISE = 2
_WORKED_ON = 2  # the picture that is being decoded, and the one that was handed out


def frame_bytes(context: Any) -> int:
    """Of one picture of an open codec context, in its own pixel format."""
    import av

    if not context.pix_fmt:  # nothing was decoded yet: as for 8 bits, 4:4:4
        return context.width * context.height * 3
    parts = av.VideoFormat(context.pix_fmt, context.width, context.height).components
    return sum(part.width * part.height * ((part.bits + 7) // 8) for part in parts)


def declared_bytes(context: Any, threads: int = 1) -> int:
    """The most that decoding takes: each thread beyond the first works on a picture of its own."""
    held = _HELD.get(context.codec.canonical_name, _HELD_OTHERWISE)
    return frame_bytes(context) * (held + _WORKED_ON + threads - 1)


def check_pictures(context: Any, max_pixels: int) -> None:
    """Raises MediaError INVALID_ARGUMENT where pictures of this size and format are not decoded here."""
    width, height = context.width, context.height
    if width * height > max_pixels:
        raise MediaError(
            f"The picture is {width}x{height} ({width * height} pixels); the limit is {max_pixels} pixels. "
            "Scale it down.",
            Reason.INVALID_ARGUMENT,
        )
    if max(width, height) > MAX_SIDE:
        raise MediaError(
            f"The picture is {width}x{height}; no side may be longer than {MAX_SIDE} pixels. Scale it down.",
            Reason.INVALID_ARGUMENT,
        )
    needed = declared_bytes(context)
    if needed > MAX_BYTES:
        raise MediaError(
            f"Decoding pictures of {width}x{height} in {context.pix_fmt} takes up to {needed >> 20} MB; the limit is "
            f"{MAX_BYTES >> 20} MB. Scale the video down, or convert it to 8-bit 4:2:0.",
            Reason.INVALID_ARGUMENT,
        )


class FrameMemory:
    """What this process may hold of decoded pictures. Small videos are decoded side by side, large ones by turns."""

    def __init__(self, limit_bytes: int = MAX_BYTES) -> None:
        self._limit, self._taken = limit_bytes, 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def held(self, size_bytes: int) -> Iterator[None]:
        """Waits until there is room, in the order of coming. What is larger than the limit waits to be alone."""
        size_bytes, turn = min(size_bytes, self._limit), object()
        with self._changed:
            self._waiting.append(turn)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is turn and self._taken + size_bytes <= self._limit)
                self._taken += size_bytes
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size_bytes
                self._changed.notify_all()


_process = FrameMemory()


@contextmanager
def decoding(stream: Any, threads: int = 0) -> Iterator[None]:
    """Sets up `stream` to be decoded by `threads` threads (0: one to a core), fewer where memory is short, and holds its
    share of the process's memory meanwhile."""
    context = stream.codec_context
    threads = threads or min(16, os.cpu_count() or 1)
    room = MAX_BYTES // 2  # of what is left two can be decoded at once
    while threads > 1 and declared_bytes(context, threads) > room:
        threads -= 1
    stream.thread_type, stream.thread_count = "AUTO", threads
    with _process.held(declared_bytes(context, threads)):
        yield
