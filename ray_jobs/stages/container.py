"""Opening a media file with PyAV: safely, by content, and with one clock for all of its streams."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.core.errors import MediaError
from services.core.media import Chapter

if TYPE_CHECKING:
    from av.container import InputContainer

# Playlists and manifests (hls, dash, concat, sdp) name other files and addresses, so a file that claims to be
# one must not be opened: only formats that carry their own data are listed.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf,mxf,rm,ivf,h264,hevc,av1,obu,m4v,"
    "gif,apng,wav,w64,flac,mp3,aac,ac3,eac3,aiff,au,caf,amr,dts,opus,ape,wv,tta,voc,nut,dv,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,jpegxl_pipe"
)
MAX_CHAPTERS, MAX_TITLE_CHARACTERS = 1000, 300
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Opens `path`. Raises MediaError when it is absent, empty, or no known self-contained media format."""
    import av

    av.logging.set_level(None)
    try:
        size_bytes = os.stat(path).st_size
    except OSError as error:
        raise MediaError(f"The file cannot be read: {error.strerror}.") from error
    if size_bytes == 0:
        raise MediaError("The file is empty (0 bytes). Upload it again.")
    try:
        container = av.open(f"file:{path}", options=_OPTIONS)
    except (av.FFmpegError, UnicodeError, ValueError) as error:
        raise MediaError(
            "The file is not a readable video, audio or image file, or its index is missing because it was cut "
            "off before its end. Upload the complete file."
        ) from error
    with container:
        yield container


def video_stream(container: InputContainer) -> Any | None:
    """The video stream that players show: FFmpeg's choice, never the cover picture of an audio file."""
    from av.stream import Disposition

    best = container.streams.best("video")
    candidates = [best, *container.streams.video] if best is not None else []
    return next((s for s in candidates if not s.disposition & Disposition.attached_pic), None)


def audio_stream(container: InputContainer) -> Any | None:
    """The audio stream that goes with the video stream, or None."""
    return container.streams.best("audio", related=video_stream(container))


def chapters(container: InputContainer, duration_seconds: float) -> tuple[Chapter, ...]:
    """The chapter marks that lie inside the media, in order of time, at most MAX_CHAPTERS."""
    start, found = start_seconds(container), []
    for mark in container.chapters()[:MAX_CHAPTERS]:
        if mark["time_base"] is None:
            continue
        begin, end = (float(mark[name] * mark["time_base"]) - start for name in ("start", "end"))
        begin, end = max(0.0, begin), min(end, duration_seconds)
        if end > begin:
            title = mark["metadata"].get("title", "").replace("\0", "").strip()
            found.append(Chapter(title[:MAX_TITLE_CHARACTERS], begin, end))
    return tuple(sorted(found, key=lambda chapter: chapter.start_time))


def start_seconds(container: InputContainer) -> float:
    """The container time that is media time 0: the earliest stream's start (MPEG-TS rarely starts at 0)."""
    return (container.start_time or 0) / 1_000_000
