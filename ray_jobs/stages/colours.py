"""What the luma and the colour differences of a video mean in RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Shares of red and blue in the luma: ITU-R BT.601, BT.709 and BT.2020. Keyed by ISO/IEC 23001-8 matrix coefficients;
# 2, where nothing is said, is taken for BT.601, as FFmpeg does.
LUMA = {1: (0.2126, 0.0722), 2: (0.299, 0.114), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
FULL_RANGE = 2


def rgb_matrix(red: float, blue: float) -> np.ndarray:
    """float64 [3, 3]: from luma in [0, 1] and colour differences in [-1/2, 1/2] to RGB in [0, 1]."""
    import numpy as np

    green = 1 - red - blue
    by_blue, by_red = 2 * (1 - blue), 2 * (1 - red)
    return np.array([[1, 0, by_red], [1, -blue * by_blue / green, -red * by_red / green], [1, by_blue, 0]])
