"""What can be measured in the pictures of a segment, as sentences that are true of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.core.media import Span, TimedText

WIDTH, HEIGHT = 160, 90
MAX_SCENES = 12
CUT_COLOURS = 0.45  # share of pixels whose colour has no counterpart: between shots 0.5-1, inside a shot 0.0-0.4
CUT_LEVELS = 48.0
MOVED_LEVELS = 20  # of 255
BLACK_LEVEL, DARK_LEVEL, BRIGHT_LEVEL = 18.0, 60.0, 185.0
EVEN_LEVELS = 4.0
COLOUR_SHARE = 0.2
FLAT_SHARE = 0.8  # of neighbouring pixels alike to 3 levels: slides and screens 0.82-1, film mostly below
PAGE_LINES = 3


@dataclass(frozen=True)
class Scene:
    """Neighbouring frames of one view. `moved` is the share of pixels that change from frame to frame (None for
    a single frame), `where` the third of the picture in which most of them are, or empty."""

    start_time: float
    end_time: float
    luma: float
    even: bool
    colours: tuple[str, ...]
    flat: bool
    moved: float | None
    where: str


def scenes(frames: np.ndarray, times: np.ndarray, span: Span) -> tuple[Scene, ...]:
    """The views of uint8 [n, height, width, 3] RGB, in order, together covering the span; at most 12."""
    import cv2

    if not len(frames):
        return ()
    small = np.stack([cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for frame in frames])
    luma = small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    hues = np.stack([_colour_counts(image) for image in small])
    distance = [
        max(0.5 * float(np.abs(hues[i] - hues[i - 1]).sum()) / CUT_COLOURS, _levels(luma, i) / CUT_LEVELS)
        for i in range(1, len(small))
    ]
    # With more cuts than scenes to tell, the clearest are kept.
    cuts = sorted(
        sorted((i for i, d in enumerate(distance, 1) if d > 1), key=lambda i: -distance[i - 1])[: MAX_SCENES - 1]
    )
    starts, stops = [0, *cuts], [*cuts, len(small)]
    edges = [span.start_time, *(float(np.clip(times[i], span.start_time, span.end_time)) for i in cuts), span.end_time]
    return tuple(
        _scene(small[a:b], luma[a:b], frames[(a + b) // 2], edges[k], edges[k + 1])
        for k, (a, b) in enumerate(zip(starts, stops, strict=True))
    )


def sentences(scene: Scene, lines_of_text: int) -> dict[str, str]:
    """Sentences by topic (kind, text, light, colour, motion); a topic of which nothing is sure is left out."""
    if scene.luma < BLACK_LEVEL and scene.even and not lines_of_text:
        return {"kind": "The screen is black."}
    if scene.even and not lines_of_text:
        return {"kind": f"The screen is empty: plain {scene.colours[0]}." if scene.colours else "The screen is empty."}
    still = scene.moved is not None and scene.moved < 0.003
    told = {}
    if lines_of_text >= PAGE_LINES and scene.flat:
        told["kind"] = "A page of text, such as a slide or a computer screen."
    elif scene.moved is not None:
        told["kind"] = "A still picture." if still else "A moving picture."
    if lines_of_text:
        shown = "One line of text is" if lines_of_text == 1 else f"{lines_of_text} lines of text are"
        told["text"] = f"{shown} on the screen."
    if scene.luma < DARK_LEVEL:
        told["light"] = "The picture is dark."
    elif scene.luma > BRIGHT_LEVEL:
        told["light"] = "The picture is bright."
    if not scene.colours:
        told["colour"] = "The colours are mixed."
    else:
        told["colour"] = f"The main colour{'s are' if len(scene.colours) > 1 else ' is'} {' and '.join(scene.colours)}."
    if still:
        told["motion"] = "Nothing moves."
    elif scene.moved is not None:
        where = f", mostly {scene.where}" if scene.where else ""
        if scene.moved < 0.05:
            told["motion"] = f"A small part of the picture changes{where}."
        elif scene.moved < 0.4:
            told["motion"] = f"Part of the picture moves{where}; the rest stays still."
        else:
            told["motion"] = "Most of the picture moves."
    return told


def told(scene: Scene, topics: Sequence[str], scene_text: Sequence[TimedText]) -> TimedText:
    """One entry for a scene, its sentences with the given topics first."""
    found = sentences(scene, _lines_at_once(scene, scene_text))
    ordered = sorted(found, key=lambda topic: topics.index(topic) if topic in topics else len(topics))
    return TimedText(" ".join(found[topic] for topic in ordered), scene.start_time, scene.end_time)


def _lines_at_once(scene: Scene, scene_text: Sequence[TimedText]) -> int:
    """The most lines that are on the screen together at some time of the scene."""
    shown = [item for item in scene_text if item.start_time < scene.end_time and item.end_time > scene.start_time]
    return max(
        (
            sum(len(item.text.splitlines()) for item in shown if item.start_time <= time < item.end_time)
            for time in (max(item.start_time, scene.start_time) for item in shown)
        ),
        default=0,
    )


def _scene(small: np.ndarray, luma: np.ndarray, frame: np.ndarray, start_time: float, end_time: float) -> Scene:
    moved, where = None, ""
    if len(small) > 1:
        changes = np.abs(np.diff(luma, axis=0)) > MOVED_LEVELS
        moved = float(changes.mean())
        thirds = np.array([part.sum() for part in np.array_split(changes.any(axis=0), 3, axis=1)])
        if thirds.sum() and thirds.max() > 0.6 * thirds.sum():
            where = ("on the left", "in the middle", "on the right")[int(thirds.argmax())]
    counts = _colour_counts(small).reshape(-1)
    order = np.argsort(-counts)[:2]
    colours = tuple(NAMES[i] for i in order if counts[i] >= COLOUR_SHARE)
    return Scene(
        start_time,
        end_time,
        float(luma.mean()),
        float(luma.std(axis=(1, 2)).max()) < EVEN_LEVELS,
        colours,
        _flat(frame),
        moved,
        where,
    )


NAMES = ("black", "grey", "white", "red", "orange", "brown", "yellow", "green", "turquoise", "blue", "purple", "pink")


def _colour_counts(images: np.ndarray) -> np.ndarray:
    """Share of pixels of uint8 [..., 3] RGB that a person would call by each of NAMES: float [12]."""
    import cv2

    hsv = cv2.cvtColor(np.ascontiguousarray(images.reshape(-1, 1, 3)), cv2.COLOR_RGB2HSV)[:, 0]
    hue, saturation, value = (hsv[:, i].astype(np.int32) for i in range(3))  # hue in steps of 2 degrees
    edges = np.array([8, 22, 34, 80, 98, 130, 150, 172])
    index = np.array([3, 4, 6, 7, 8, 9, 10, 11, 3])[np.searchsorted(edges, hue, side="right")]
    index = np.where((index == 4) & (value < 170), 5, index)
    grey = (saturation < 38) | ((saturation < 64) & (value < 90))
    index = np.where(grey, np.where(value > 205, 2, 1), index)
    index = np.where(value < 45, 0, index)
    return np.bincount(index, minlength=len(NAMES)) / len(index)


def _levels(luma: np.ndarray, index: int) -> float:
    return float(np.abs(luma[index] - luma[index - 1]).mean())


def _flat(frame: np.ndarray) -> bool:
    green = frame[::2, ::2, 1].astype(np.int16)
    across = np.abs(np.diff(green, axis=1))
    return across.size > 0 and float((across <= 3).mean()) > FLAT_SHARE
