"""Whether two pictures may show different text: what decides which frames are read again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMALL_SIDE = 320
WHOLE_SIDE = 1280
CHANGED_LEVELS = 24  # of 255, in the small picture; compression noise on a still slide stays under 10
CHANGED_FRACTION = 0.0002  # a changed digit of a 1080p counter covers 0.0004 of the picture
# Of the whole picture, over 3 x 3 pixels. RapidOCR reads letters of 24 pixels from a contrast of 14 levels on, of 40 from
# 10. Such a line that appears gives 900 pixels and more over this, one changed digit of it 7 to 30. A slide that stays
# gave 4 at most (H.264, VP9, MPEG-4 and MPEG-2 at 0.15 to 2 Mbit/s).
FAINT_LEVELS = 6.0
FAINT_PIXELS = 6
FAINT_OF_CONTRAST = 0.15  # of the contrast around a pixel: edges shimmer
FAINT_OF_NOISE = 10.0  # of the median difference, which is a camera's noise: 7 standard deviations
CUT_LEVELS = 30  # mean difference of two pictures that have little in common


@dataclass(frozen=True)
class Probe:
    """A picture in levels of grey, uint8 [h, w]: once with a longer side of SMALL_SIDE at most, once of WHOLE_SIDE."""

    small: np.ndarray
    whole: np.ndarray


def probe(frame: np.ndarray) -> Probe:
    """`frame`: uint8 [height, width, 3] RGB."""
    import cv2

    whole = np.asarray(cv2.cvtColor(_within(frame, WHOLE_SIDE), cv2.COLOR_RGB2GRAY))
    return Probe(np.asarray(cv2.cvtColor(_within(frame, SMALL_SIDE), cv2.COLOR_RGB2GRAY)), whole)


def changed(before: Probe, after: Probe) -> bool:
    """Whether enough pixels differ for the text to differ, small and faint text included."""
    if before.whole.shape != after.whole.shape:
        return True
    if float(np.mean(_difference(before, after) > CHANGED_LEVELS)) > CHANGED_FRACTION:
        return True
    return not np.array_equal(before.whole, after.whole) and _faintly(before.whole, after.whole)


def cut(before: Probe, after: Probe) -> bool:
    """Whether two probes are of different pictures."""
    return before.small.shape != after.small.shape or float(np.mean(_difference(before, after))) > CUT_LEVELS


def _faintly(before: np.ndarray, after: np.ndarray) -> bool:
    import cv2

    one, other = before.astype(np.float32), after.astype(np.float32)
    difference = np.abs(cv2.blur(one - other, (3, 3)))
    if int(np.count_nonzero(difference > FAINT_LEVELS)) <= FAINT_PIXELS:
        return False
    # Every 64th pixel tells the median well enough.
    noise = FAINT_OF_NOISE * float(np.median(difference[::8, ::8]))
    bound = np.maximum(FAINT_LEVELS, noise) + FAINT_OF_CONTRAST * np.minimum(_contrast(one), _contrast(other))
    return int(np.count_nonzero(difference > bound)) > FAINT_PIXELS


def _contrast(picture: np.ndarray) -> np.ndarray:
    """Standard deviation over the 9 x 9 pixels around each: float32 [h, w]."""
    import cv2

    mean = cv2.blur(picture, (9, 9))
    return np.sqrt(np.maximum(cv2.blur(picture * picture, (9, 9)) - mean * mean, 0))


def _difference(before: Probe, after: Probe) -> np.ndarray:
    return np.abs(before.small.astype(np.int16) - after.small.astype(np.int16))


def _within(frame: np.ndarray, side: int) -> np.ndarray:
    import cv2

    height, width = frame.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1:
        return np.ascontiguousarray(frame)
    return np.asarray(
        cv2.resize(frame, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
    )
