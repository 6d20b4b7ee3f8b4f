"""What is made of Whisper's timestamps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ray_jobs.engines.vllm.whisper_segments import WhisperTokens, segments

FIRST, END = 2000, 1000
TOKENS = WhisperTokens(FIRST, END, lambda ids: " ".join(f"w{id}" for id in ids))


def stamp(seconds: float) -> int:
    return FIRST + round(seconds / 0.02)


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
