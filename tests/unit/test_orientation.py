"""Pictures as they are shown: mirrored, turned by quarters, and in the shape of their pixels."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ray_jobs.stages.decode import decode_frames
from ray_jobs.stages.orientation import Orientation, from_matrix
from ray_jobs.stages.probe import probe
from tests.media.numbered import number_in, picture

ONE = 65536
# What is done to a picture, and (a, b, c, d): x' = ax + cy, y' = bx + dy, y downwards.
MATRICES = {
    "plain": ((1, 0, 0, 1), lambda image: image),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "flipped": ((1, 0, 0, -1), np.flipud),
    "clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "anticlockwise": ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    "transposed": ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "transversed": ((0, -1, -1, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
}


def clip(
    path: Path, image: np.ndarray, matrix: tuple[int, int, int, int], pixel_aspect: Fraction | None = None
) -> Path:
    a, b, c, d = matrix
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("name", MATRICES)
def test_a_picture_is_shown_as_its_display_matrix_says(tmp_path: Path, name: str, suffix: str):
    upright, (matrix, _) = picture(0b10010110, 256, 144), MATRICES[name]
    if matrix[0] == 0:
        upright = picture(0b10010110, 144, 256)
    undo = [other for other, (tried, _) in MATRICES.items() if _is_inverse(matrix, tried)]
    laid = MATRICES[undo[0]][1](upright)
    path = clip(tmp_path / f"clip{suffix}", laid, tuple(ONE * part for part in matrix))  # type: ignore[arg-type]
    info = probe(path)
    assert (info.width, info.height) == upright.shape[1::-1]
    (image,) = decode_frames(path, info, [0.1]).images
    assert number_in(image) == 0b10010110
    assert np.abs(image.astype(int) - upright).mean() < 8


def _is_inverse(one, other) -> bool:
    return bool(np.array_equal(np.array(one).reshape(2, 2) @ np.array(other).reshape(2, 2), np.eye(2)))


@pytest.mark.parametrize("degrees", [0, 1, 3, 15, 44, 45, 46, 87, 90, 93, 177, 180, 267, 270, 357])
def test_a_turn_is_taken_for_the_nearest_quarter(degrees: int):
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    data = np.array([cosine * ONE, sine * ONE, 0, -sine * ONE, cosine * ONE, 0, 0, 0, 1 << 30]).astype("<i4").tobytes()
    nearest = 0 if degrees == 45 else round(degrees / 90) * 90 % 360
    assert from_matrix(data) == Orientation(nearest)


@pytest.mark.parametrize(
    "data", [bytes(36), b"", b"\1" * 20, np.array([ONE, ONE, 0, ONE, ONE, 0, 0, 0, 0], "<i4").tobytes()]
)
def test_a_matrix_that_shows_nothing_is_none(data: bytes):
    assert from_matrix(data) == Orientation()


@pytest.mark.parametrize(
    ("aspect", "turn", "size"),
    [
        (Fraction(64, 45), "plain", (364, 144)),
        (Fraction(16, 15), "plain", (273, 144)),
        (Fraction(8, 9), "plain", (256, 162)),
        (Fraction(4, 3), "clockwise", (144, 341)),
        (Fraction(200, 1), "plain", (256, 144)),
    ],
)
def test_pixels_that_are_not_square_are_shown_in_their_shape(tmp_path: Path, aspect: Fraction, turn: str, size):
    matrix = tuple(ONE * part for part in MATRICES[turn][0])
    path = clip(tmp_path / "clip.mp4", picture(7, 256, 144), matrix, aspect)  # type: ignore[arg-type]
    info = probe(path)
    assert (info.width, info.height) == size
    assert decode_frames(path, info, [0.1]).images.shape[1:3] == size[::-1]
