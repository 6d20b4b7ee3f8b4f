"""Decoded surfaces, as video hardware writes them, to scaled RGB pictures on the device that holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ray_jobs.stages.colours import LUMA, rgb_matrix
from services.core.errors import MediaError

if TYPE_CHECKING:
    import torch


class Colours:
    """What RGB a stream's samples mean, by its ISO/IEC 23001-8 `matrix`. Raises MediaError for one that is not known."""

    def __init__(self, matrix: int, *, is_full_range: bool) -> None:
        import numpy as np

        if matrix not in LUMA:
            raise MediaError(f"Colour matrix {matrix} is not known.")
        black, white, spread = (
            (0, 255, 255) if is_full_range else (16, 219, 224)
        )  # of 8 bits: ITU-R BT.601, section 2.5
        self._matrix = (rgb_matrix(*LUMA[matrix]) * 255 / np.array([white, spread, spread])).T.astype(np.float32)
        self._zero = np.array([black, 128, 128], np.float32)

    def rgb(self, planes: torch.Tensor) -> torch.Tensor:
        """uint8 [n, height, width, 3] of float32 [n, 3, height, width] in 8-bit steps."""
        import torch

        matrix, zero = (torch.from_numpy(each).to(planes.device) for each in (self._matrix, self._zero))
        return ((planes.permute(0, 2, 3, 1) - zero) @ matrix).round_().clamp_(0, 255).to(torch.uint8)


def pictures(surfaces: torch.Tensor, size: tuple[int, int], colours: Colours) -> torch.Tensor:
    """uint8 [n, height, width, 3] RGB, scaled to `size` (width, height).

    surfaces: [n, rows * 3 / 2, columns], NV12 in uint8 or P016 in uint16: rows of luma, then half as many in which the two
    colour differences take turns.
    """
    import torch
    import torch.nn.functional as functional

    rows = surfaces.shape[1] * 2 // 3

    def scaled(samples: torch.Tensor) -> torch.Tensor:
        values = samples.float()
        values = values / 256 if surfaces.dtype == torch.uint16 else values
        return functional.interpolate(values, size[::-1], mode="bilinear", antialias=True)

    luma = surfaces[:, None, :rows]
    differences = surfaces[:, rows:].unflatten(2, (-1, 2)).permute(0, 3, 1, 2)
    return colours.rgb(torch.cat([scaled(luma), scaled(differences)], 1))
