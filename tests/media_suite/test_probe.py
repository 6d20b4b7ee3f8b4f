"""What the probe says of real files, good, odd and damaged."""

from __future__ import annotations

import pytest

from ray_jobs.stages.probe import probe
from services.core.errors import MediaError
from tests.media_suite.conftest import TRUTH, real

UNREADABLE = {
    "bad_empty.mp4": "empty",
    "bad_nostreams.mp4": "no video and no audio",
    "bad_truncated_70pct.mov": "cut off",
}


@pytest.mark.parametrize("name", sorted(name for name in TRUTH if name not in UNREADABLE))
def test_a_readable_clip_is_what_the_ground_truth_says(name):
    truth, info = TRUTH[name], probe(real(name))
    # The header of one counts what was cut off, of the other a subtitle that outlasts picture and sound.
    if name not in ("bad_truncated_20pct.webm", "nasa_13013.mp4"):
        assert info.duration_seconds == pytest.approx(float(truth["duration"]), abs=0.2)
    assert truth["container"] in info.format
    if truth["video"] == "-":
        assert (info.media_type, info.width, info.video_codec) == ("audio", None, None)
    else:
        assert info.media_type == "video"
        assert info.frame_rate is not None and 0.5 < info.frame_rate <= 60
        assert info.video_codec
    assert info.has_audio == (truth["audio"] != "none")


@pytest.mark.parametrize(("name", "reason"), UNREADABLE.items())
def test_an_unreadable_file_is_refused_with_its_reason(name, reason):
    with pytest.raises(MediaError, match=reason):
        probe(real(name))


def test_the_duration_of_a_truncated_file_is_what_can_be_read():
    assert probe(real("bad_truncated_20pct.webm")).duration_seconds == pytest.approx(7.1, abs=0.1)


def test_sizes_are_upright():
    turned, upside_down = probe(real("rot_90.mov")), probe(real("rot_180.mov"))
    assert (turned.width, turned.height, turned.rotation) == (320, 568, 90)
    assert (upside_down.width, upside_down.height, upside_down.rotation) == (568, 320, 180)


@pytest.mark.parametrize("name", ["face_with_srt.mkv", "face.flv"])
def test_a_frame_rate_that_is_only_a_clock_is_measured_instead(name):
    assert probe(real(name)).frame_rate == pytest.approx(30, abs=0.5)


def test_content_counts_and_the_name_does_not():
    assert probe(real("odd_ogg_named_mkv.mkv")).format == "ogg"


def test_chapter_marks_are_read():
    chapters = probe(real("chapters.mkv")).chapters
    assert [(chapter.title, chapter.start_time) for chapter in chapters] == [("Chapter 1", 0.0), ("Chapter 2", 2.0)]
