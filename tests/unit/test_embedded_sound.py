import numpy as np
import pytest

from ray_jobs.engines.embedded.sound import level_dbfs, listen, sentence
from services.core.media import Span, Speech, TimedText

RATE = 16_000
SECONDS = np.arange(10 * RATE) / RATE


def int16(samples: np.ndarray) -> np.ndarray:
    return samples.clip(-32768, 32767).astype(np.int16)


def test_digital_silence_is_silence():
    assert sentence(np.zeros(RATE, np.int16)) == "Silence."


def test_one_pitch_is_a_steady_tone():
    assert sentence(int16(8000 * np.sin(2 * np.pi * 440 * SECONDS))) == "A steady tone sounds."


def test_white_noise_is_a_hiss():
    assert sentence(int16(np.random.default_rng(1).normal(size=5 * RATE) * 3000)) == "A steady hiss."


def test_notes_that_change_and_are_held_are_music():
    pitches = np.array([262, 330, 392, 523])[(SECONDS / 0.8).astype(int) % 4]
    fade = np.exp(-2 * (SECONDS % 0.8))
    notes = sum(np.sin(2 * np.pi * pitches * k * SECONDS) / k for k in (1, 2, 3))
    assert sentence(int16(6000 * fade * notes)) == "Music plays."


def test_what_is_not_known_is_only_called_background_sound():
    clicks = np.zeros(5 * RATE)
    clicks[:: RATE // 3] = 30000
    assert sentence(int16(clicks)) in ("Background sound.", "Quiet background sound.")


def test_a_clip_too_short_to_measure_is_not_judged():
    assert sentence(int16(8000 * np.sin(2 * np.pi * 440 * SECONDS[:1000]))) == "Background sound."


def test_speech_is_told_where_utterances_are_and_neighbours_of_one_kind_are_one_entry():
    samples = np.zeros(20 * RATE, np.int16)
    told = listen(samples, Span(40.0, 60.0), RATE, [Speech("hello there", 46.0, 49.0)])
    assert told == (
        TimedText("Silence.", 40.0, 45.0),
        TimedText("Someone is speaking.", 45.0, 50.0),
        TimedText("Silence.", 50.0, 60.0),
    )


def test_no_audio_tells_nothing():
    assert listen(np.zeros(0, np.int16), Span(0.0, 5.0)) == ()


def test_samples_past_the_span_are_not_told_of():
    told = listen(np.zeros(30 * RATE, np.int16), Span(0.0, 12.0), RATE)
    assert told == (TimedText("Silence.", 0.0, 12.0),)


def test_a_full_scale_sine_is_three_decibels_below_full_scale():
    assert level_dbfs(int16(32767 * np.sin(2 * np.pi * 100 * SECONDS))) == pytest.approx(-3.01, abs=0.01)
