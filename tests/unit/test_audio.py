"""Sound as samples, from files."""

import numpy as np
import pytest

from ray_jobs.stages.audio import audio_samples
from ray_jobs.stages.probe import probe
from tests.media import clip
from tests.media.damage import TRUNCATED_SECONDS


def samples_of(name: str, start: float, end: float, rate: int = 16000) -> np.ndarray:
    return audio_samples(clip(name), probe(clip(name)), start, end, rate)


def test_samples_are_one_channel_of_the_rate_asked_for():
    samples = samples_of("speech.flac", 0, 11)
    assert samples.dtype == np.int16 and samples.ndim == 1
    assert len(samples) == pytest.approx(11 * 16000, abs=2)
    assert len(samples_of("speech.flac", 0, 11, 8000)) == pytest.approx(11 * 8000, abs=2)


@pytest.mark.parametrize("name", ["speech.flac", "slides.mov", "screencast.webm"])
def test_a_part_is_heard_where_it_lies_in_the_whole(name):
    whole, part = samples_of(name, 0, 11), samples_of(name, 5.25, 8.5)
    assert len(part) == pytest.approx(3.25 * 16000, abs=2)
    # Stamps in whole milliseconds place a part a millisecond off.
    same = [whole[84000 + lag : 84000 + lag + len(part)].astype(float) for lag in range(-24, 25)]
    assert max(np.corrcoef(at, part.astype(float))[0, 1] for at in same) > 0.95


def test_both_channels_are_mixed():
    import wave

    with wave.open(str(clip("two_speakers.wav"))) as source:
        pcm = np.frombuffer(source.readframes(source.getnframes()), np.int16).reshape(-1, 2).astype(float)
    mixed = samples_of("two_speakers.wav", 0, 5).astype(float)
    assert np.corrcoef(mixed, pcm.sum(axis=1)[: len(mixed)])[0, 1] > 0.99


def test_a_file_without_sound_and_a_range_after_its_end_are_empty():
    assert len(samples_of("reordered.mkv", 0, 3)) == 0
    assert len(samples_of("speech.wav", 30, 40)) == 0


def test_a_truncated_file_gives_the_sound_that_is_there():
    assert len(samples_of("truncated.webm", 0, 34)) / 16000 == pytest.approx(TRUNCATED_SECONDS, abs=0.1)
