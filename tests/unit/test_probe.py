"""What the probe says of real files, good, odd and damaged."""

import json
import shutil
from pathlib import Path

import pytest

from ray_jobs.stages.probe import ProbeLimits, probe
from services.core.errors import MediaError, Reason
from services.core.media import MediaInfo

MEDIA = Path(__file__).parents[2].parent / "shared" / "media"
UNREADABLE = {
    "bad_empty.mp4": "empty",
    "bad_nostreams.mp4": "no video and no audio",
    "bad_truncated_70pct.mov": "cut off",
}
TRUTH = json.loads((MEDIA / "ground_truth.json").read_text())
READABLE = sorted(name for name in TRUTH if name not in UNREADABLE)


@pytest.mark.parametrize("name", READABLE)
def test_a_readable_clip_is_what_the_ground_truth_says(name):
    truth, info = TRUTH[name], probe(MEDIA / name)
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
        probe(MEDIA / name)


def test_the_duration_of_a_truncated_file_is_what_can_be_read():
    info = probe(MEDIA / "bad_truncated_20pct.webm")
    assert info.duration_seconds == pytest.approx(7.1, abs=0.1)


def test_sizes_are_upright():
    turned, upside_down = probe(MEDIA / "rot_90.mov"), probe(MEDIA / "rot_180.mov")
    assert (turned.width, turned.height, turned.rotation) == (320, 568, 90)
    assert (upside_down.width, upside_down.height, upside_down.rotation) == (568, 320, 180)


@pytest.mark.parametrize("name", ["face_with_srt.mkv", "face.flv"])
def test_a_frame_rate_that_is_only_a_clock_is_measured_instead(name):
    assert probe(MEDIA / name).frame_rate == pytest.approx(30, abs=0.5)


def test_content_counts_and_the_name_does_not(tmp_path):
    assert probe(MEDIA / "odd_ogg_named_mkv.mkv").format == "ogg"
    renamed = tmp_path / "video.mp4"
    shutil.copy(MEDIA / "jfk.flac", renamed)
    assert (probe(renamed).media_type, probe(renamed).format) == ("audio", "flac")


def test_a_playlist_is_refused_because_it_names_other_files(tmp_path):
    playlist = tmp_path / "video.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{MEDIA / 'mpeg2.ts'}\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError, match="not a readable"):
        probe(playlist)


def test_a_text_file_and_a_missing_file_are_refused(tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("minutes of the meeting\n" * 100)
    for path in (text, tmp_path / "absent.mp4"):
        with pytest.raises(MediaError):
            probe(path)


def test_an_image_is_an_image(tmp_path):
    import cv2
    import numpy as np

    path = tmp_path / "picture"
    path.write_bytes(cv2.imencode(".png", np.full((60, 80, 3), 128, np.uint8))[1].tobytes())
    info = probe(path, ProbeLimits(min_duration_seconds=1))
    assert (info.media_type, info.width, info.height, info.has_audio) == ("image", 80, 60, False)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (ProbeLimits(max_duration_seconds=2.5), "limit is 2.5 s"),
        (ProbeLimits(min_duration_seconds=4), "least is 4 s"),
        (ProbeLimits(max_pixels=1_000_000), "1920x1080"),
    ],
)
def test_a_limit_is_named_with_what_was_measured(limits, words):
    with pytest.raises(MediaError, match=words) as caught:
        probe(MEDIA / "ocr_frame_counter.mp4", limits)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_chapter_marks_are_read_and_end_inside_the_file():
    info = probe(MEDIA / "chapters.mkv")
    assert [chapter.title for chapter in info.chapters] == ["Chapter 1", "Chapter 2"]
    assert [chapter.start_time for chapter in info.chapters] == [0.0, 2.0]
    assert info.chapters[-1].end_time <= info.duration_seconds
    assert MediaInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert probe(MEDIA / "face.flv").chapters == ()
