"""What a file really is: its streams, size, rotation and the duration that can be read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_jobs.stages.colours import FULL_RANGE
from ray_jobs.stages.container import (
    MAX_PIXELS,
    audio_stream,
    chapters,
    decoded_video,
    open_media,
    read_only,
    start_seconds,
    video_stream,
)
from ray_jobs.stages.frame_memory import check_pictures, decoding
from ray_jobs.stages.group_clips import starts_afresh
from ray_jobs.stages.joined import joined_parts, streams_joined
from ray_jobs.stages.orientation import display_size, orientation, turned
from ray_jobs.stages.unstamped import picture_seconds
from services.core.errors import MediaError, Reason
from services.core.media import MediaInfo

if TYPE_CHECKING:
    from av.container import InputContainer

# Opens the file anew, at its start.
Opened = Callable[[], AbstractContextManager["InputContainer"]]
_TAIL_SECONDS = 3.0
# 2 hours of 120 fps video with audio are about 1.2 million packets.
_MAX_PACKETS = 3_000_000
_MAX_PROOF_PACKETS = 600
_RATE_PACKETS = 64
_PROVEN_KEYFRAMES = 8
_MAX_REORDER = 16  # pictures that H.264 and HEVC may hold back
_MAX_PROOF_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ProbeLimits:
    """What a file may be; compared with what was measured."""

    min_duration_seconds: float = 0
    max_duration_seconds: float = 7200
    max_pixels: int = MAX_PIXELS

    def within(self, seconds: float | None) -> ProbeLimits:
        """These, and no longer than that."""
        if seconds is None:
            return self
        return replace(self, max_duration_seconds=min(seconds, self.max_duration_seconds))


def probe(path: Path, limits: ProbeLimits | None = None) -> MediaInfo:
    """Measures `path`, reading its start and end, or every packet where the header and the end disagree.

    Raises MediaError when nothing in it can be decoded or a limit is passed; the message says which and why.
    """
    limits = limits or ProbeLimits()
    with open_media(path, max_pixels=limits.max_pixels) as container:
        format = container.format.name
    parts = joined_parts(path, format)
    if (joined := streams_joined(path, format)) > 1:
        raise MediaError(
            f"The file is {joined} recordings joined to one, and the times of each begin anew. Make one stream of them, "
            "for example with 'ffmpeg -f concat', or upload them one by one."
        )

    def opened():
        return open_media(path, parts[0] if parts else None, limits.max_pixels)

    with opened() as container:
        video, audio = video_stream(container), audio_stream(container)
        if video is None and audio is None:
            raise MediaError(_nothing(container))
        if video is not None and video.codec_context is not None:
            check_pictures(video.codec_context, limits.max_pixels)
        frame = _first_frame(opened, video_stream)
        sound = _first_frame(opened, audio_stream)
        if frame is None and sound is None:
            codecs = " and ".join(_codec(stream) or "unknown" for stream in (video, audio) if stream is not None)
            raise MediaError(f"Nothing in the file can be decoded ({codecs}); it is damaged or not supported.")
        if video is not None and frame is None:
            raise MediaError(
                f"The video stream ({_codec(video) or 'unknown codec'}) cannot be decoded; it is damaged, larger than "
                f"{limits.max_pixels} pixels, or not supported. Convert it to H.264, HEVC, VP9 or AV1, or upload only "
                "its audio."
            )
        if parts and frame is not None:
            raise MediaError(
                f"The file is {len(parts)} Ogg videos joined to one; only joined sound can be read. Make one stream of "
                "them, for example with 'ffmpeg -f concat', or upload them one by one."
            )
        if frame is not None and sound is None and _is_picture(opened):
            return _picture(container, video, frame)
        duration_seconds = (
            parts[-1].end_time if parts else _measured_seconds(opened, frame is not None, sound is not None, limits)
        )
        if duration_seconds <= 0:
            raise MediaError("The file holds no playable time (its measured duration is 0 s).")
        _check_duration(duration_seconds, limits)
        rate, is_regular = (None, True) if frame is None else _frame_rate(opened)
        return MediaInfo(
            media_type="audio" if frame is None else "video",
            duration_seconds=duration_seconds,
            format=container.format.name,
            has_audio=sound is not None,
            **({} if frame is None else _shown(video, frame)),
            frame_rate=rate,
            audio_codec=_codec(audio) if sound is not None else None,
            sample_rate=sound.sample_rate if sound is not None else None,
            channels=sound.layout.nb_channels if sound is not None else None,
            bitrate=round(path.stat().st_size * 8 / duration_seconds),
            has_subtitles=any(stream.type == "subtitle" for stream in container.streams),
            chapters=chapters(container, duration_seconds),
            has_regular_rate=is_regular,
            container_start=start_seconds(container),
            has_open_groups=frame is not None and _has_open_groups(opened, duration_seconds),
            parts=parts,
            audio_language=(audio.metadata.get("language") or "").lower()[:16] if audio is not None else "",
        )


def _nothing(container: InputContainer) -> str:
    if container.streams.audio or container.streams.video:
        return "The streams of the file are of kinds that are not known, or damaged; nothing in it can be decoded."
    return "The file has no video and no audio stream, so there is nothing to describe."


def _shown(video: Any, frame: Any) -> dict[str, Any]:
    """What MediaInfo tells of the picture."""
    turn = orientation(frame)
    width, height = turned(display_size(frame.width, frame.height, video.sample_aspect_ratio), turn.rotation)
    return {
        "width": width,
        "height": height,
        "rotation": turn.rotation,
        "mirrored": turn.mirrored,
        "video_codec": _codec(video),
        "pixel_format": frame.format.name,
        "video_profile": video.codec_context.profile,
        "colour_matrix": int(frame.colorspace),
        "is_full_range": int(frame.color_range) == FULL_RANGE,
    }


def _picture(container: InputContainer, video: Any, frame: Any) -> MediaInfo:
    return MediaInfo("image", 0.0, container.format.name, False, **_shown(video, frame))


def _is_picture(opened: Opened) -> bool:
    """Whether there is one picture only. That, without sound, is a picture in whatever format it comes; two are a video."""
    import av

    with opened() as container:
        stream = video_stream(container)
        seen: set[int | None] = set()
        try:
            for packet in container.demux(stream):
                if packet.size:
                    seen.add(packet.pts if packet.pts is not None else len(seen))
                if len(seen) > 1:
                    return False
        except av.FFmpegError:
            pass
    return True


def _codec(stream: Any) -> str | None:
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else None


def _frame_rate(opened: Opened) -> tuple[float | None, bool]:
    """Frames per second: what the header claims, unless the first packets differ (clocks of 1/1000 s claim 1000).

    With it, whether those packets are evenly spaced.
    """
    import av

    times: list[float] = []
    with opened() as container:
        stream = decoded_video(container)
        claimed = float(stream.average_rate or stream.guessed_rate or 0)
        try:
            for packet in container.demux(stream):
                if packet.pts is not None:
                    times.append(float(packet.pts * packet.time_base))
                elif packet.size and packet.dts is None and not times:
                    return round(1 / picture_seconds(packet), 3), True
                if len(times) >= _RATE_PACKETS:
                    break
        except av.FFmpegError:
            pass
    span_seconds = max(times) - min(times) if times else 0.0
    measured = (len(times) - 1) / span_seconds if span_seconds > 0 else claimed
    is_near = claimed > 0 and 0.8 < measured / claimed < 1.25
    return round(claimed if is_near else measured, 3) or None, _is_even(times)


def _has_open_groups(opened: Opened, duration_seconds: float) -> bool:
    """Whether decoding can't begin at every keyframe; a few are looked at, all over the file."""
    import av

    with opened() as container:
        stream = decoded_video(container)
        if _codec(stream) != "h264":
            return False
        read_only(container, stream)
        try:
            for place in range(1, _PROVEN_KEYFRAMES + 1):
                seconds = start_seconds(container) + duration_seconds * place / (_PROVEN_KEYFRAMES + 1)
                container.seek(int(seconds * 1_000_000))
                near = islice(container.demux(stream), _MAX_PROOF_PACKETS)
                keyframe = next((packet for packet in near if packet.size and packet.is_keyframe), None)
                if keyframe is not None and not starts_afresh(stream.codec_context, keyframe):
                    return True
        except av.FFmpegError:
            pass
    return False


