"""The spectrogram is the one that the model was trained on, as another implementation computes it."""

from __future__ import annotations

import numpy as np
import pytest

from ray_jobs.engines.embedded.whisper.log_mel import log_mel


def chirp(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * 16_000)) / 16_000
    noise = np.random.default_rng(7).normal(0, 0.02, len(time))
    return (32767 * (0.4 * np.sin(2 * np.pi * (200 + 900 * time) * time) * (time % 1 < 0.7) + noise)).astype(np.int16)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.0, 7.31, 30.0])
def test_it_equals_that_of_transformers(seconds: float) -> None:
    from transformers import WhisperFeatureExtractor

    samples = chirp(seconds)
    other = WhisperFeatureExtractor()(samples.astype(np.float32) / 32768, sampling_rate=16_000)["input_features"][0]
    ours = log_mel(samples)
    assert ours.shape == other.shape == (80, 3000) and ours.dtype == np.float32
    # The last frame of the sound sees what is padded behind it, which the two do otherwise.
    heard = int(seconds * 100) - 2
    assert np.abs(ours[:, :heard] - np.asarray(other)[:, :heard]).max() < 2e-3
    assert np.abs(ours[:, heard + 4 :] - np.asarray(other)[:, heard + 4 :]).max(initial=0) < 2e-3


@pytest.mark.parametrize("count", [0, 1, 159, 400])
def test_hardly_any_sound_is_a_picture_too(count: int) -> None:
    found = log_mel(np.full(count, 1000, np.int16))
    assert found.shape == (80, 3000) and np.isfinite(found).all()
