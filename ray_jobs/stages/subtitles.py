"""The text of subtitle tracks, without markup."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ray_jobs.stages.container import open_media, start_seconds, video_stream
from services.core.media import Speech

MAX_CUES = 100_000
MAX_TRACKS = 32
# Of one cue. Two lines of 42 characters are shown for 7 seconds; what is longer than some minutes of talk is no subtitle.
MAX_CUE_CHARACTERS = 4_000
MAX_CUE_SECONDS = 5.0  # of a cue that says no length, where no other comes
_TEXT_CODECS = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"})
# What SubRip and WebVTT know of markup; anything else between angle brackets is text.
_TAGS = frozenset({"b", "i", "u", "s", "c", "v", "font", "ruby", "rt", "lang", "br", "span"})


@dataclass(frozen=True)
class TextTrack:
    """One text subtitle track. cues: in order of time, cleaned, inside the file."""

    language: str
    is_forced: bool
    cues: tuple[Speech, ...]


def text_tracks(path: Path, duration_seconds: float) -> list[TextTrack]:
    """The text tracks of a file, first the one marked default, then English ones, then the one paired with the video.

    Forced tracks, which hold what foreigners say and what signs show, come last. A cue that outlasts the file ends
    with it. Bitmap tracks are none of these.
    """
    import av

    with open_media(path) as container:
        streams = _streams(container)[:MAX_TRACKS]
        if not streams:
            return []
        start = start_seconds(container)
        found: dict[int, list[Speech]] = {stream.index: [] for stream in streams}
        try:
            for packet in container.demux(streams):
                cues = found[packet.stream.index]
                if not packet.size or packet.pts is None or len(cues) >= MAX_CUES:
                    continue
                text = clean_cue(bytes(packet), packet.stream.codec_context.codec.canonical_name)
                begin = max(0.0, float(packet.pts * packet.time_base) - start)
                if text and begin < duration_seconds:
                    length = float((packet.duration or 0) * packet.time_base)
                    cues.append(Speech(text=text, start_time=begin, end_time=begin + max(0.0, length)))
        except av.FFmpegError:
            pass
        return [
            TextTrack(
                (stream.metadata.get("language") or "").lower()[:16],
                _is_forced(stream),
                tuple(_ended(sorted(found[stream.index], key=lambda cue: cue.start_time), duration_seconds)),
            )
            for stream in streams
        ]


def _ended(cues: Sequence[Speech], duration_seconds: float) -> list[Speech]:
    """Gives those without a length one: until the next, a few seconds at most. None goes on behind the file's end."""
    ended = []
    for index, cue in enumerate(cues):
        end = cue.end_time
        if end <= cue.start_time:
            after = cues[index + 1].start_time if index + 1 < len(cues) else duration_seconds
            end = min(cue.start_time + MAX_CUE_SECONDS, max(after, cue.start_time + 0.001))
        ended.append(replace(cue, end_time=min(end, duration_seconds)))
    return ended


def _is_forced(stream: Any) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.forced)


def _streams(container: Any) -> list[Any]:
    from av.stream import Disposition

    tracks = [
        s
        for s in container.streams.subtitles
        if s.codec_context is not None and s.codec_context.codec.canonical_name in _TEXT_CODECS
    ]
    paired = container.streams.best("subtitle", related=video_stream(container))

    def rank(stream: Any) -> tuple[bool, bool, bool, bool, int]:
        language = (stream.metadata.get("language") or "").lower()
        return (
            _is_forced(stream),
            not stream.disposition & Disposition.default,
            not language.startswith("en"),
            paired is None or stream.index != paired.index,
            stream.index,
        )

    return sorted(tracks, key=rank)


def clean_cue(data: bytes, codec: str) -> str:
    """The plain text of one subtitle packet of `codec`, its lines joined by spaces; at most MAX_CUE_CHARACTERS."""
    most = 4 * MAX_CUE_CHARACTERS  # bytes of a character; markup counts too
    if codec == "mov_text":
        # 3GPP TS 26.245: a 16-bit length, the text, then style boxes.
        size_bytes = int.from_bytes(data[:2], "big")
        data = data[2 : 2 + size_bytes]
    text = data[: 2 * most].decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        # Matroska keeps ReadOrder, Layer, Style, Name, MarginL, MarginR, MarginV, Effect before the text.
        fields = text.split(",", 8)
        text = fields[8] if len(fields) == 9 else text
        for mark in ("\\N", "\\n", "\\h"):
            text = text.replace(mark, " ")
    text = _unescaped(_without_tags(_without_overrides(text)))
    return " ".join(text.replace("\x00", "").split())[:MAX_CUE_CHARACTERS].rstrip()


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # the number of a character with thousands of digits
        return text


def _without_overrides(text: str) -> str:
    r"""Leaves out {\an8} and the like, the styles of Advanced SubStation, which SubRip files hold too."""
    kept, position = [], 0
    while (begin := text.find("{\\", position)) >= 0 and (end := text.find("}", begin)) >= 0:
        kept.append(text[position:begin])
        position = end + 1
    return "".join([*kept, text[position:]])


def _without_tags(text: str) -> str:
    """Leaves out tags that SubRip and WebVTT know, and times inside of cues; "x < y" and "<Alice>" are text."""
    kept, position = [], 0
    while (begin := text.find("<", position)) >= 0 and (end := text.find(">", begin)) >= 0:
        # A tag holds no other: of "a < b <i>" only the last is one.
        begin = text.rfind("<", begin, end)
        kept.append(text[position:begin])
        inside = text[begin + 1 : end]
        if not _is_tag(inside):
            kept.append(text[begin : end + 1])
        elif inside.startswith("br"):
            kept.append(" ")
        position = end + 1
    return "".join([*kept, text[position:]])


def _is_tag(inside: str) -> bool:
    name = inside.removeprefix("/").removesuffix("/").split(None, 1)
    if not name:
        return inside == "/"
    if inside[0].isdigit():
        return ":" in inside and inside.strip("0123456789:.,") == ""
    head = name[0].split(".", 1)[0].lower()
    if head not in _TAGS:
        return False
    # <b> and <c.loud> stand alone; <font color="…">, <v Ann>, <lang en> and <span class=…> say more.
    return len(name) == 1 or head in ("v", "lang") or (head in ("font", "span", "c", "b", "i", "u") and "=" in name[1])