def _is_even(times: list[float]) -> bool:
    """Whether no step differs from the middle one by more than a quarter of it, as rounded clocks make them differ."""
    shown = sorted(times)
    if len(times) == _RATE_PACKETS:  # pictures shown among the last ones may have come after those
        shown = shown[:-_MAX_REORDER]
    steps = sorted(later - earlier for earlier, later in pairwise(shown))
    middle = steps[len(steps) // 2] if steps else 0.0
    return all(abs(step - middle) <= middle / 4 for step in steps)


def _first_frame(opened: Opened, choose: Callable[[InputContainer], Any | None]) -> Any | None:
    """One decoded frame of a stream, or None when none comes out of its first packets."""
    import av

    with opened() as container:
        stream = choose(container)
        if stream is None or stream.codec_context is None:
            return None
        with decoding(stream, threads=1) if stream.type == "video" else nullcontext():
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


def _measured_seconds(opened: Opened, has_video: bool, has_audio: bool, limits: ProbeLimits) -> float:
    """The end of the last packet that is really there, from the start of the media."""
    import av

    with opened() as container:
        claimed = (container.duration or 0) / 1_000_000
        if claimed > 0:
            tail = max(0.0, claimed - _TAIL_SECONDS)
            try:
                container.seek(int((start_seconds(container) + tail) * 1_000_000))
                measured = _last_packet_end(container, has_video, has_audio, limits)
            except av.FFmpegError:
                measured = 0.0
            # Stamps are rounded and the last packet's length is a guess; a file cut short misses far more.
            if abs(measured - claimed) <= max(0.5, 0.01 * claimed):
                return min(measured, claimed)
    with opened() as container:
        return _last_packet_end(container, has_video, has_audio, limits)


def _last_packet_end(container: InputContainer, has_video: bool, has_audio: bool, limits: ProbeLimits) -> float:
    import av

    video, audio = video_stream(container) if has_video else None, audio_stream(container) if has_audio else None
    streams = [stream for stream in (video, audio) if stream is not None]
    start, end, counted = start_seconds(container), 0.0, 0.0
    rates = {s.index: 1 / float(s.guessed_rate or 25) if s.type == "video" else 0.0 for s in streams}
    try:
        for count, packet in enumerate(container.demux(*streams)):
            if not packet.size or packet.is_corrupt:
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:  # a raw stream: its pictures follow each other
                counted += picture_seconds(packet) if packet.stream.type == "video" else 0.0
                end = max(end, counted)
            else:
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
