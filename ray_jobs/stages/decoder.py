"""What a decoder is: times in, upright RGB frames with their true times out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ray_jobs.stages.container import MAX_PIXELS
from services.core.errors import ArcusError, Reason
from services.core.media import MediaInfo

if TYPE_CHECKING:
    import numpy as np

MAX_RESULT_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Frames:
    """times: float64 [n], seconds at which each frame is first shown; images: uint8 [n, height, width, 3], RGB.

    `images` is a NumPy array, or a torch tensor on the GPU that decoded it; `host()` brings it out.
    """

    times: np.ndarray
    images: Any

    def __len__(self) -> int:
        return len(self.times)

    def host(self) -> Frames:
        """These frames in the host's memory; frames that are there already are not copied."""
        images = self.images
        return Frames(self.times, images.cpu().numpy()) if hasattr(images, "cpu") else self


@dataclass(frozen=True)
class FrameRequest:
    """What `Decoder.frames` is asked for, as a value."""

    path: Path
    info: MediaInfo
    times: Sequence[float]
    max_side: int | None = None


class Decoder(Protocol):
    def frames(self, path: Path, info: MediaInfo, times: Sequence[float], max_side: int | None) -> Frames:
        """The frame shown at each of `times` (seconds): the last one that starts at or before it, else the first.

        Frames are upright, in the order of `times`, and their longer side is at most `max_side` pixels. Where
        part of the file is damaged, the times it covers are left out. Raises MediaError when nothing is left.
        """
        ...


def picture_size(info: MediaInfo, max_side: int | None) -> tuple[int, int]:
    """(width, height) of the upright frames of `info`, never enlarged."""
    width, height = info.width or 0, info.height or 0
    scale = min(1.0, max_side / max(width, height, 1)) if max_side else 1.0
    return max(1, round(width * scale)), max(1, round(height * scale))


def pixel_bound(info: MediaInfo) -> int:
    """The largest picture to decode of a file that was probed: what a deployment allows may be more than the default."""
    return max(MAX_PIXELS, (info.width or 0) * (info.height or 0))


def check_result_size(count: int, size: tuple[int, int]) -> None:
    size_bytes = count * size[0] * size[1] * 3
    if size_bytes > MAX_RESULT_BYTES:
        raise ArcusError(
            Reason.INVALID_ARGUMENT,
            f"{count} frames of {size[0]}x{size[1]} take {size_bytes} bytes; the limit is {MAX_RESULT_BYTES}. "
            "Ask for fewer frames or a smaller max_side.",
        )
