"""What decoding may take is known before anything is decoded, and one process never holds more."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import numpy as np
import pytest

from ray_jobs.stages.frame_memory import MAX_BYTES, FrameMemory, check_pictures, declared_bytes, frame_bytes
from ray_jobs.stages.probe import ProbeLimits, probe
from services.core.errors import MediaError
from tests.media.muxing import Pictures, write

MIB = 2**20


def context(codec: str, width: int, height: int, pixel_format: str):
    made = av.CodecContext.create(codec, "r")
    made.width, made.height, made.pix_fmt = width, height, pixel_format
    return made


@pytest.mark.parametrize(
    ("pixel_format", "mebibytes"), [("yuv420p", 48), ("yuv420p10le", 95), ("yuv444p12le", 190), ("rgba64le", 254)]
)
def test_a_picture_takes_what_its_format_says(pixel_format: str, mebibytes: int):
    taken = frame_bytes(context("h264", 7680, 4320, pixel_format)) / MIB
    assert taken == pytest.approx(mebibytes, abs=1)


def test_references_and_threads_count():
    one = frame_bytes(context("h264", 640, 360, "yuv420p"))
    assert declared_bytes(context("h264", 640, 360, "yuv420p")) == 18 * one
    assert declared_bytes(context("mjpeg", 640, 360, "yuv420p"), threads=4) == 7 * one


def test_8k_in_ten_bits_is_taken_and_what_would_hold_more_is_refused_with_what_to_do():
    check_pictures(context("hevc", 7680, 4320, "yuv420p10le"), 7680 * 4320)
    with pytest.raises(MediaError, match="8-bit 4:2:0"):
        check_pictures(context("h264", 7680, 4320, "yuv444p10le"), 7680 * 4320)
    with pytest.raises(MediaError, match="Scale it down"):
        check_pictures(context("h264", 7680, 4322, "yuv420p"), 7680 * 4320)


def test_a_picture_with_a_side_that_no_video_has_is_refused(tmp_path: Path):
    frames = [(40 * n, np.full((20_000, 16, 3), 90, np.uint8)) for n in range(3)]
    path = write(tmp_path / "thin.mkv", Pictures("mjpeg", frames, pixel_format="yuvj420p"))
    with pytest.raises(MediaError, match="no side may be longer than 16384"):
        probe(path)


def test_pictures_above_the_limit_are_not_decoded(tmp_path: Path):
    frames = [(40 * n, np.full((480, 640, 3), 90, np.uint8)) for n in range(3)]
    path = write(tmp_path / "large.mov", Pictures("png", frames, pixel_format="rgb24"))
    with pytest.raises(MediaError):
        probe(path, ProbeLimits(max_pixels=640 * 479))
    assert probe(path, ProbeLimits(max_pixels=640 * 480)).width == 640


def test_large_pictures_are_decoded_by_turns_in_the_order_of_coming():
    memory, order, held = FrameMemory(100), [], threading.Event()
    waiting: list[threading.Thread] = []

    def take(name: str, size: int) -> None:
        with memory.held(size):
            order.append(name)
            held.wait(0 if name != "first" else 60)

    for name, size in (("first", 80), ("large", 1_000), ("small", 10)):
        waiting.append(threading.Thread(target=take, args=(name, size)))
        waiting[-1].start()
        while not (len(order) == 1 and len(memory._waiting) == len(waiting) - 1):
            pass
    held.set()
    for thread in waiting:
        thread.join()
    assert order == ["first", "large", "small"]
    assert MAX_BYTES == 2 * 2**30
