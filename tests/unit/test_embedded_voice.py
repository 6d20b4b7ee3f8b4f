"""Where somebody speaks: how probabilities become ranges, without a model."""

from itertools import pairwise

import numpy as np
import pytest

from ray_jobs.engines.embedded import voice
from ray_jobs.engines.embedded.transcriber import resampled, within
from services.core.errors import ArcusError
from services.core.media import Span, Speech, Word


def likely(*runs: tuple[float, int]) -> np.ndarray:
    return np.concatenate([np.full(count, value, np.float32) for value, count in runs])


def noise(chunks: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1000, chunks * voice.CHUNK).astype(np.int16)


def test_a_short_pause_lies_inside_an_utterance_and_a_long_one_between_two() -> None:
    short = likely((0.0, 10), (0.9, 30), (0.0, voice.GAP_CHUNKS - 1), (0.9, 30), (0.0, 10))
    long = likely((0.0, 10), (0.9, 30), (0.0, voice.GAP_CHUNKS + 5), (0.9, 30), (0.0, 10))
    assert len(voice.spoken(short)) == 1
    assert len(voice.spoken(long)) == 2


def test_a_click_is_not_an_utterance() -> None:
    assert voice.spoken(likely((0.0, 50), (0.99, 2), (0.0, 50))) == []


def test_a_voice_may_sink_a_little_before_it_counts_as_gone() -> None:
    assert voice.spoken(likely((0.6, 10), (0.4, 10), (0.0, 100))) == [(0, 20)]
    assert voice.spoken(likely((0.4, 20), (0.0, 100))) == []


def test_utterances_are_bounded_in_order_and_do_not_overlap() -> None:
    count = round(70 / voice.CHUNK_SECONDS)
    found = voice.utterances(noise(count), likely((0.9, count)), max_seconds=15)
    assert all(0 < end - start <= 15 * voice.SAMPLE_RATE for start, end in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    assert found[0][0] == 0 and found[-1][1] == count * voice.CHUNK


def test_a_long_utterance_is_cut_where_the_voice_rests() -> None:
    count = round(20 / voice.CHUNK_SECONDS)
    probabilities = likely((0.9, count))
    rest = round(10 / voice.CHUNK_SECONDS)
    probabilities[rest] = 0.0
    assert voice.utterances(noise(count), probabilities, max_seconds=15)[0][1] == rest * voice.CHUNK


def test_nothing_is_spoken_in_no_samples() -> None:
    empty = np.zeros(0, np.int16)
    assert voice.utterances(empty, np.zeros(0, np.float32)) == []


def spoken(*words: tuple[str, float, float]) -> Speech:
    parts = tuple(Word(*word) for word in words)
    text = " ".join(part.word for part in parts)
    return Speech(text, parts[0].start_time, parts[-1].end_time, words=parts)


def test_a_word_belongs_to_the_segment_in_which_its_middle_lies_and_is_told_inside_it() -> None:
    speech = [spoken(("one", 9.0, 9.5), ("two", 9.6, 10.2), ("three", 9.9, 10.5))]
    (first,) = within(Span(0, 10), speech)
    (second,) = within(Span(10, 20), speech)
    assert (first.text, first.end_time) == ("one two", 10.0)
    assert (second.text, second.start_time) == ("three", 10.0)


def test_every_word_falls_into_exactly_one_of_two_touching_segments() -> None:
    speech = [spoken(*((f"w{i}", i * 0.37, i * 0.37 + 0.3) for i in range(50)))]
    kept = [w.word for span in (Span(0, 10), Span(10, 20)) for item in within(span, speech) for w in item.words]
    assert kept == [f"w{i}" for i in range(50)]


def test_a_subtitle_goes_by_its_own_middle() -> None:
    cue = Speech("A cue.", 8.0, 13.0)
    assert within(Span(0, 10), [cue]) == ()
    assert within(Span(10, 20), [cue]) == (Speech("A cue.", 10, 13.0),)


def test_sound_at_another_rate_keeps_its_length_in_seconds() -> None:
    for rate in (8_000, 22_050, 44_100, 48_000):
        assert abs(len(resampled(np.zeros(rate, np.int16), rate)) - 16_000) < 200


def test_an_impossible_sample_rate_is_refused() -> None:
    with pytest.raises(ArcusError, match="sample rate"):
        resampled(np.zeros(10, np.int16), 0)
