"""Which frames stand for a segment, however short or long it is, and what becomes of a part that can't be decoded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ray_jobs.stages.probe import probe
from ray_jobs.stages.sampling import Sampling, sample_frames
from services.core.media import Span
from tests.media import clip
from tests.media.muxing import Pictures, write
from tests.media.numbered import X264
from tests.media.scenes import slide

SAMPLING = Sampling(interval_seconds=2.0, max_frames=16, max_side=64)


@pytest.mark.parametrize(
    ("span", "times"),
    [
        (Span(5.0, 5.0), [5.0]),
        (Span(0.0, 0.0), [0.0]),
        (Span(3.0, 3.001), [3.0005]),
        (Span(0.0, 6.0), [1.0, 3.0, 5.0]),
    ],
)
def test_every_segment_has_a_frame_even_one_without_length(span, times):
    assert SAMPLING.times(span) == pytest.approx(times)


def test_a_segment_of_hours_has_no_more_frames_than_the_bound():
    times = SAMPLING.times(Span(0.0, 7200.0))
    assert len(times) == 16 and times[0] == 225.0 and times[-1] == 6975.0


@pytest.mark.parametrize("span", [Span(4.0, 4.0), Span(10.5, 10.5), Span(99.0, 99.0)])
def test_a_segment_without_length_has_the_frame_shown_then_or_the_last(span):
    path = clip("slides.mov")
    info = probe(path)
    frames = sample_frames(path, info, span, SAMPLING)
    assert len(frames) == 1
    assert frames.times[0] == pytest.approx(min(span.start_time, info.duration_seconds), abs=0.2)


def test_a_file_without_a_frame_left_gives_none_and_no_error(tmp_path):
    path = clip("slides.mov")
    info = probe(path)
    broken = tmp_path / "broken.mov"
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : start + len(data) // 2] = bytes(len(data) // 2)  # the pictures, not the index
    broken.write_bytes(data)
    frames = sample_frames(broken, info, Span(0.0, 2.0), SAMPLING)
    assert frames.images.shape[1:] in {(1, 1, 3), (48, 64, 3)} and len(frames) <= 1
    sound = replace(info, media_type="audio")
    assert len(sample_frames(path, sound, Span(0.0, 2.0), SAMPLING)) == 0


def test_of_many_moments_those_are_kept_at_which_most_changed(tmp_path):
    path = tmp_path / "slides.mp4"
    states = [slide("Bread", lines, (320, 180)) for lines in ((), ("a",), ("Much more text", "on two lines"), ("a",))]
    frames = ((100 * number, states[number // 15]) for number in range(60))
    write(path, Pictures("libx264", frames, X264 | {"g": "50"}, rate=10), format="mp4")
    sampled = [sample_frames(path, probe(path), Span(0.0, 6.0), Sampling(6.0, most, 320)) for most in (16, 1)]
    assert [len(frames.moments) for frames in sampled] == [4, 1]
    assert sampled[1].since[0] in sampled[0].since[1:]
