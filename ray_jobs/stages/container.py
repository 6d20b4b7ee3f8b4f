"""Opening a media file with PyAV: safely, by content, and with one clock for all of its streams."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from services.core.errors import MediaError
from services.core.media import Chapter, Part

if TYPE_CHECKING:
    from av.container import InputContainer

log = structlog.get_logger(__name__)

# The largest picture that is decoded where nothing else is said, in pixels: 8K. It binds FFmpeg itself, so that neither a
# header nor a picture in the middle of a stream makes it allocate more.
MAX_PIXELS = 7680 * 4320

# Playlists and manifests (hls, dash, concat, sdp) name other files and addresses, so a file that claims to be
# one must not be opened: only formats that carry their own data are listed.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf,mxf,rm,ivf,h264,hevc,av1,obu,m4v,mjpeg,"
    "gif,apng,wav,w64,flac,mp3,aac,ac3,eac3,aiff,au,caf,amr,dts,opus,ape,wv,tta,voc,nut,dv,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,jpegxl_pipe"
)
MAX_CHAPTERS, MAX_TITLE_CHARACTERS = 1000, 300
_OPTIONS = {"protocol_whitelist": "file,subfile", "format_whitelist": _FORMATS}
# Sound beside the sound: what is said about the film, what is shown for those who can't see it, and tracks that are
# made louder or clearer for the hard of hearing, or hold no voices.
_BESIDE = ("comment", "visual_impaired", "hearing_impaired", "descriptions", "clean_effects", "karaoke", "lyrics")
_BESIDE_TITLES = ("commentary", "audio description", "descriptive audio", "described video")


@contextmanager
def open_media(
    path: Path, part: Part | None = None, max_pixels: int = MAX_PIXELS, *, for_packets: bool = False
) -> Iterator[InputContainer]:
    """Opens `path` at its start, or a part of it.

    To read from the start again, open anew: a seek to the start is a seek to some keyframe behind it where FFmpeg
    searches by decoding times (transport and program streams), and fails on raw streams.
    Raises MediaError when it is absent, empty, or no known self-contained media format. Pictures above `max_pixels`
    are not decoded, and fail.
    for_packets: nothing is read and decoded to find out what a stream is, which takes most of opening. Then pixel formats,
    colours and where a file starts are not known.
    """
    import av

    av.logging.set_level(None)
    try:
        size_bytes = os.stat(path).st_size
    except OSError as error:
        raise MediaError(f"The file cannot be read: {error.strerror}.") from error
    if size_bytes == 0:
        raise MediaError("The file is empty (0 bytes). Upload it again.")
    name = f"file:{path}" if part is None else f"subfile,,start,{part.first_byte},end,{part.end_byte},,:file:{path}"
    try:
        more = {"skip_frame": "all", "threads": "1", "probesize": "32"} if for_packets else {}
        container = av.open(name, options={**_OPTIONS, **more, "max_pixels": str(max_pixels)})
    except (av.FFmpegError, UnicodeError, ValueError) as error:
        raise MediaError(
            "The file is not a readable video, audio or image file, or its index is missing because it was cut "
            "off before its end. Upload the complete file."
        ) from error
    with container:
        for stream in container.streams.video:
            if stream.codec_context is not None:
                stream.codec_context.options = {"max_pixels": str(max_pixels)}
        try:
            yield container
        except (IndexError, ValueError, ArithmeticError, MemoryError) as error:
            # What a damaged file says of itself can be out of every range: streams that come up late, clocks of 0 Hz.
            log.warning("media.damaged", error=repr(error)[:500])
            raise MediaError("The file is damaged: what it says of its streams does not fit together.") from error


def video_stream(container: InputContainer) -> Any | None:
    """The video stream that players show: FFmpeg's choice, never the cover picture or the previews of a file."""
    from av.stream import Disposition

    best = container.streams.best("video")
    candidates = [best, *container.streams.video] if best is not None else []
    beside = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    return next((s for s in candidates if not s.disposition & beside), None)


def decoded_video(container: InputContainer) -> Any:
    """The video stream of a file that was probed. Raises MediaError where none can be decoded."""
    stream = video_stream(container)
    if stream is None or stream.codec_context is None:
        raise MediaError("The file has no video stream to take frames from.")
    return stream


def read_only(container: InputContainer, stream: Any) -> None:
    """Leaves every other stream out of what is read."""
    from av.stream import Discard

    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all


def audio_stream(container: InputContainer) -> Any | None:
    """The sound that goes with the picture: FFmpeg's choice, unless that is a commentary, or sound for a few."""
    best = container.streams.best("audio", related=video_stream(container))
    if best is not None and best.codec_context is not None and not _is_beside(best):
        return best
    heard = [s for s in container.streams.audio if s.codec_context is not None]
    main = [s for s in heard if not _is_beside(s)] or [s for s in heard if best is not None and s.index == best.index]
    return min(main or heard, key=_rank, default=None)


def _rank(stream: Any) -> tuple[bool, bool, int, int]:
    from av.stream import Disposition

    context = stream.codec_context
    return (
        not context.sample_rate,  # nothing of it was decoded: a track without packets
        not stream.disposition & Disposition.default,
        -(context.layout.nb_channels if context.sample_rate else 0),
        stream.index,
    )


def _is_beside(stream: Any) -> bool:
    from av.stream import Disposition

    title = (stream.metadata.get("title") or "")[:MAX_TITLE_CHARACTERS].lower()
    flags = any(stream.disposition & Disposition[name] for name in _BESIDE)
    return flags or any(word in title for word in _BESIDE_TITLES)


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
