import math
from itertools import pairwise
from pathlib import Path

import pytest

from ray_jobs.stages.probe import ProbeLimits, probe
from ray_jobs.stages.segmentation import MAX_SEGMENTS, segment_spans
from ray_jobs.stages.shots import detect_shots
from services.core.errors import ArcusError, MediaError
from services.core.media import MediaInfo, SegmentationConfig, ShotDetectorConfig, Span, UniformConfig

MEDIA = Path(__file__).parents[2].parent / "shared" / "media"
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


@pytest.mark.parametrize(
    ("name", "cuts", "tolerance"),
    [
        ("bbb_30s_vp8.webm", [11.8, 15.7, 23.0], 0.5),
        ("slides_lorem_1fps.mp4", [17, 19, 24], 1.0),
        ("shots_fades.mp4", [84 / 25, 167 / 25], 0.5),
    ],
)
def test_shots_are_found(name, cuts, tolerance):
    info = probe(MEDIA / name, ProbeLimits())
    found = [shot.start_time for shot in detect_shots(MEDIA / name, info, ShotDetectorConfig())][1:]
    right = sum(any(abs(cut - time) <= tolerance for cut in cuts) for time in found)
    assert 2 * right / (len(found) + len(cuts)) >= 0.8


@pytest.mark.parametrize("name", ["bad_empty.mp4", "bad_nostreams.mp4", "bad_truncated_70pct.mov"])
def test_an_unreadable_file_is_refused(name):
    with pytest.raises(MediaError):
        probe(MEDIA / name, ProbeLimits())


def test_a_file_cut_short_gets_the_duration_that_is_left():
    assert probe(MEDIA / "bad_truncated_20pct.webm", ProbeLimits()).duration_seconds == pytest.approx(7.1, abs=0.1)


def test_a_long_file_is_refused_with_the_limit():
    with pytest.raises(MediaError, match="limit is 100 s"):
        probe(MEDIA / "people_one_by_one_139s.mp4", ProbeLimits(max_duration_seconds=100))


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
