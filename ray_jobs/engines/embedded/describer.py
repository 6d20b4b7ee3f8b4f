"""Describes a segment from what can be measured in its frames and audio, and from what was read and heard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ray_jobs.engines.embedded import sound, titles
from services.core.errors import invalid
from services.core.media import DescribeConfig, SegmentDescription, Span, Speech, TimedText

NO_AUDIO = np.zeros(0, np.int16)


class EmbeddedDescriber:
    """Plain sentences, each of them true; what cannot be measured is not mentioned."""

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
        `samples` is mono int16 [n] covering the span (empty where there is no audio).
        """
        if frames.ndim != 4 or frames.dtype != np.uint8 or len(frames) != len(times):
            raise invalid("Give frames as uint8 [n, height, width, 3], each with a time.", field="frames")
        visual: tuple[TimedText, ...] = ()
        audio = sound.listen(samples, span, sample_rate, bool(speech)) if config.enable_audio_description else ()
        return SegmentDescription(
            title=titles.segment_title(speech, scene_text, "") if config.enable_summary else "",
            summary=titles.segment_summary(speech, scene_text, visual) if config.enable_summary else "",
            visual_scene_description=visual if config.enable_visual_scene_description else (),
            scene_text=tuple(scene_text) if config.enable_scene_text else (),
            speech=tuple(speech) if config.enable_speech else (),
            audio_description=audio,
        )

    def summarise_file(
        self, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]:
        """(title, summary) of a file from its segments, in order."""
        return titles.summarise_file(segments, filename, duration_seconds)
