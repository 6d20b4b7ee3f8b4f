"""Sound as samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.container import audio_stream, open_media, start_seconds
from ray_jobs.stages.mono import MonoResampler
from services.core.errors import ArcusError, Reason
from services.core.media import MediaInfo, Part

if TYPE_CHECKING:
    import numpy as np

MAX_RESULT_BYTES = 512 * 2**20
# Decoders of compressed sound need some frames before the first right one (AAC: 1-2, MP3: up to 10, Opus: 80 ms).
_PREROLL_SECONDS = 0.5
# Formats without stamps of their own: FFmpeg counts them from the length of the first frames, and goes wrong where the
# rate changes. Their samples follow each other.
_COUNTED = frozenset({"mp3", "aac", "ac3", "eac3", "dts"})


def audio_samples(
    path: Path,
    info: MediaInfo,
    start_time: float,
    end_time: float,
    sample_rate: int = 16000,
    channel: int | None = None,
) -> np.ndarray:
    """int16 [n] mono mix of [start_time, end_time) seconds at `sample_rate` Hz; sample 0 is at `start_time`.

    With a `channel`, that one alone, and the mix where the file has no such channel.
    Silence fills what the file leaves out; a damaged file gives what can be read, so n may be short or 0.
    """
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
    if not info.has_audio or total == 0:
        return samples[:0]
    written = 0
    for part in info.parts or (None,):
        begin = part.start_time if part else 0.0
        if begin < end_time and (part is None or part.end_time > start_time):
            written = max(written, _fill(samples, path, part, begin - start_time, sample_rate, channel))
    return samples[:written]


def _fill(
    samples: np.ndarray, path: Path, part: Part | None, offset_seconds: float, sample_rate: int, channel: int | None
) -> int:
    """Writes the sound of a part, which begins `offset_seconds` from sample 0; returns where the last of it ends."""
    total, written = len(samples), 0
    with open_media(path, part) as container:
        stream = audio_stream(container)
        if stream is None:
            return 0
        start = start_seconds(container) - offset_seconds
        _seek(container, start - _PREROLL_SECONDS)
        counts = container.format.name in _COUNTED
        resampler = MonoResampler(sample_rate, channel)
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
                at = round((float(frame.pts * frame.time_base) - start) * sample_rate)
                # Stamps jitter by a few samples; only a real gap or overlap moves the place.
                if position is None or (abs(at - position) > sample_rate // 10 and not counts):
                    position = at
            for chunk in resampler.push(frame):
                place(chunk)
            if position is not None and position >= total:
                break
        else:
            if position is not None:
                for chunk in resampler.flush():
                    place(chunk)
    return written


def _seek(container: Any, seconds: float) -> None:
    """Goes near `seconds`; a file that was just opened is left where it is when that is its start."""
    import av

    if seconds <= start_seconds(container):
        return
    try:
        container.seek(int(seconds * 1_000_000))
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
