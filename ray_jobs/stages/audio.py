"""Sound as samples, and the text of subtitle tracks."""

from __future__ import annotations

import html
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.container import audio_stream, open_media, start_seconds, video_stream
from services.core.errors import ArcusError, Reason
from services.core.media import MediaInfo, Speech

if TYPE_CHECKING:
    import numpy as np

MAX_RESULT_BYTES = 512 * 2**20
_MAX_CUES = 100_000
# Decoders of compressed sound need some frames before the first right one (AAC: 1-2, MP3: up to 10, Opus: 80 ms).
_PREROLL_SECONDS = 0.5
_TEXT_CODECS = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"})


def audio_samples(
    path: Path, info: MediaInfo, start_time: float, end_time: float, sample_rate: int = 16000
) -> np.ndarray:
    """int16 [n] mono mix of [start_time, end_time) seconds at `sample_rate` Hz; sample 0 is at `start_time`.

    Silence fills what the file leaves out; a damaged file gives what can be read, so n may be short or 0.
    """
    import av
    import numpy as np

    end_time = min(end_time, info.duration_seconds)
    total = max(0, round((end_time - start_time) * sample_rate))
    if total * 2 > MAX_RESULT_BYTES:
        raise ArcusError(
            Reason.INVALID_ARGUMENT,
            f"{end_time - start_time:.0f} s of sound take {total * 2} bytes; the limit is {MAX_RESULT_BYTES}. "
            "Ask for a shorter range.",
        )
    samples = np.zeros(total, dtype=np.int16)
    written = 0
    if not info.has_audio or total == 0:
        return samples[:0]
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None:
            return samples[:0]
        start = start_seconds(container)
        _seek(container, start + start_time - _PREROLL_SECONDS)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=sample_rate)
        position: int | None = None  # index in `samples` of the next sample out of the resampler

        def place(chunk: np.ndarray) -> None:
            nonlocal position, written
            assert position is not None
            first, last = max(0, -position), min(len(chunk), total - position)
            if first < last:
                samples[position + first : position + last] = chunk[first:last]
                written = max(written, position + last)
            position += len(chunk)

        for frame in _decoded(container, stream):
            if frame.pts is None and position is None:
                continue
            if frame.pts is not None:
                at = round((float(frame.pts * frame.time_base) - start - start_time) * sample_rate)
                # Stamps jitter by a few samples; only a real gap or overlap moves the place.
                if position is None or abs(at - position) > sample_rate // 10:
                    position = at
            frame.pts = None
            for out in resampler.resample(frame):
                place(out.to_ndarray()[0])
            if position is not None and position >= total:
                break
        else:
            if position is not None:
                for out in resampler.resample(None):
                    place(out.to_ndarray()[0])
    return samples[:written]


def _seek(container: Any, seconds: float) -> None:
    import av

    try:
        container.seek(int(max(seconds, start_seconds(container)) * 1_000_000))
    except av.FFmpegError:
        pass


def _decoded(container: Any, stream: Any):
    """Every frame of `stream` that can be decoded, past damaged packets, until the file ends."""
    import av

    try:
        for packet in container.demux(stream):
            try:
                yield from stream.codec_context.decode(packet)
            except av.FFmpegError:
                continue
    except av.FFmpegError:
        return


def subtitles(path: Path) -> list[Speech]:
    """The cues of one embedded text subtitle track, in order; empty where there is none.

    The track marked default comes first, then English, then the one FFmpeg pairs with the video. Cues are cleaned
    of markup and end inside the file.
    """
    import av

    with open_media(path) as container:
        stream = _subtitle_stream(container)
        if stream is None:
            return []
        start = start_seconds(container)
        last = (container.duration or 0) / 1_000_000 or math.inf
        cues: list[Speech] = []
        try:
            for packet in container.demux(stream):
                if not packet.size or packet.pts is None or len(cues) >= _MAX_CUES:
                    continue
                text = _cue_text(packet, stream)
                begin = max(0.0, float(packet.pts * packet.time_base) - start)
                end = min(begin + float((packet.duration or 0) * packet.time_base), last)
                if text and end > begin:
                    cues.append(Speech(text=text, start_time=begin, end_time=end))
        except av.FFmpegError:
            pass
    return sorted(cues, key=lambda cue: cue.start_time)


def _subtitle_stream(container: Any) -> Any | None:
    from av.stream import Disposition

    tracks = [
        s
        for s in container.streams.subtitles
        if s.codec_context is not None and s.codec_context.codec.canonical_name in _TEXT_CODECS
    ]
    paired = container.streams.best("subtitle", related=video_stream(container))

    def rank(stream: Any) -> tuple[bool, bool, bool, int]:
        language = (stream.metadata.get("language") or "").lower()
        forced = bool(stream.disposition & Disposition.forced)
        return (
            forced or not stream.disposition & Disposition.default,
            not language.startswith("en"),
            paired is None or stream.index != paired.index,
            stream.index,
        )

    return min(tracks, key=rank, default=None)


def _cue_text(packet: Any, stream: Any) -> str:
    return clean_cue(bytes(packet), stream.codec_context.codec.canonical_name)


def clean_cue(data: bytes, codec: str) -> str:
    """The plain text of one subtitle packet of `codec`, its lines joined by spaces."""
    if codec == "mov_text":
        # 3GPP TS 26.245: a 16-bit length, the text, then style boxes.
        size_bytes = int.from_bytes(data[:2], "big")
        text = data[2 : 2 + size_bytes].decode("utf-8", "replace")
    else:
        text = data.decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        # Matroska keeps ReadOrder, Layer, Style, Name, MarginL, MarginR, MarginV, Effect before the text.
        fields = text.split(",", 8)
        text = fields[8] if len(fields) == 9 else text
        text = re.sub(r"\\[Nnh]", " ", text)
    text = re.sub(r"\{\\[^}]*\}", "", text)
    text = re.sub(r"</?[A-Za-z][^>]*>|<\d[\d:.]*>", "", text)
    return " ".join(html.unescape(text).replace("\x00", "").split())
