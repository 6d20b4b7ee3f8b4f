"""Small JPEG pictures of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.core.errors import ArcusError, Reason

if TYPE_CHECKING:
    import numpy as np

_QUALITY = 80


def thumbnail_jpeg(image: np.ndarray, max_side: int = 320) -> bytes:
    """JPEG of `image` (uint8 [height, width, 3], RGB), its longer side at most `max_side` pixels."""
    import cv2

    size = thumbnail_size(image, max_side)
    if size != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ArcusError(Reason.INTERNAL, "The thumbnail could not be encoded.")
    return jpeg.tobytes()


def thumbnail_size(image: np.ndarray, max_side: int = 320) -> tuple[int, int]:
    """(width, height) in pixels of the thumbnail of `image`."""
    height, width = image.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))
