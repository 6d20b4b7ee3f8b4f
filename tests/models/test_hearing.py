"""What a recogniser is given of a segment, and when it is not asked at all."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from ray_jobs.stages.describe import PADDING_SECONDS, hear
from ray_jobs.stages.probe import ProbeLimits, probe
from services.core.media import Span, Speech

RATE = 16_000


class AskedTranscriber:
    """Hears one utterance in whatever it is given, and one before and one behind the segment."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float, float]] = []

    async def transcribe(
        self, tenant_id: str, samples: np.ndarray, sample_rate: int, offset_seconds: float
    ) -> tuple[Speech, ...]:
        self.calls.append((tenant_id, len(samples) / sample_rate, offset_seconds))
        end = offset_seconds + len(samples) / sample_rate
        return (
            Speech("before", offset_seconds, offset_seconds + 0.5),
            Speech("inside", offset_seconds + 1.5, offset_seconds + 2),
            Speech("behind", end - 0.5, end),
        )


def clip(path: Path, level: int, seconds: float = 10.0) -> Path:
    wave_of = np.sin(np.arange(int(RATE * seconds)) * 0.2) * level
    with wave.open(str(path), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(RATE)
        audio.writeframes(wave_of.astype("<i2").tobytes())
    return path


async def heard(path: Path, span: Span, transcriber: AskedTranscriber) -> tuple[Speech, ...]:
    return await hear(path, probe(path, ProbeLimits()), span, "tenant-a", transcriber)


async def test_a_recogniser_hears_a_little_more_than_the_segment_and_only_what_lies_inside_counts(
    tmp_path: Path,
) -> None:
    transcriber = AskedTranscriber()
    said = await heard(clip(tmp_path / "a.wav", 9_000), Span(4.0, 8.0), transcriber)
    assert [item.text for item in said] == ["inside"]
    ((tenant_id, seconds, offset),) = transcriber.calls
    assert (tenant_id, offset) == ("tenant-a", 4.0 - PADDING_SECONDS)
    assert seconds == pytest.approx(4.0 + 2 * PADDING_SECONDS, abs=0.1)


@pytest.mark.parametrize("level", [0, 5])
async def test_nobody_is_asked_what_is_said_in_silence(tmp_path: Path, level: int) -> None:
    transcriber = AskedTranscriber()
    assert await heard(clip(tmp_path / "a.wav", level), Span(0.0, 10.0), transcriber) == ()
    assert not transcriber.calls


async def test_a_segment_without_length_and_one_behind_the_end_are_heard_without_harm(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.wav", 9_000)
    transcriber = AskedTranscriber()
    assert await heard(path, Span(5.0, 5.0), transcriber) == ()
    await heard(path, Span(30.0, 40.0), transcriber)
    assert all(seconds <= 10.0 for _, seconds, _ in transcriber.calls)
