"""Speech of recordings, and none where nobody speaks."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from loadtests.scores import word_errors
from ray_jobs.engines.embedded.transcriber import EmbeddedTranscriber, within
from services.core.errors import ArcusError, Reason
from services.core.media import Span
from tests.media import clip, recordings

LECTURE = Path(__file__).parents[2] / "examples" / "lecture"


def heard(path: Path) -> np.ndarray:
    """int16 [n] at 16 kHz, mono."""
    resampler = av.AudioResampler("s16", "mono", 16_000)
    with av.open(str(path)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([part.to_ndarray()[0] for part in [*parts, *resampler.resample(None)]])


def test_the_example_lecture_is_heard_segment_by_segment(transcriber: EmbeddedTranscriber) -> None:
    chapters = json.loads((LECTURE / "lecture.json").read_text())[1:2]
    samples = heard(LECTURE / "lecture.mp4")
    errors = total = 0
    for chapter in chapters:
        span = Span(chapter["start_time"], chapter["end_time"])
        start = max(0.0, span.start_time - 1)
        padded = samples[round(start * 16_000) : round((span.end_time + 1) * 16_000)]
        speech = within(span, transcriber.transcribe(padded, 16_000, start))
        assert all(span.start_time <= item.start_time and item.end_time <= span.end_time for item in speech)
        wrong, of = word_errors(chapter["speech"], " ".join(item.text for item in speech))
        errors, total = errors + wrong, total + of
    assert errors / total <= 0.20


def test_what_the_voices_say_is_heard(transcriber: EmbeddedTranscriber) -> None:
    found = transcriber.transcribe(heard(clip("speech.flac")))
    wrong, of = word_errors(recordings.said("speech.flac"), " ".join(item.text for item in found))
    assert wrong / of <= 0.25


@pytest.mark.parametrize("name", ["tune.ogg", "screencast.webm", "moving.avi", "mpeg4.avi"])
def test_music_and_noise_yield_no_words(transcriber: EmbeddedTranscriber, name: str) -> None:
    assert transcriber.transcribe(heard(clip(name))) == ()


def test_an_hour_of_silence_yields_nothing(transcriber: EmbeddedTranscriber) -> None:
    assert transcriber.transcribe(np.zeros(3600 * 16_000, np.int16)) == ()


def test_words_lie_in_order_inside_their_utterance_at_the_offset(transcriber: EmbeddedTranscriber) -> None:
    samples = heard(clip("speech.wav"))
    speech = transcriber.transcribe(samples, offset_seconds=100.0)
    found = [word for item in speech for word in item.words]
    assert found and all(100 <= word.start_time < word.end_time <= 100 + len(samples) / 16_000 for word in found)
    assert [word.start_time for word in found] == sorted(word.start_time for word in found)
    for item in speech:
        assert item.text == " ".join(word.word for word in item.words)
        assert (item.start_time, item.end_time) == (item.words[0].start_time, item.words[-1].end_time)


def test_what_was_heard_before_changes_nothing(transcriber: EmbeddedTranscriber) -> None:
    recordings = [heard(clip(name)) for name in ("speech_only.mp4", "speech.wav")]
    forth = [transcriber.transcribe(samples) for samples in recordings]
    back = [transcriber.transcribe(samples) for samples in reversed(recordings)]
    assert back[::-1] == forth


def test_wrong_samples_are_refused_with_what_to_change(transcriber: EmbeddedTranscriber) -> None:
    for samples in (np.zeros((2, 100), np.int16), np.zeros(100, np.float32)):
        with pytest.raises(ArcusError, match="int16") as refused:
            transcriber.transcribe(samples)
        assert refused.value.reason is Reason.INVALID_ARGUMENT


def test_an_engine_that_is_not_set_up_says_so() -> None:
    with pytest.raises(ArcusError, match=r"setup\(\)") as refused:
        EmbeddedTranscriber().transcribe(np.zeros(100, np.int16))
    assert refused.value.reason is Reason.ENGINE_UNAVAILABLE
