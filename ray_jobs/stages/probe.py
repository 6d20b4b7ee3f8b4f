"""What a file really is: its streams, size, rotation and the duration that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.container import audio_stream, chapters, open_media, start_seconds, video_stream
from services.core.errors import MediaError, Reason
from services.core.media import MediaInfo

if TYPE_CHECKING:
    from av.container import InputContainer

_TAIL_SECONDS = 3.0
# 2 hours of 120 fps video with audio are about 1.2 million packets.
_MAX_PACKETS = 3_000_000
_MAX_PROOF_PACKETS = 600
_RATE_PACKETS = 64
_MAX_REORDER = 16  # pictures that H.264 and HEVC may hold back
_MAX_PROOF_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ProbeLimits:
    """What a file may be; compared with what was measured."""

    min_duration_seconds: float = 0
    max_duration_seconds: float = 7200
    max_pixels: int = 7680 * 4320


def probe(path: Path, limits: ProbeLimits | None = None) -> MediaInfo:
    """Measures `path`, reading its start and end, or every packet where the header and the end disagree.

    Raises MediaError when nothing in it can be decoded or a limit is passed; the message says which and why.
    """
    limits = limits or ProbeLimits()
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        if video is None and audio is None:
            raise MediaError("The file has no video and no audio stream, so there is nothing to describe.")
        if video is not None:
            _check_pixels(video.codec_context.width, video.codec_context.height, limits)
        frame = _first_frame(container, video)
        sound = _first_frame(container, audio)
        if frame is None and sound is None:
            codecs = " and ".join(_codec(stream) or "unknown" for stream in (video, audio) if stream is not None)
            raise MediaError(f"Nothing in the file can be decoded ({codecs}); it is damaged or not supported.")
        if video is not None and frame is None:
            raise MediaError(
                f"The video stream ({_codec(video) or 'unknown codec'}) cannot be decoded; it is damaged or not "
                "supported. Convert it to H.264, HEVC, VP9 or AV1, or upload only its audio."
            )
        streams = [s for s, proof in ((video, frame), (audio, sound)) if s is not None and proof is not None]
        is_image = frame is not None and sound is None and _is_image(container)
        duration_seconds = 0.0 if is_image else _measured_seconds(container, streams, limits)
        if not is_image and duration_seconds <= 0:
            raise MediaError("The file holds no playable time (its measured duration is 0 s).")
        if not is_image:
            _check_duration(duration_seconds, limits)
        rotation = -frame.rotation % 360 if frame is not None else 0
        width, height = (frame.width, frame.height) if frame is not None else (None, None)
        if frame is not None:
            _check_pixels(frame.width, frame.height, limits)
        if rotation in (90, 270):
            width, height = height, width
        rate, is_regular = (None, True) if frame is None or is_image else _frame_rate(container, video)
        return MediaInfo(
            media_type="image" if is_image else "video" if frame is not None else "audio",
            duration_seconds=duration_seconds,
            format=container.format.name,
            has_audio=sound is not None,
            width=width,
            height=height,
            frame_rate=rate,
            rotation=rotation,
            video_codec=_codec(video) if frame is not None else None,
            pixel_format=frame.format.name if frame is not None else None,
            audio_codec=_codec(audio) if sound is not None else None,
            sample_rate=sound.sample_rate if sound is not None else None,
            channels=sound.layout.nb_channels if sound is not None else None,
            bitrate=round(path.stat().st_size * 8 / duration_seconds) if duration_seconds else None,
            has_subtitles=any(stream.type == "subtitle" for stream in container.streams),
            chapters=chapters(container, duration_seconds),
            video_profile=video.codec_context.profile if frame is not None and video is not None else None,
            has_regular_rate=is_regular,
        )


def _codec(stream: Any) -> str | None:
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else None


def _is_image(container: InputContainer) -> bool:
    return container.format.name.endswith("_pipe")


def _frame_rate(container: InputContainer, stream: Any) -> tuple[float | None, bool]:
    """Frames per second: what the header claims, unless the first packets differ (clocks of 1/1000 s claim 1000).

    With it, whether those packets are evenly spaced.
    """
    import av

    claimed = float(stream.average_rate or stream.guessed_rate or 0)
    _rewind(container)
    times: list[float] = []
    try:
        for packet in container.demux(stream):
            if packet.pts is not None:
                times.append(float(packet.pts * packet.time_base))
            if len(times) >= _RATE_PACKETS:
                break
    except av.FFmpegError:
        pass
    span_seconds = max(times) - min(times) if times else 0.0
    measured = (len(times) - 1) / span_seconds if span_seconds > 0 else claimed
    is_near = claimed > 0 and 0.8 < measured / claimed < 1.25
    return round(claimed if is_near else measured, 3) or None, _is_even(times)


def _is_even(times: list[float]) -> bool:
    """Whether no step differs from the middle one by more than a quarter of it, as rounded clocks make them differ."""
    shown = sorted(times)
    if len(times) == _RATE_PACKETS:  # pictures shown among the last ones may have come after those
        shown = shown[:-_MAX_REORDER]
    steps = sorted(later - earlier for earlier, later in pairwise(shown))
    middle = steps[len(steps) // 2] if steps else 0.0
    return all(abs(step - middle) <= middle / 4 for step in steps)


def _first_frame(container: InputContainer, stream: Any) -> Any | None:
    """One decoded frame of `stream`, or None when none comes out of its first packets."""
    import av

    if stream is None or stream.codec_context is None:
        return None
    _rewind(container)
    read_bytes = 0
    try:
        for count, packet in enumerate(container.demux(stream)):
            read_bytes += packet.size or 0
            try:
                for frame in stream.codec_context.decode(packet):
                    return frame
            except av.FFmpegError:
                pass
            if count > _MAX_PROOF_PACKETS or read_bytes > _MAX_PROOF_BYTES:
                break
    except av.FFmpegError:
        pass
    return None


def _rewind(container: InputContainer) -> None:
    import av

    try:
        container.seek(container.start_time or 0)
    except av.FFmpegError:
        pass


def _measured_seconds(container: InputContainer, streams: list[Any], limits: ProbeLimits) -> float:
    """The end of the last packet that is really there, from the start of the media."""
    import av

    claimed = (container.duration or 0) / 1_000_000
    if claimed > 0:
        tail = max(0.0, claimed - _TAIL_SECONDS)
        try:
            container.seek(int((start_seconds(container) + tail) * 1_000_000))
            measured = _last_packet_end(container, streams, limits)
        except av.FFmpegError:
            measured = 0.0
        # Stamps are rounded and the last packet's length is a guess; a file cut short misses far more.
        if abs(measured - claimed) <= max(0.5, 0.01 * claimed):
            return min(measured, claimed)
    _rewind(container)
    return _last_packet_end(container, streams, limits)


def _last_packet_end(container: InputContainer, streams: list[Any], limits: ProbeLimits) -> float:
    import av

    start, end = start_seconds(container), 0.0
    rates = {s.index: 1 / float(s.guessed_rate or 25) if s.type == "video" else 0.0 for s in streams}
    try:
        for count, packet in enumerate(container.demux(*streams)):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or not packet.size or packet.is_corrupt:
                continue
            length = float((packet.duration or 0) * packet.time_base) or rates[packet.stream.index]
            end = max(end, float(stamp * packet.time_base) + length - start)
            if end > limits.max_duration_seconds:
                break
            if count > _MAX_PACKETS:
                raise MediaError(
                    f"The duration could not be measured within {_MAX_PACKETS} packets; remux the file, "
                    "for example with 'ffmpeg -i in -c copy out.mp4'."
                )
    except av.FFmpegError:
        pass
    return end


def _check_pixels(width: int, height: int, limits: ProbeLimits) -> None:
    if width * height > limits.max_pixels:
        raise MediaError(
            f"The picture is {width}x{height} ({width * height} pixels); the limit is {limits.max_pixels} pixels. "
            "Scale it down.",
            Reason.INVALID_ARGUMENT,
        )


def _check_duration(duration_seconds: float, limits: ProbeLimits) -> None:
    if duration_seconds > limits.max_duration_seconds:
        raise MediaError(
            f"The file lasts at least {duration_seconds:.1f} s; the limit is {limits.max_duration_seconds:g} s. "
            "Split it into shorter files.",
            Reason.INVALID_ARGUMENT,
        )
    if duration_seconds < limits.min_duration_seconds:
        raise MediaError(
            f"The file lasts {duration_seconds:.2f} s; the least is {limits.min_duration_seconds:g} s. "
            "Upload a longer one.",
            Reason.INVALID_ARGUMENT,
        )
