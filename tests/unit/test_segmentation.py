import math
from itertools import pairwise
from pathlib import Path

import pytest

from ray_jobs.stages.probe import ProbeLimits, probe
from ray_jobs.stages.segmentation import MAX_SEGMENTS, segment_spans
from services.core.errors import ArcusError, MediaError
from services.core.media import MediaInfo, SegmentationConfig, Span, UniformConfig
from tests.media import clip

INFO = MediaInfo("video", 50.02, "mov", has_audio=True)


def spans(**config):
    return segment_spans(SegmentationConfig(**config), INFO, Path("unread"))


def test_the_last_partial_window_is_kept():
    assert spans() == [Span(0, 20), Span(20, 40), Span(40, 50.02)]


def test_a_sliver_is_dropped():
    assert spans(uniform_config=UniformConfig(25)) == [Span(0, 25), Span(25, 50)]


def test_a_segment_that_ends_before_it_starts_is_named():
    with pytest.raises(ArcusError, match=r"manual_config.segments\[1\]"):
        spans(strategy="manual", manual_segments=(Span(0, 1), Span(5, 4)))


def test_manual_segments_are_clamped_to_the_file():
    assert spans(strategy="manual", manual_segments=(Span(40, 90),)) == [Span(40, 50.02)]


def test_too_many_segments_are_refused():
    with pytest.raises(ArcusError, match="10000"):
        spans(uniform_config=UniformConfig(0.001))


def test_shots_of_sound_are_refused():
    with pytest.raises(ArcusError, match="needs video"):
        segment_spans(SegmentationConfig("shot-detector"), MediaInfo("audio", 5, "wav", True), Path("unread"))


def test_a_long_file_is_refused_with_the_limit():
    with pytest.raises(MediaError, match="limit is 10 s"):
        probe(clip("screencast.webm"), ProbeLimits(max_duration_seconds=10))


def test_as_many_segments_as_are_allowed_cover_the_file_in_order():
    info = MediaInfo("video", 7200.0, "mov", has_audio=True)
    found = segment_spans(SegmentationConfig(uniform_config=UniformConfig(0.72)), info, Path("unread"))
    assert len(found) == MAX_SEGMENTS
    assert found[0].start_time == 0 and found[-1].end_time == 7200.0
    assert all(before.end_time == pytest.approx(after.start_time) for before, after in pairwise(found))
    with pytest.raises(ArcusError, match="the limit is 10000"):
        segment_spans(SegmentationConfig(uniform_config=UniformConfig(0.7199)), info, Path("unread"))


def test_more_named_segments_than_are_allowed_are_refused():
    segments = tuple(Span(0, 1) for _ in range(MAX_SEGMENTS + 1))
    with pytest.raises(ArcusError, match="10001 segments; the limit is 10000"):
        spans(strategy="manual", manual_segments=segments)


@pytest.mark.parametrize("segment", [Span(5, 5), Span(0, 0), Span(50.02, 50.02), Span(math.nan, 3), Span(1, math.nan)])
def test_a_segment_without_length_is_refused_by_name(segment):
    with pytest.raises(ArcusError, match=r"manual_config.segments\[1\]"):
        spans(strategy="manual", manual_segments=(Span(0, 1), segment))


@pytest.mark.parametrize("window", [0.0, -1.0, math.nan, math.inf])
def test_a_window_without_length_is_refused(window):
    with pytest.raises(ArcusError, match="window_seconds"):
        spans(uniform_config=UniformConfig(window))
