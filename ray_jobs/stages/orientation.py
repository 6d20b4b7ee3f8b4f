"""How a decoded picture is shown: mirrored, turned by quarters, and with the shape of its pixels.

A display matrix (FFmpeg's AV_PKT_DATA_DISPLAYMATRIX, ISO/IEC 14496-12 section 6.2.2) maps a point of the decoded
picture, y downwards, to one of the picture that is shown: x' = a x + c y, y' = b x + d y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

# Pixels of real video are at most twice as wide as high (2:1 of wide screens, packed 3D pictures) or the other way
# round; a file that claims more is wrong about it, or wants memory.
MAX_PIXEL_ASPECT = 4


@dataclass(frozen=True)
class Orientation:
    """First mirrored left to right, then turned clockwise by `rotation` degrees: 0, 90, 180 or 270."""

    rotation: int = 0
    mirrored: bool = False


def orientation(frame: Any) -> Orientation:
    """What the display matrix of a decoded frame says; none where it has none."""
    from av.sidedata.sidedata import Type

    try:
        data = frame.side_data.get(Type.DISPLAYMATRIX)
    except (KeyError, ValueError):
        return Orientation()
    return Orientation() if data is None else from_matrix(bytes(data))


def from_matrix(data: bytes) -> Orientation:
    """Of nine little-endian int32 (a, b, u, c, d, v, x, y, w). A matrix that shows nothing, as all zeros, is none.

    Turns by other angles are taken for the nearest quarter: of a picture that is 3 degrees askew, as handheld cameras
    write it, all can be seen and read as it is.
    """
    if len(data) < 36:
        return Orientation()
    a, b, _, c, d = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in range(0, 20, 4))
    determinant = a * d - b * c
    if determinant == 0:
        return Orientation()
    quarters = math.atan2(-c, d) / (math.pi / 2)
    # A half is no nearer to one side than to the other: the picture then stays as it was decoded.
    nearest = math.copysign(math.ceil(abs(quarters) - 0.5 - 1e-6), quarters)
    return Orientation(int(nearest) * 90 % 360, determinant < 0)


def display_size(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """(width, height) in square pixels of a picture whose pixels are `pixel_aspect` times as wide as high.

    The side that is too short grows, so that no line and no column is lost.
    """
    if not pixel_aspect or not 1 / MAX_PIXEL_ASPECT <= pixel_aspect <= MAX_PIXEL_ASPECT:
        return width, height
    if pixel_aspect >= 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def turned(size: tuple[int, int], rotation: int) -> tuple[int, int]:
    """`size` before a turn as it is after it, and the other way round."""
    return size[::-1] if rotation in (90, 270) else size
