"""Every decoder returns the frame shown at a time, upright, with its true timestamp."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ray_jobs.stages.decode import DaliDecoder, Decoder, Frames, NvdecDecoder, PyavDecoder, TableDecoder, decode_frames
from services.core.errors import ArcusError, MediaError
from tests.contract.decoders import (
    EVERY_READER,
    NVDEC,
    READERS,
    SCENES,
    decibels,
    decoder_or_skip,
    every_frame,
    pairs,
    probed,
    shown_at,
)
from tests.media import clip as media
from tests.media.numbered import NUMBERED, UNEVEN, number_in

SCALED = ("even.webm", "uneven.webm", "uneven_vp8.mkv", "bt709.webm", "uneven_h264.mp4")


@pytest.fixture(scope="session")
def text_reader():
    from ray_jobs.engines.embedded.scene_text import SceneTextReader

    reader = SceneTextReader()
    reader.setup()
    return reader


def check_frames_at_times(decoder: Decoder, path: Path) -> None:
    """Nine times of a clip give the frames shown then, as a plain decode of everything has them."""
    info = probed(path)
    scale = 64 / max(info.width, info.height)
    small = max(1, round(info.width * scale)), max(1, round(info.height * scale))
    stamps, pictures = every_frame(path, *small)
    times = np.linspace(0.0, info.duration_seconds, 9)
    frames = decoder.frames(path, info, times.tolist(), 64).host()
    shown = shown_at(stamps, times)
    assert np.allclose(frames.times, np.maximum(stamps[shown], 0), atol=1e-6)
    assert frames.images.shape == (9, small[1], small[0], 3)
    for image, index in zip(frames.images, shown, strict=True):
        assert np.abs(image.astype(int) - pictures[index]).mean() < 6


@pytest.mark.parametrize(("name", "clip"), pairs(READERS | SCENES))
def test_a_time_gives_the_frame_shown_then(name, clip):
    check_frames_at_times(decoder_or_skip(name), media(clip))


@pytest.mark.parametrize(("name", "clip"), pairs({clip: READERS[clip] for clip in SCALED}))
def test_pictures_agree_with_a_reference_after_scaling(name, clip):
    decoder, path = decoder_or_skip(name), media(clip)
    stamps, pictures = every_frame(path, 256, 144)
    times = np.linspace(0.0, probed(path).duration_seconds, 7)
    frames = decoder.frames(path, probed(path), times.tolist(), 256).host()
    ratios = [decibels(i, pictures[n]) for i, n in zip(frames.images, shown_at(stamps, times), strict=True)]
    assert min(ratios) >= 35, ratios


@pytest.mark.parametrize(("name", "clip"), pairs(READERS | {"tiny.mp4": ("pyav",)}))
def test_every_frame_is_found_by_its_own_time_at_an_even_rate_and_an_uneven_one(name, clip):
    decoder, path = decoder_or_skip(name), media(clip)
    shown, info = NUMBERED[clip].times, probed(path)
    # Just after a frame begins, in no order; then before the first and at the very end.
    order = np.random.default_rng(0).permutation(len(shown)).tolist()
    times = [shown[number] + 0.004 for number in order]
    frames = decoder.frames(path, info, [*times, 0.0, info.duration_seconds], None).host()
    assert [number_in(image) for image in frames.images] == [*order, 0, len(shown) - 1]
    assert frames.times[:-2] == pytest.approx([shown[number] for number in order], abs=2e-6)
    assert frames.times[-2:] == pytest.approx([0.0, shown[-1]], abs=2e-6)


@pytest.mark.parametrize(
    ("name", "clip"),
    pairs({"counter.mp4": ("pyav", "decord", "dali-gpu", "nvdec", "nvdec-software"), "counter.webm": ("dali-cpu",)}),
)
def test_the_counter_burned_into_a_frame_tells_its_time(name, clip, text_reader):
    decoder, path = decoder_or_skip(name), media(clip)
    frames = decoder.frames(path, probed(path), [0.0, 1.349, 2.999], 640).host()
    texts = text_reader.read(frames.images, np.arange(3.0), 3.0)
    read = {int(text.start_time): text.text for text in texts}
    for row, time in enumerate(frames.times):
        assert time == pytest.approx([0.0, 1.3, 2.9][row])
        assert re.search(rf"Frame\s*=\s*{round(time * 10) + 1}\b", read[row])
        assert re.search(rf"PTS\s*=\s*{time:.1f}s", read[row])


@pytest.mark.parametrize(("name", "clip"), pairs({"uneven.webm": EVERY_READER}))
def test_frames_come_in_the_order_of_the_times_asked_for(name, clip):
    decoder, path = decoder_or_skip(name), media(clip)
    times = [UNEVEN[number] / 1000 for number in (30, 2, 30, 11)]
    frames = decoder.frames(path, probed(path), times, 320).host()
    assert frames.times.tolist() == pytest.approx(times)
    assert frames.images.shape == (4, 180, 320, 3)
    assert np.array_equal(frames.images[0], frames.images[2])


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize(("name", "clip"), pairs({"even.webm": ("pyav", "dali-cpu", "dali-gpu", *NVDEC)}))
def test_a_turned_video_comes_upright(name, clip, turn):
    decoder, path = decoder_or_skip(name), media(clip)
    info = probed(path)
    size = (info.height, info.width) if turn in (90, 270) else (info.width, info.height)
    turned = replace(info, rotation=turn, width=size[0], height=size[1])
    lying = decoder.frames(path, info, [0.1, 0.9], 256).host().images
    upright = decoder.frames(path, turned, [0.1, 0.9], 256).host().images
    assert np.array_equal(upright, np.rot90(lying, -turn // 90, (1, 2)))


@pytest.mark.parametrize(
    ("name", "clip"), pairs({"huge.webm": [name for name in EVERY_READER if name != "nvdec-software"]})
)
def test_8k_frames_are_read_in_bounded_memory(name, clip):
    decoder_or_skip(name)
    path = media(clip)
    program = (
        "import re, sys; from pathlib import Path; from tests.contract.decoders import DECODERS, probed;"
        "path = Path(sys.argv[2]);"
        "frames = DECODERS[sys.argv[1]]().frames(path, probed(path), [0, 0.1], 1280).host();"
        "print(*[round(float(image.mean())) for image in frames.images], *frames.images.shape,"
        " re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, name, str(path)], capture_output=True, text=True, check=True, timeout=240
    )
    first, second, *shape, peak_kibibytes = map(int, done.stdout.split()[-7:])
    assert shape == [2, 720, 1280, 3]
    assert (first, second) == pytest.approx((26, 141), abs=6)
    assert peak_kibibytes < 2**20


@pytest.mark.parametrize(("name", "clip"), pairs({"uneven.webm": EVERY_READER}))
def test_more_pixels_than_memory_should_hold_are_refused_before_any_is_decoded(name, clip):
    decoder, path = decoder_or_skip(name), media(clip)
    wide = replace(probed(path), width=7680, height=4320)
    with pytest.raises(ArcusError, match="smaller max_side"):
        decoder.frames(path, wide, [0.0] * 100, None)


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize(("name", "clip"), pairs({"uneven.webm": ("pyav", "dali-cpu", "dali-gpu", *NVDEC)}))
def test_of_a_file_cut_short_the_frames_are_right_or_refused(name, clip, share, tmp_path):
    decoder, whole = decoder_or_skip(name), media(clip)
    path = tmp_path / clip
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    info = probed(path)
    assert info.duration_seconds < probed(whole).duration_seconds
    times = np.linspace(0, info.duration_seconds, 6)
    try:
        frames = decoder.frames(path, info, times.tolist(), None).host()
    except MediaError:
        assert isinstance(decoder, DaliDecoder | NvdecDecoder)
        return
    expected = shown_at(np.array(UNEVEN) / 1000, times[:-1])
    assert [number_in(image) for image in frames.images][:-1] == expected.tolist()


@pytest.mark.parametrize(("name", "clip"), pairs({"even.webm": EVERY_READER}))
def test_bytes_that_were_overwritten_give_an_error_or_frames_of_the_right_shape(name, clip, tmp_path):
    decoder, whole = decoder_or_skip(name), media(clip)
    path = tmp_path / clip
    data = bytearray(whole.read_bytes())
    for position in range(len(data) // 3, len(data) // 2, 97):
        data[position] ^= 0xFF
    path.write_bytes(data)
    try:
        frames = decoder.frames(path, probed(path), [0.05, 0.9, 1.85], 256).host()
    except MediaError:
        return
    assert frames.images.shape[1:] == (144, 256, 3) and 1 <= len(frames) <= 3
    assert number_in(frames.images[0]) == 1  # the first group was left as it was


@pytest.mark.parametrize("clip", ["mpeg2.ts", "corrupt.mp4", "long_mdat.mp4", "truncated.webm"])
def test_what_can_be_read_of_a_damaged_or_short_file_is_returned(clip):
    info = probed(media(clip))
    frames = decode_frames(media(clip), info, np.linspace(0, info.duration_seconds, 5).tolist(), 160)
    assert len(frames) >= 4
    assert (np.diff(frames.times) >= 0).all()


def test_a_file_without_pictures_is_refused():
    path = media("speech_only.mp4")
    with pytest.raises(MediaError, match="no video stream"):
        decode_frames(path, probed(path), [0.0], 160)


@pytest.mark.parametrize("clip", ["turned_90.mov", "turned_270.mp4"])
def test_decord_is_given_nothing_that_is_turned_by_a_quarter(clip):
    path = media(clip)
    with pytest.raises(MediaError, match="turn by a quarter"):
        decoder_or_skip("decord").frames(path, probed(path), [0.0], None)


def test_a_clip_that_one_decoder_refuses_goes_to_the_next_and_is_counted():
    decoder_or_skip("dali-cpu")
    webm, mp4 = media("even.webm"), media("uneven_h264.mp4")
    table = TableDecoder({"dali-cpu": DaliDecoder(), "pyav": PyavDecoder()}, lambda info, gpu: ["dali-cpu", "pyav"])
    assert len(table.frames(webm, probed(webm), [0.1], 256)) == 1
    assert number_in(table.frames(mp4, probed(mp4), [0.5], None).images[0]) == np.searchsorted(UNEVEN, 500) - 1
    assert table.taken == {"dali-cpu": 1, "pyav": 1}
    assert table.refused == {"dali-cpu": 1}


def test_frames_of_the_host_leave_for_it_without_a_copy():
    frames = Frames(np.zeros(1), np.zeros((1, 2, 2, 3), np.uint8))
    assert frames.host() is frames


def test_frames_of_a_device_leave_it_as_numpy_arrays():
    import torch

    held = torch.arange(24, dtype=torch.uint8).reshape(1, 2, 4, 3)  # a tensor of any device brings itself out alike
    out = Frames(np.array([1.5]), held).host()
    assert isinstance(out.images, np.ndarray) and out.images.dtype == np.uint8
    assert np.array_equal(out.images, held.numpy()) and out.times.tolist() == [1.5]
