"""When something on the screen may have to be read: what appears and stays, or goes, seen on small pictures."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

LOOKS_PER_SECOND = 4
STEADY_LOOKS = 3  # after its first; text that stays a second is seen to, what moves on is not
SIDE = 640  # of a small picture: a letter of 24 pixels in 1080p has 8
STILL_LEVELS = 10  # of 255, from look to look; compression noise on a still slide stays under it
CHANGED_LEVELS = 24
EDGE_LEVELS = 40  # of the gradient
# That are new or gone. A changed digit of a 1080p counter covers 90 pixels here, and is mostly edges.
CHANGED_PIXELS = 16


class ScreenWatch:
    """Shown the pictures of a video in order, LOOKS_PER_SECOND of each second, it tells which to read.

    It compares edges that have stood still with the picture that was read last, so that a moving background does not
    count and text in front of it does.
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=STEADY_LOOKS + 1)
        self._last: Any = None
        self._age: Any = None  # uint8 [h, w]: looks for which a pixel has stayed as it was
        self._read: Any = None
        self._read_edges: Any = None  # those that stood still when it was read
        self._away: Any = None  # uint8: looks for which a pixel has differed from what was read

    def look(self, frame: np.ndarray, time: float) -> tuple[float, int] | None:
        """For a picture that should be read, (since when it has shown what is new, pixels that are new or gone).

        `frame`: uint8 [height, width, 3] RGB, of the same size each time.
        """
        picture = _small(frame)
        self._times.append(time)
        if self._last is None:
            self._age = np.zeros(picture.shape, np.uint8)
        else:
            self._age = _counted(self._age, _difference(picture, self._last) <= STILL_LEVELS)
        self._last = picture
        still = _edges(picture) & (self._age >= STEADY_LOOKS)
        new = still
        if self._read is not None:
            differs = _difference(picture, self._read) > CHANGED_LEVELS
            self._away = _counted(self._away, differs)
            new = (still & differs) | (self._read_edges & (self._away > STEADY_LOOKS))
        count = int(np.count_nonzero(new))
        if count < CHANGED_PIXELS:
            return None
        self._read, self._read_edges, self._away = picture, still, np.zeros(picture.shape, np.uint8)
        return self._times[0], count


def _small(frame: np.ndarray) -> np.ndarray:
    import cv2

    height, width = frame.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY))


def _difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.absdiff(one, other))


def _edges(picture: np.ndarray) -> np.ndarray:
    """bool [h, w]: where it is steep, and the pixels around."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, kernel)) > EDGE_LEVELS


def _counted(counts: np.ndarray, goes_on: np.ndarray) -> np.ndarray:
    return np.where(goes_on, np.minimum(counts, 250) + 1, 0).astype(np.uint8)
