"""What a picture becomes before a model sees it: resized, cropped and normalised as its preprocessor_config.json says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.core.errors import invalid

MAX_SIDE = 2_048
# What CLIP was trained with (Radford et al. 2021): where a folder says nothing else.
SIDE = 224
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BICUBIC = 3  # as Pillow, and so the file, numbers it


@dataclass(frozen=True)
class Preprocessing:
    """`shortest_edge`: what the shorter side is resized to before the middle of `height` x `width` is cut out; None: the
    whole picture is resized to `height` x `width`, whatever its shape."""

    height: int = SIDE
    width: int = SIDE
    shortest_edge: int | None = SIDE
    scale: float = 1 / 255
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    resample: int = BICUBIC

    @classmethod
    def read(cls, path: Path) -> Preprocessing:
        """CLIP's where there is no such file. Raises INVALID_ARGUMENT that names what can't be done."""
        if not path.exists():
            return cls()
        try:
            return cls._of(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise invalid(f"{path} is no image processor's configuration that can be followed: {error!r}.") from error

    @classmethod
    def _of(cls, config: dict[str, Any]) -> Preprocessing:
        size = config.get("size", SIDE)
        edge = size if isinstance(size, int) else size.get("shortest_edge")
        height, width = (edge, edge) if edge is not None else (size["height"], size["width"])
        if config.get("do_center_crop", edge is not None):
            crop = config.get("crop_size", edge)
            height, width = (crop, crop) if isinstance(crop, int) else (crop["height"], crop["width"])
        elif edge is not None:
            edge, height, width = None, edge, edge
        if not all(isinstance(side, int) and 1 <= side <= MAX_SIDE for side in (height, width, edge or 1)):
            raise ValueError(f"sizes are whole numbers from 1 to {MAX_SIDE}")
        made = cls(
            height,
            width,
            edge,
            float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
            _three(config.get("image_mean", MEAN)) if config.get("do_normalize", True) else (0.0, 0.0, 0.0),
            _three(config.get("image_std", STD)) if config.get("do_normalize", True) else (1.0, 1.0, 1.0),
            int(config.get("resample", BICUBIC)),
        )
        if made.resample not in range(6) or not all(made.std):
            raise ValueError("resample is 0 to 5, and image_std never 0")
        return made

    def pixels(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """float32 [n, 3, height, width] of frames uint8 [height, width, 3] RGB."""
        made = np.stack([self._resized(frame) for frame in frames]).astype(np.float32) * self.scale
        return ((made - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)).transpose(0, 3, 1, 2)

    def _resized(self, frame: np.ndarray) -> np.ndarray:
        from PIL import Image

        picture = Image.fromarray(frame)
        how = Image.Resampling(self.resample)
        if self.shortest_edge is None:
            return np.asarray(picture.resize((self.width, self.height), how))
        factor = max(self.shortest_edge, self.height, self.width) / min(picture.size)
        picture = picture.resize((max(1, round(picture.width * factor)), max(1, round(picture.height * factor))), how)
        left, top = (picture.width - self.width) // 2, (picture.height - self.height) // 2
        return np.asarray(picture.crop((left, top, left + self.width, top + self.height)))


def _three(values: Sequence[float]) -> tuple[float, ...]:
    found = tuple(float(value) for value in values)
    if len(found) != 3:
        raise ValueError("image_mean and image_std are three numbers")
    return found
