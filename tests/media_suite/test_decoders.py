"""Every decoder returns the frame shown at a time of real clips, upright, with its true timestamp."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ray_jobs.stages.decode import decode_frames
from ray_jobs.stages.decoder_rules import decoders_for
from services.core.errors import MediaError
from tests.contract.decoders import CPU_READERS, EVERY_READER, WITH_GPU, decoder_or_skip, pairs, probed
from tests.contract.test_decoder import check_frames_at_times
from tests.media_suite.conftest import real

READERS = {
    **dict.fromkeys(["screencast_launching_apps.webm", "bbb_30s_vp8.webm"], EVERY_READER),
    **dict.fromkeys(
        ["asl_book.mkv", "derived_nasa_hevc.mp4", "face.flv", "face_with_srt.mkv",
         "nasa_13013.mp4", "ocr_frame_counter.mp4"],
        WITH_GPU,
    ),
    **dict.fromkeys(
        ["bbb_av1_aac.mp4", "bbb_h263.3gp", "chapters.mkv", "earth_mpeg4.avi", "earth_theora.ogg",
         "lecture_slides_vfr.mov", "odd_ogg_named_mkv.mkv", "rot_180.mov", "slides_lorem_1fps.mp4"],
        CPU_READERS,
    ),
    **dict.fromkeys(["hevc10_rot90_short.mp4", "rot_90.mov"], ("pyav",)),
}  # fmt: skip


@pytest.mark.parametrize(("name", "clip"), pairs(READERS))
def test_a_time_gives_the_frame_shown_then(name, clip):
    check_frames_at_times(decoder_or_skip(name), real(clip))


def test_a_clip_whose_groups_do_not_start_afresh_is_read_by_ffmpeg_on_a_gpu_too():
    assert decoders_for(probed(real("lecture_slides_vfr.mov")), gpu=True)[0] == "pyav"


def test_the_counter_burned_into_a_frame_tells_its_time():
    from ray_jobs.engines.embedded.scene_text import SceneTextReader

    reader, path = SceneTextReader(), real("ocr_frame_counter.mp4")
    reader.setup()
    for name in ("pyav", "decord"):
        frames = decoder_or_skip(name).frames(path, probed(path), [0.0, 1.349, 2.999], 640).host()
        read = {int(text.start_time): text.text for text in reader.read(frames.images, np.arange(3.0), 3.0)}
        for row, time in enumerate(frames.times):
            assert time == pytest.approx([0.0, 1.3, 2.9][row])
            assert re.search(rf"Frame\s*=\s*{round(time * 10) + 1}\b", read[row])
            assert re.search(rf"PTS\s*=\s*{time:.1f}s", read[row])


@pytest.mark.parametrize(
    "clip", ["mpeg2.ts", "bad_corrupt_h264.mp4", "bad_mdat_too_long.mp4", "bad_truncated_20pct.webm"]
)
def test_what_can_be_read_of_a_damaged_or_short_file_is_returned(clip):
    info = probed(real(clip))
    frames = decode_frames(real(clip), info, np.linspace(0, info.duration_seconds, 5).tolist(), 160)
    assert len(frames) >= 4
    assert (np.diff(frames.times) >= 0).all()


def test_a_file_without_pictures_is_refused():
    path = real("audio_only_speech.mp4")
    with pytest.raises(MediaError, match="no video stream"):
        decode_frames(path, probed(path), [0.0], 160)
