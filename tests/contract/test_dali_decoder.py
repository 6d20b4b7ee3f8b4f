"""DALI takes many clips to one run, within its limits, and a clip that it can't decode spoils no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ray_jobs.stages.decode import DaliDecoder, FrameRequest, Frames
from ray_jobs.stages.decode_dali import BatchLimits
from services.core.errors import MediaError
from tests.contract.decoders import decibels, decoder_or_skip, every_frame, probed, shown_at
from tests.media import clip
from tests.media.numbered import UNEVEN, number_in

pytestmark = pytest.mark.xdist_group("dali")
FRAME_BYTES = 512 * 288 * 3


@pytest.fixture(scope="module")
def dali() -> None:
    decoder_or_skip("dali-cpu")


@pytest.fixture
def requests(dali) -> list[FrameRequest]:
    """One of each codec, each needing several groups of pictures."""
    paths = [clip("uneven.webm"), clip("uneven_vp8.mkv")]
    times = [UNEVEN[number] / 1000 for number in (3, 15, 16, 40)]
    return [FrameRequest(path, probed(path), times, None) for path in paths]


def numbers(result: Frames | MediaError) -> list[int]:
    assert isinstance(result, Frames), result
    return [number_in(image) for image in result.images]


def test_several_clips_share_a_run_and_each_gets_its_own_frames(requests):
    decoder = DaliDecoder("cpu")
    small = replace(requests[1], times=[0.0], max_side=128)
    results = decoder.batch([*requests, small])
    assert [numbers(result) for result in results[:2]] == [[3, 15, 16, 40]] * 2
    assert results[2].images.shape == (1, 72, 128, 3)
    assert decoder.runs == 1


@pytest.mark.parametrize(
    ("limits", "runs"),
    [
        (BatchLimits(clips=1), 6),
        (BatchLimits(clips=4), 2),
        (BatchLimits(encoded_bytes=1), 6),
        # The groups need 1, 2, 1, 1, 2 and 1 frames, and come in order.
        (BatchLimits(decoded_bytes=2 * FRAME_BYTES), 5),
        # Less than a frame: one at a time all the same, or none could ever be decoded.
        (BatchLimits(decoded_bytes=1), 8),
    ],
)
def test_a_run_holds_no_more_than_the_limits_allow(requests, limits, runs):
    decoder = DaliDecoder("cpu", limits)
    assert [numbers(result) for result in decoder.batch(requests)] == [[3, 15, 16, 40]] * 2
    assert decoder.runs == runs


@pytest.mark.parametrize(
    ("limits", "runs"),
    [
        (BatchLimits(clips=1), 2),
        (BatchLimits(clips=2), 1),
        (BatchLimits(clips=2, encoded_bytes=1), 6),
        # The groups need 1, 2 and 1 frames, twice: of each video, two groups with a frame of the third left.
        (BatchLimits(clips=1, decoded_bytes=3 * FRAME_BYTES), 4),
    ],
)
def test_groups_that_are_joined_make_one_clip_within_the_limits(requests, limits, runs):
    decoder = DaliDecoder("cpu", limits, joins=True)
    assert [numbers(result) for result in decoder.batch(requests)] == [[3, 15, 16, 40]] * 2
    assert decoder.runs == runs


def test_a_clip_that_fails_spoils_no_other_and_the_decoder_goes_on(requests):
    decoder = DaliDecoder("cpu")
    path = clip("uneven_h264.mp4")
    # Told that it is VP9, the decoder finds out when DALI refuses it.
    bad = FrameRequest(path, replace(probed(path), video_codec="vp9"), [0.5], None)
    first, refused, second = decoder.batch([requests[0], bad, requests[1]])
    assert isinstance(refused, MediaError) and "DALI refuses the video" in refused.message
    assert [numbers(first), numbers(second)] == [[3, 15, 16, 40]] * 2
    assert numbers(decoder.batch(requests)[0]) == [3, 15, 16, 40]


def test_without_a_gpu_other_codecs_are_refused_before_anything_runs(dali):
    decoder = DaliDecoder("cpu")
    path = clip("uneven_h264.mp4")
    with pytest.raises(MediaError, match="does not decode h264 on the cpu"):
        decoder.frames(path, probed(path), [0.5], None)
    assert decoder.runs == 0


def test_frames_outlive_the_runs_that_come_after(requests):
    decoder = DaliDecoder("cpu")
    first = decoder.batch(requests[:1])[0]
    kept = first.images.copy()
    for _ in range(3):
        decoder.batch(requests[1:])
    assert np.array_equal(first.images, kept)


def test_threads_that_share_a_decoder_wait_for_each_other(requests):
    from concurrent.futures import ThreadPoolExecutor

    decoder = DaliDecoder("cpu")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda request: decoder.batch([request])[0], requests * 4))
    assert [numbers(result) for result in results] == [[3, 15, 16, 40]] * 8


@pytest.mark.gpu
def test_frames_stay_on_the_gpu_until_they_are_brought_out():
    decoder = decoder_or_skip("dali-gpu")
    path = clip("uneven_h264.mp4")
    times = np.linspace(0, probed(path).duration_seconds, 7)
    frames = decoder.frames(path, probed(path), times.tolist(), 256)
    assert frames.images.is_cuda
    host = frames.host()
    assert isinstance(host.images, np.ndarray)
    stamps, pictures = every_frame(path, 256, 144)
    for image, number in zip(host.images, shown_at(stamps, times), strict=True):
        assert decibels(image, pictures[number]) >= 35
