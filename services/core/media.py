"""What a video says and shows: the values that stages make, the store keeps and the API returns."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

MediaType = Literal["video", "audio", "image"]


@dataclass(frozen=True)
class Chapter:
    """A chapter as the container marks it."""

    title: str
    start_time: float
    end_time: float


@dataclass(frozen=True)
class Part:
    """Bytes of a file that are read by themselves, as one of several streams that were joined; times in seconds."""

    first_byte: int
    end_byte: int
    start_time: float
    end_time: float


@dataclass(frozen=True)
class MediaInfo:
    """What a probe measured, never what a header claimed. Durations in seconds.

    Sizes are of the picture as it is shown: in square pixels, mirrored, then turned clockwise by `rotation` degrees.
    """

    media_type: MediaType
    duration_seconds: float
    format: str
    has_audio: bool
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    rotation: int = 0
    video_codec: str | None = None
    pixel_format: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    bitrate: int | None = None
    has_subtitles: bool = False
    chapters: tuple[Chapter, ...] = ()
    video_profile: str | None = None
    has_regular_rate: bool = True
    mirrored: bool = False
    audio_language: str = ""
    parts: tuple[Part, ...] = ()
    container_start: float | None = None  # the container's time, in seconds, that is media time 0; None: not looked at
    colour_matrix: int | None = None  # by ISO/IEC 23001-8; None: not looked at
    is_full_range: bool = False  # whether black is 0 and white 255, of 8 bits
    has_open_groups: bool = False  # of H.264: keyframes from which decoding can't begin afresh

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> MediaInfo:
        chapters = tuple(Chapter(**item) for item in value.get("chapters") or ())
        parts = tuple(Part(**item) for item in value.get("parts") or ())
        return cls(**{**value, "chapters": chapters, "parts": parts})


@dataclass(frozen=True)
class Span:
    """A half-open range of media time [start_time, end_time), in seconds."""

    start_time: float
    end_time: float

    @property
    def duration(self) -> float:
        return self.end_time - self.start_time


@dataclass(frozen=True)
class TimedText:
    text: str
    start_time: float
    end_time: float


@dataclass(frozen=True, slots=True)  # of a talk there are as many as all else together
class Word:
    word: str
    start_time: float
    end_time: float


@dataclass(frozen=True)
class Speech:
    """One utterance. `words` is empty where the source (a subtitle track) has no word times.

    `speaker` is empty where one voice alone is heard, or nobody looked.
    """

    text: str
    start_time: float
    end_time: float
    speaker: str = ""
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class SegmentDescription:
    """Everything known of one segment. Times are absolute in the file and inside the segment."""

    title: str = ""
    summary: str = ""
    visual_scene_description: tuple[TimedText, ...] = ()
    scene_text: tuple[TimedText, ...] = ()
    speech: tuple[Speech, ...] = ()
    audio_description: tuple[TimedText, ...] = ()

    def to_json(self) -> dict[str, Any]:
        # Field by field: an engine's own richer kind of text is kept as what it is here.
        def texts(items: tuple[TimedText, ...]) -> list[dict[str, Any]]:
            return [{"text": item.text, "start_time": item.start_time, "end_time": item.end_time} for item in items]

        return {
            "title": self.title,
            "summary": self.summary,
            "visual_scene_description": texts(self.visual_scene_description),
            "scene_text": texts(self.scene_text),
            "speech": [asdict(item) for item in self.speech],
            "audio_description": texts(self.audio_description),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], *, with_words: bool = True) -> SegmentDescription:
        """Without words, their times are not read: they are most of what is stored of a talk."""

        def words(item: dict[str, Any]) -> tuple[Word, ...]:
            return tuple(Word(**word) for word in item.get("words") or ()) if with_words else ()

        def texts(name: str) -> tuple[TimedText, ...]:
            return tuple(TimedText(**item) for item in value.get(name) or ())

        return cls(
            title=value.get("title", ""),
            summary=value.get("summary", ""),
            visual_scene_description=texts("visual_scene_description"),
            scene_text=texts("scene_text"),
            speech=tuple(Speech(**{**item, "words": words(item)}) for item in value.get("speech") or ()),
            audio_description=texts("audio_description"),
        )


@dataclass(frozen=True)
class DescribeConfig:
    """Which parts of a description are made, and what the caller asked to look for."""

    enable_summary: bool = True
    enable_speech: bool = True
    enable_scene_text: bool = True
    enable_visual_scene_description: bool = True
    enable_audio_description: bool = True
    prompt: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class UniformConfig:
    window_seconds: float = 20.0
    hop_seconds: float | None = None


@dataclass(frozen=True)
class ShotDetectorConfig:
    detector: Literal["adaptive", "content"] = "adaptive"
    threshold: float | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None
    fill_gaps: bool = True


@dataclass(frozen=True)
class SegmentationConfig:
    """How a file is cut. Exactly one strategy; the limits apply to every strategy."""

    strategy: Literal["uniform", "shot-detector", "manual"] = "uniform"
    uniform_config: UniformConfig = field(default_factory=UniformConfig)
    shot_detector_config: ShotDetectorConfig = field(default_factory=ShotDetectorConfig)
    manual_segments: tuple[Span, ...] = ()
    start_time_seconds: float | None = None
    end_time_seconds: float | None = None


def attributed(speaker: str, text: str) -> str:
    """What somebody says as one text: "Speaker 2: I agree"."""
    return f"{speaker}: {text}" if speaker else text


_SPEAKER = re.compile(r"(Speaker \d+): (.+)", re.DOTALL)


def said_by(text: str) -> tuple[str, str]:
    """(speaker, words) of an `attributed` text; the speaker is empty where none stands there."""
    found = _SPEAKER.fullmatch(text)
    return (found[1], found[2]) if found else ("", text)


def timecode(seconds: float) -> str:
    """A time in a file as people read it: mm:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
