"""Clips whose every frame says which one it is: a bar code of its number over a moving texture."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

BITS, CELL = 8, 32  # the number's bits, each a square of CELL pixels in the top row


def picture(number: int, width: int, height: int) -> np.ndarray:
    """uint8 [height, width, 3] of frame `number`, of which the top row of squares tells."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin((columns + 3 * number) / 17 + phase) + np.cos((rows - 2 * number) / 23) for phase in (0, 1, 2)]
    image = (np.stack(waves, axis=-1) * 50 + 128).astype(np.uint8)
    for bit in range(BITS):
        image[:CELL, bit * CELL : (bit + 1) * CELL] = 235 if number >> bit & 1 else 16
    return image


def number_in(image: np.ndarray, width: int) -> int:
    """The number that a (scaled) picture of a clip `width` pixels wide shows."""
    scale = image.shape[1] / width
    centres = [round((bit + 0.5) * CELL * scale) for bit in range(BITS)]
    return sum(int(image[round(CELL / 2 * scale), x].mean() > 128) << bit for bit, x in enumerate(centres))


def write_clip(
    path: Path,
    codec: str,
    milliseconds: Sequence[int],
    size: tuple[int, int] = (512, 288),
    group: int = 12,
    **options: str,
) -> Path:
    """Frame i is shown at milliseconds[i]. `options` are the encoder's; a stream's `colorspace` is among them."""
    import av

    colorspace = int(options.pop("colorspace", "2"))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": str(group), "b": "3000000", **options})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.colorspace = colorspace
        for number, time in enumerate(milliseconds):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), "rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=colorspace if colorspace != 2 else None)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
