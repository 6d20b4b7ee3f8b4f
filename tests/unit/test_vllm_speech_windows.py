"""Which parts of a recording Whisper hears, and what is made of its timestamps."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ray_jobs.engines.vllm.speech_windows import WINDOW_SECONDS, WhisperTokens, joined, segments

FIRST, END = 2000, 1000
TOKENS = WhisperTokens(FIRST, END, lambda ids: " ".join(f"w{id}" for id in ids))


def stamp(seconds: float) -> int:
    return FIRST + round(seconds / 0.02)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 29)), max_size=20))
def test_windows_hold_every_utterance_whole_and_no_more_than_whisper_hears(steps) -> None:
    utterances, place = [], 0
    for silence, length in steps:
        utterances.append((place + silence, place + silence + length))
        place += silence + length
    windows = joined(utterances, 1)
    assert all(end - start <= WINDOW_SECONDS for start, end in windows)
    assert all(before[1] <= after[0] for before, after in pairwise(windows))
    for start, end in utterances:
        assert any(first <= start and end <= last for first, last in windows)


def test_text_between_timestamps_is_a_segment_at_its_place_in_the_file() -> None:
    ids = [1, 2, stamp(2.5), stamp(3.0), 3, stamp(4.0), stamp(4.0), 4]
    found = segments(ids, TOKENS, 100.0, 110.0)
    assert [(item.text, item.start_time, item.end_time) for item in found] == [
        ("w1 w2", 100.0, 102.5),
        ("w3", 103.0, 104.0),
        ("w4", 104.0, 110.0),
    ]


@given(st.lists(st.one_of(st.integers(0, 1100), st.integers(FIRST, FIRST + 1500)), max_size=40), st.integers(1, 30))
def test_whatever_is_written_segments_are_in_order_inside_the_window(ids, seconds) -> None:
    found = segments(ids, TOKENS, 50.0, 50.0 + seconds)
    times = [time for item in found for time in (item.start_time, item.end_time)]
    assert times == sorted(times) and all(50.0 <= time <= 50.0 + seconds for time in times)
    assert all(item.text and item.end_time > item.start_time for item in found)
