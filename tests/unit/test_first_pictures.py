"""Every picture is seen: from the first one of transport and program streams on, and of raw streams without times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ray_jobs.stages.decode import decode_frames
from ray_jobs.stages.probe import probe
from ray_jobs.stages.shots import detect_shots
from services.core.media import ShotDetectorConfig
from tests.media import sounds
from tests.media.muxing import Pictures, Sound, Track, write
from tests.media.numbered import number_in, picture

COUNT, SIZE = 100, (256, 144)
ONE_KEYFRAME, SOME = "250", "30"
X264 = {"preset": "veryfast", "bf": "3", "b-adapt": "0", "crf": "18"}
X265 = {
    "preset": "ultrafast",
    "x265-params": "log-level=none:pools=none:frame-threads=1:bframes=3:open-gop={}:keyint={}",
}


def tracks(encoder: str, options: dict[str, str], *, sound: str | None = None) -> list[Track]:
    frames = [(40 * number, picture(number, *SIZE)) for number in range(COUNT)]
    clock = {} if encoder.startswith("lib") else {"clock": Fraction(1, 25)}
    found: list[Track] = [Pictures(encoder, frames, options, **clock)]
    if sound:
        found.append(Sound(sound, sounds.tone(440, 4, 48_000)[None], 48_000))
    return found


def coded(encoder: str, keyframes: str, is_open: bool = False) -> dict[str, str]:
    if encoder == "libx265":
        return X265 | {"x265-params": X265["x265-params"].format(int(is_open), keyframes)}
    if encoder == "libx264":
        return X264 | {"g": keyframes, "x264-params": f"open-gop={int(is_open)}:scenecut=0"}
    return {"g": keyframes, "bf": "2", "qmin": "2", "qmax": "3"}


def shown(path: Path) -> list[int]:
    """The numbers of the pictures at every half second."""
    info = probe(path)
    assert info.duration_seconds == pytest.approx(COUNT / 25, abs=0.25)
    times = (np.arange(8) / 2 + 0.1).tolist()
    frames = decode_frames(path, info, times)
    assert len(frames) == len(times) and np.abs(frames.times - times).max() < 0.2
    return [number_in(image) for image in frames.images]


@pytest.mark.parametrize("sound", [None, "mp2"])
@pytest.mark.parametrize("keyframes", [ONE_KEYFRAME, SOME])
@pytest.mark.parametrize(
    ("encoder", "format", "is_open"),
    [
        ("libx264", "mpegts", False),
        ("libx264", "mpegts", True),
        ("libx265", "mpegts", False),
        ("libx265", "mpegts", True),
        ("mpeg2video", "mpegts", False),
        ("mpeg2video", "mpeg", False),
        ("mpeg1video", "mpeg", False),
        ("libx264", "matroska", True),
    ],
)
def test_no_first_picture_is_lost(tmp_path: Path, encoder, format, is_open, keyframes, sound):
    options = {"mpegts_m2ts_mode": "1"} if format == "mpegts" and keyframes == SOME else {}
    path = tmp_path / "clip"
    write(path, *tracks(encoder, coded(encoder, keyframes, is_open), sound=sound), format=format, options=options)
    found = shown(path)
    # With sound, the clip begins with its first samples, a little before or after the first picture.
    assert np.abs(np.array(found) - (np.arange(8) * 12.5 + 2)).max() <= 3.5, found


@pytest.mark.parametrize("keyframes", [ONE_KEYFRAME, SOME])
@pytest.mark.parametrize(("encoder", "format"), [("libx264", "h264"), ("libx265", "hevc")])
def test_a_raw_stream_is_a_video_of_its_rate(tmp_path: Path, encoder, format, keyframes):
    path = write(tmp_path / "clip", *tracks(encoder, coded(encoder, keyframes)), format=format)
    assert probe(path).frame_rate == 25
    assert np.abs(np.array(shown(path)) - (np.arange(8) * 12.5 + 2)).max() <= 1


def test_shots_of_a_raw_stream_are_found(tmp_path: Path):
    frames = [
        (40 * n, np.full((144, 256, 3), (40, 90, 200) if n < 50 else (220, 40, 30), np.uint8)) for n in range(100)
    ]
    path = write(tmp_path / "clip", Pictures("libx264", frames, X264), format="h264")
    first, second = detect_shots(path, probe(path), ShotDetectorConfig())
    assert first.end_time == second.start_time == pytest.approx(2.0, abs=0.1)
