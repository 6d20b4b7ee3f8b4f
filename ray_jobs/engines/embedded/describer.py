"""Describes a segment from what can be measured in its frames and audio, and from what was read and heard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ray_jobs.engines.embedded import pictures, sound, titles
from services.core.errors import invalid
from services.core.media import DescribeConfig, SegmentDescription, Span, Speech, TimedText

NO_AUDIO = np.zeros(0, np.int16)

# Words of a prompt that ask for a topic of the picture.
ASKS = {
    "kind": {"slide", "slides", "screen", "page", "still", "picture", "scene", "scenes"},
    "text": {"text", "title", "titles", "caption", "captions", "written", "words"},
    "light": {"light", "dark", "bright", "brightness", "lighting", "night", "day"},
    "colour": {"colour", "colours", "color", "colors", "palette"},
    "motion": {"motion", "move", "moves", "moving", "movement", "action", "still", "static", "activity"},
}


class EmbeddedDescriber:
    """Plain sentences, each of them true; what cannot be measured (people, objects, places) is not mentioned.

    Of `config.prompt` it honours the words: sentences on a topic that the prompt names (colour, light, motion,
    text, kind of picture) come first, and the summary quotes the speech and the screen that share most words
    with it.
    """

    def setup(self) -> None:
        import cv2

        cv2.setNumThreads(1)

    def describe(
        self,
        frames: np.ndarray,
        times: np.ndarray,
        span: Span,
        speech: Sequence[Speech] = (),
        scene_text: Sequence[TimedText] = (),
        samples: np.ndarray = NO_AUDIO,
        sample_rate: int = 16_000,
        config: DescribeConfig = DescribeConfig(),
    ) -> SegmentDescription:
        """Everything `config` asks for, of one segment.

        `frames` is uint8 [n, height, width, 3] RGB with `times` float64 [n] in seconds (n may be 0);
        `samples` is mono int16 [n] beginning where the span does (empty where there is no audio).
        Raises ArcusError on other shapes.
        """
        if frames.ndim != 4 or frames.dtype != np.uint8 or len(frames) != len(times):
            raise invalid("Give frames as uint8 [n, height, width, 3], each with a time.", field="frames")
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise invalid("Give the audio as int16 samples of one channel.", field="samples")
        wanted = set(titles.words(config.prompt))
        topics = [topic for topic, asked in ASKS.items() if asked & wanted]
        visual: tuple[TimedText, ...] = ()
        if config.enable_visual_scene_description or config.enable_summary:
            visual = tuple(pictures.told(scene, topics, scene_text) for scene in pictures.scenes(frames, times, span))
        audio: tuple[TimedText, ...] = ()
        if config.enable_audio_description or (config.enable_summary and not visual):
            audio = sound.listen(samples, span, sample_rate, speech)
        understood = tuple(item for item in speech if item.text)
        title = summary = ""
        if config.enable_summary:
            seen = visual or (() if understood else audio)
            longest = max(seen, key=lambda item: item.end_time - item.start_time, default=None)
            title = titles.segment_title(understood, scene_text, longest.text.split(".")[0] if longest else "")
            summary = titles.segment_summary(understood, scene_text, seen, wanted)
        return SegmentDescription(
            title=title,
            summary=summary,
            visual_scene_description=visual if config.enable_visual_scene_description else (),
            scene_text=tuple(_inside(span, item) for item in scene_text) if config.enable_scene_text else (),
            speech=understood if config.enable_speech else (),
            audio_description=audio if config.enable_audio_description else (),
        )

    def summarise_file(
        self, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]:
        """(title, summary) of a file from its segments, in order."""
        return titles.summarise_file(segments, filename, duration_seconds)


def _inside(span: Span, item: TimedText) -> TimedText:
    start = min(max(item.start_time, span.start_time), span.end_time)
    return TimedText(item.text, start, max(start, min(item.end_time, span.end_time)))
