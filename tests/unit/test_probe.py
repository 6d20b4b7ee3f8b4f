"""What the probe says of files, good, odd and damaged."""

import json
import shutil

import pytest

from ray_jobs.stages.probe import ProbeLimits, probe
from services.core.errors import MediaError, Reason
from services.core.media import MediaInfo
from tests.media import clip, scenes
from tests.media.damage import TRUNCATED_SECONDS, UNREADABLE
from tests.media.numbered import EVEN, NUMBERED, REORDERED, Numbered, write_numbered

FORMATS = {
    ".webm": "matroska", ".mkv": "matroska", ".mp4": "mp4", ".mov": "mov", ".ts": "mpegts", ".mpg": "mpeg", ".avi": "avi",
    ".flv": "flv", ".3gp": "3gp", ".ogv": "ogg",
}  # fmt: skip
CODECS = {
    "libvpx": "vp8", "libvpx-vp9": "vp9", "libsvtav1": "av1", "libx264": "h264", "libx265": "hevc", "flv": "flv1",
}  # fmt: skip
SOUNDS = {"libopus": "opus", "libmp3lame": "mp3"}
# What is not numbered: seconds, container, whether it has pictures, whether it has sound.
OTHERS = {
    "slides.mov": (scenes.SLIDES_SECONDS, "mov", True, True),
    "counter.mp4": (3.0, "mp4", True, False),
    "shots.webm": (scenes.SHOTS_SECONDS, "matroska", True, True),
    "fades.mp4": (scenes.FADES_SECONDS, "mp4", True, False),
    "screencast.webm": (scenes.SCREENCAST_SECONDS, "matroska", True, True),
    "moving.avi": (scenes.MOVING_SECONDS, "avi", True, True),
    "tracks.mp4": (scenes.mirror_seconds(), "mp4", True, True),
    "subtitles.mkv": (1.2, "matroska", True, True),
    "chapters.mkv": (5.0, "matroska", True, True),
    "long_mdat.mp4": (1.28, "mp4", True, False),
    "corrupt.mp4": (1.28, "mp4", True, True),
    "two_speakers.wav": (8.565, "wav", False, True),
    "tune.ogg": (12.0, "ogg", False, True),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_a_clip_is_what_its_maker_says(name):
    made, info = NUMBERED[name], probe(clip(name))
    step = made.times[-1] - made.times[-2]
    assert info.media_type == "video"
    assert info.duration_seconds == pytest.approx(made.times[-1] + step, abs=max(0.1, step - 0.03))
    assert ("ogg" if name == "ogg_named.mkv" else FORMATS[name[name.rindex(".") :]]) in info.format
    assert info.video_codec == CODECS.get(made.encoder, made.encoder)
    assert (info.width, info.height) == made.shown_size
    assert info.rotation == made.more.get("turn", 0)
    assert info.pixel_format == made.more.get("pixel_format", "yuv420p")
    sound = "vorbis" if made.encoder == "theora" else SOUNDS.get(made.sound, made.sound)
    assert (info.has_audio, info.audio_codec) == (sound is not None, sound)
    steps = {round(later - earlier, 2) for earlier, later in zip(made.times, made.times[1:], strict=False)}
    if max(steps) - min(steps) < 0.02:
        assert info.frame_rate == pytest.approx((len(made.times) - 1) / (made.times[-1] - made.times[0]), rel=0.02)
        assert info.has_regular_rate
    else:
        assert info.frame_rate == pytest.approx(18, abs=0.3) and not info.has_regular_rate


@pytest.mark.parametrize("name", OTHERS)
def test_a_clip_has_the_length_and_the_streams_that_its_maker_gave_it(name):
    (seconds, container, has_pictures, has_sound), info = OTHERS[name], probe(clip(name))
    assert info.duration_seconds == pytest.approx(seconds, abs=0.1)
    assert container in info.format
    assert (info.media_type, info.video_codec is None) == (("video", False) if has_pictures else ("audio", True))
    assert info.has_audio == has_sound


@pytest.mark.parametrize(("name", "reason"), UNREADABLE.items())
def test_an_unreadable_file_is_refused_with_its_reason(name, reason):
    with pytest.raises(MediaError, match=reason):
        probe(clip(name))


def test_the_duration_of_a_truncated_file_is_what_can_be_read():
    info = probe(clip("truncated.webm"))
    assert info.duration_seconds == pytest.approx(TRUNCATED_SECONDS, abs=0.1)


def test_of_several_tracks_the_default_is_taken():
    info = probe(clip("tracks.mp4"))
    assert (info.width, info.height, info.sample_rate, info.channels) == (480, 270, 16_000, 2)
    assert info.has_subtitles and not probe(clip("reordered.mp4")).has_subtitles


@pytest.mark.parametrize("name", ["subtitles.mkv", "clock.mkv", "h264.flv"])
def test_a_frame_rate_that_is_only_a_clock_is_measured_instead(name):
    assert probe(clip(name)).frame_rate == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize(("name", "is_open"), [("mp4", 1), ("mp4", 0), ("mkv", 1), ("mkv", 0), ("ts", 1), ("ts", 0)])
def test_keyframes_that_are_no_idr_pictures_are_told(name, is_open, tmp_path):
    options = REORDERED | {"x264-params": f"open-gop={is_open}:threads=1"}
    path = tmp_path / f"made.{name}"
    write_numbered(Numbered("libx264", EVEN, options, (96, 64)), path.name, path)
    assert probe(path).has_open_groups is bool(is_open)


@pytest.mark.parametrize(("name", "matrix", "is_full"), [("bt709.webm", 1, False), ("mjpeg.mov", 5, True)])
def test_the_colours_of_a_picture_are_told(name, matrix, is_full):
    info = probe(clip(name))
    assert (info.colour_matrix, info.is_full_range) == (matrix, is_full)


def test_content_counts_and_the_name_does_not(tmp_path):
    assert probe(clip("ogg_named.mkv")).format == "ogg"
    renamed = tmp_path / "video.mp4"
    shutil.copy(clip("speech.flac"), renamed)
    assert (probe(renamed).media_type, probe(renamed).format) == ("audio", "flac")


def test_a_playlist_is_refused_because_it_names_other_files(tmp_path):
    playlist = tmp_path / "video.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{clip('mpeg2.ts')}\n#EXT-X-ENDLIST\n")
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
        probe(clip("counter.mp4"), limits)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_chapter_marks_are_read_and_end_inside_the_file():
    info = probe(clip("chapters.mkv"))
    assert [chapter.title for chapter in info.chapters] == ["Chapter 1", "Chapter 2"]
    assert [chapter.start_time for chapter in info.chapters] == [0.0, 2.0]
    assert info.chapters[-1].end_time <= info.duration_seconds
    assert MediaInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert probe(clip("h264.flv")).chapters == ()
