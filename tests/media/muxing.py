"""Tracks of pictures, sound and subtitles, encoded and written into one container in order of time."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder tells of itself otherwise

_ASS_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour,"
    b" OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle,"
    b" Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\nStyle: Default,Arial,16,&Hffffff,&Hffffff,&H0,"
    b"&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR,"
    b" MarginV, Effect, Text\n"
)
_MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Pictures:
    """`frames` are (milliseconds, uint8 [height, width, 3] RGB), each shown from its time on."""

    encoder: str
    frames: Iterable[tuple[int, np.ndarray]]
    options: Mapping[str, str] = field(default_factory=dict)
    rate: int = 25  # what the header claims; the times are the frames' own
    pixel_format: str = "yuv420p"
    colorspace: int = 2  # 2: nothing is said
    turn: int = 0  # degrees clockwise by which a player must turn them; in a display matrix
    tag: str | None = None  # as "hvc1"
    clock: Fraction = _MILLISECOND  # the encoder's; MPEG-1, -2 and H.263 count frames
    disposition: Disposition = Disposition(0)  # noqa: RUF009


@dataclass(frozen=True)
class Sound:
    """`samples` are int16 [channels, n] at `rate` Hz; the first is heard at `start_milliseconds`."""

    encoder: str
    samples: np.ndarray
    rate: int = 16_000
    coded_rate: int = 0  # 0: as `rate`
    start_milliseconds: int = 0
    disposition: Disposition = Disposition(0)  # noqa: RUF009
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Subtitles:
    """`cues` are (start, end, text) in milliseconds; `encoder` is mov_text, srt, webvtt or ass."""

    encoder: str
    cues: Sequence[tuple[int, int, str]]
    disposition: Disposition = Disposition(0)  # noqa: RUF009


Track = Pictures | Sound | Subtitles


def write(
    path: Path,
    *tracks: Track,
    chapters: Sequence[tuple[int, int, str]] = (),
    metadata: Mapping[str, str] = {},
    format: str | None = None,
    options: Mapping[str, str] = {},
) -> Path:
    """`chapters` are (start, end, title) in milliseconds; `options` are the container's, `format` FFmpeg's name of it."""
    with av.open(str(path), "w", format=format, options=dict(options)) as container:
        container.metadata.update(metadata)
        if chapters:
            container.set_chapters([_chapter(number, *chapter) for number, chapter in enumerate(chapters)])
        encoded = [_ENCODE[type(track)](container, track) for track in tracks]
        packets = [list(packets) for packets in encoded]  # every encoder is open before the header is written
        for packet in heapq.merge(*packets, key=_seconds):
            container.mux(packet)
    return path


def _chapter(number: int, start: int, end: int, title: str) -> dict[str, Any]:
    return {"id": number, "start": start, "end": end, "time_base": _MILLISECOND, "metadata": {"title": title}}


def _seconds(packet: av.Packet) -> float:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return float((stamp or 0) * packet.time_base)


def _pictures(container: Any, track: Pictures) -> Iterator[av.Packet]:
    frames = iter(track.frames)
    first = next(frames)
    stream = container.add_stream(track.encoder, rate=track.rate, options=dict(track.options))
    stream.height, stream.width = first[1].shape[:2]
    stream.pix_fmt = track.pixel_format
    stream.codec_context.time_base = track.clock
    stream.codec_context.colorspace = track.colorspace
    stream.codec_context.thread_count = 2
    stream.disposition = track.disposition
    if track.tag:
        stream.codec_context.codec_tag = track.tag
    if track.turn:
        stream.set_display_rotation(-track.turn)

    def packets() -> Iterator[av.Packet]:
        space = track.colorspace if track.colorspace != 2 else None
        for milliseconds, image in (first, *frames):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame = frame.reformat(format=track.pixel_format, dst_colorspace=space)
            frame.pts, frame.time_base = round(milliseconds * _MILLISECOND / track.clock), track.clock
            yield from stream.encode(frame)
        yield from stream.encode(None)

    return packets()


def _sound(container: Any, track: Sound) -> Iterator[av.Packet]:
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(track.samples)]
    stream = container.add_stream(
        track.encoder, rate=track.coded_rate or track.rate, layout=layout, options=dict(track.options)
    )
    stream.disposition = track.disposition

    def packets() -> Iterator[av.Packet]:
        start = track.start_milliseconds * track.rate // 1000
        interleaved = np.ascontiguousarray(track.samples.T).reshape(1, -1)
        step = 1024 * len(track.samples)
        for first in range(0, interleaved.shape[1], step):
            frame = av.AudioFrame.from_ndarray(interleaved[:, first : first + step], "s16", layout)
            frame.sample_rate, frame.time_base = track.rate, Fraction(1, track.rate)
            frame.pts = start + first // len(track.samples)
            yield from stream.encode(frame)
        yield from stream.encode(None)

    return packets()


def _subtitles(container: Any, track: Subtitles) -> Iterator[av.Packet]:
    stream = container.add_stream(track.encoder)
    stream.disposition = track.disposition
    stream.codec_context.subtitle_header = _ASS_HEADER
    stream.codec_context.time_base = _MILLISECOND
    for start, end, text in track.cues:
        data = text.encode()
        packet = av.Packet(len(data).to_bytes(2, "big") + data if track.encoder == "mov_text" else data)
        packet.stream, packet.time_base = stream, _MILLISECOND
        packet.pts = packet.dts = start
        packet.duration = end - start
        yield packet


_ENCODE: dict[type, Any] = {Pictures: _pictures, Sound: _sound, Subtitles: _subtitles}
