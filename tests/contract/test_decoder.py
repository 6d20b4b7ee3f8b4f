"""Every decoder returns the frame shown at a time, upright, with its true timestamp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ray_jobs.stages.decode import DecordDecoder, PyavDecoder, decode_frames
from ray_jobs.stages.probe import ProbeLimits, probe
from services.core.errors import MediaError

MEDIA = Path(__file__).parents[2].parent / "shared" / "media"

READABLE = [
    "asl_book.mkv", "bbb_av1_aac.mp4", "bbb_h263.3gp", "chapters.mkv", "derived_nasa_hevc.mp4", "earth_mpeg4.avi",
    "earth_theora.ogg", "face.flv", "face_with_srt.mkv", "hevc10_rot90_short.mp4", "lecture_slides_vfr.mov",
    "nasa_13013.mp4", "ocr_frame_counter.mp4", "odd_ogg_named_mkv.mkv", "rot_180.mov", "rot_90.mov",
    "slides_lorem_1fps.mp4",
]  # fmt: skip


def every_frame(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reference: stamps and small grey pictures of every frame, decoded in order."""
    import av

    stamps, pictures = [], []
    with av.open(str(path)) as container:
        start = (container.start_time or 0) / 1e6
        for frame in container.decode(container.streams.best("video")):
            stamps.append(float(frame.time) - start)
            grey = frame.reformat(format="rgb24", width=64, height=64, interpolation="AREA").to_ndarray()
            pictures.append(np.rot90(grey, frame.rotation // 90))
    return np.array(stamps), np.array(pictures)


@pytest.fixture(params=[DecordDecoder, PyavDecoder])
def decoder(request):
    return request.param()


@pytest.mark.parametrize("name", READABLE)
def test_a_time_gives_the_frame_shown_then(decoder, name):
    import cv2

    path = MEDIA / name
    info = probe(path, ProbeLimits())
    stamps, pictures = every_frame(path)
    times = np.linspace(0.0, info.duration_seconds, 9)
    frames = decoder.frames(path, info, times.tolist(), None)
    shown = np.maximum(np.searchsorted(stamps, times + 1e-6, side="right") - 1, 0)
    assert np.allclose(frames.times, np.maximum(stamps[shown], 0), atol=1e-6)
    assert frames.images.shape == (9, info.height, info.width, 3)
    for image, index in zip(frames.images, shown, strict=True):
        small = cv2.resize(np.ascontiguousarray(image), (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - pictures[index]).mean() < 6


def test_frames_come_in_the_order_of_the_times_asked_for(decoder):
    path = MEDIA / "ocr_frame_counter.mp4"
    info = probe(path, ProbeLimits())
    frames = decoder.frames(path, info, [2.5, 0.1, 2.5, 1.04], 320)
    assert frames.times.tolist() == pytest.approx([2.5, 0.1, 2.5, 1.0])
    assert frames.images.shape == (4, 180, 320, 3)
    assert np.array_equal(frames.images[0], frames.images[2])


@pytest.mark.parametrize(
    "name", ["mpeg2.ts", "bad_corrupt_h264.mp4", "bad_mdat_too_long.mp4", "bad_truncated_20pct.webm"]
)
def test_what_can_be_read_of_a_damaged_or_short_file_is_returned(name):
    path = MEDIA / name
    info = probe(path, ProbeLimits())
    frames = decode_frames(path, info, np.linspace(0, info.duration_seconds, 5).tolist(), 160)
    assert len(frames) >= 4
    assert (np.diff(frames.times) >= 0).all()


def test_a_file_without_pictures_is_refused():
    path = MEDIA / "audio_only_speech.mp4"
    with pytest.raises(MediaError, match="no video stream"):
        decode_frames(path, probe(path, ProbeLimits()), [0.0], 160)
