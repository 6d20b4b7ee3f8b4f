"""Pictures that somebody sent, opened for a model that sees."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from services.core.errors import invalid

MAX_PIXELS = 64_000_000  # of a picture, before it is opened
MAX_SIDE = 1_536  # as it is shown: what models of today see of a picture, and more
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def opened(files: Sequence[bytes]) -> tuple[np.ndarray, ...]:
    """Each as uint8 [height, width, 3] RGB, upright, on white, no side longer than MAX_SIDE.

    Raises INVALID_ARGUMENT for what is damaged or too large, by its number.
    """
    return tuple(_opened(file, number) for number, file in enumerate(files, 1))


def _opened(file: bytes, number: int) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(file), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise invalid(
                    f"Picture {number} has more than {MAX_PIXELS // 1_000_000} million pixels; send a smaller one.",
                    field="input",
                )
            picture.draft("RGB", (MAX_SIDE, MAX_SIDE))  # a JPEG is read no larger than it is shown
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
            upright.thumbnail((MAX_SIDE, MAX_SIDE))
            shown = Image.new("RGBA", upright.size, "white")
            shown.alpha_composite(upright)
            return np.asarray(shown.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise invalid(f"Picture {number} can't be read; save it again as PNG or JPEG.", field="input") from error
