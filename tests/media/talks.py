"""Narrated slides with known text, words and times, for the evaluation; the same kind as examples/lecture, but small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tests.media import sounds
from tests.media.muxing import Pictures, Sound, write
from tests.media.numbered import LIBVPX, REORDERED, X265
from tests.media.scenes import slide

SIZE, RATE = (960, 540), 5
LEAD_SECONDS, TAIL_SECONDS, SILENT_SECONDS = 0.6, 1.0, 6.0


@dataclass(frozen=True)
class Part:
    title: str
    lines: tuple[str, ...]
    voice: str | None = None  # of SAID; None is silence


@dataclass(frozen=True)
class Timed:
    """A part as it is in the clip, in seconds."""

    part: Part
    start_time: float
    end_time: float

    @property
    def said(self) -> str:
        return sounds.SAID[self.part.voice] if self.part.voice else ""


RAILWAY = (
    Part("The Mountain Railway", ("Opened in 1898", "38 tunnels, 12 bridges"), "railway_1"),
    Part("Timetable and Fares", ("First train: 6:00", "Every 30 minutes"), "railway_2"),
)
TALKS: dict[str, tuple[Part, ...]] = {
    "library.mp4": (
        Part(
            "Town Library: Overview", ("Tuesday to Sunday", "Librarian: Maria Keller", "Budget: 6,480 USD"), "library_1"
        ),
        Part("The Reading Room", ("40 seats by the window", "Catalogue on shelf 118"), "library_2"),
        Part("Loans by Month", ("Best: October", "Worst: July"), "library_3"),
    ),
    "bees.mkv": (
        Part("Life in the Hive", ("One queen", "60,000 workers in summer"), "bees_1"),
        Part("Honey", ("4 million flowers for 1 kg", "Stored in combs of wax"), "bees_2"),
    ),
    "railway.webm": RAILWAY,
    "railway_again.mp4": RAILWAY,
    "code.mp4": (
        Part("def average(values):", ("total = sum(values)", "return total / len(values)", "# expected: 42 values")),
    ),
}
_CODED = {
    "library.mp4": ("libx264", REORDERED, "aac", "mp4"),
    "bees.mkv": ("libx264", REORDERED, "ac3", "matroska"),
    "railway.webm": ("libvpx-vp9", LIBVPX, "libopus", "webm"),
    "railway_again.mp4": ("libx265", X265, "aac", "mp4"),
    "code.mp4": ("libx264", REORDERED, "aac", "mp4"),
}


def timed(name: str) -> list[Timed]:
    found, start = [], 0.0
    for part in TALKS[name]:
        seconds = len(sounds.voice(part.voice)) / sounds.RATE if part.voice else SILENT_SECONDS
        frames = round((LEAD_SECONDS + seconds + TAIL_SECONDS) * RATE)
        found.append(Timed(part, start, start + frames / RATE))
        start += frames / RATE
    return found


def write_talk(name: str, path: Path) -> None:
    encoder, options, sound_encoder, format = _CODED[name]
    parts = timed(name)

    def frames() -> Iterator[tuple[int, np.ndarray]]:
        for item in parts:
            image = slide(item.part.title, item.part.lines, SIZE)
            for number in range(round(item.start_time * RATE), round(item.end_time * RATE)):
                yield 1000 * number // RATE, image

    samples = np.zeros(round(parts[-1].end_time * sounds.RATE), np.int16)
    for item in parts:
        if item.part.voice:
            first, spoken = round((item.start_time + LEAD_SECONDS) * sounds.RATE), sounds.voice(item.part.voice)
            samples[first : first + len(spoken)] = spoken
    more = {"tag": "hvc1"} if encoder == "libx265" else {}
    rate = 48_000 if sound_encoder == "libopus" else 44_100
    pictures = Pictures(encoder, frames(), options | {"g": "25"}, rate=RATE, **more)
    write(path, pictures, Sound(sound_encoder, samples[None], coded_rate=rate), format=format)


RECIPES: dict[str, Callable[[Path], None]] = {name: partial(write_talk, name) for name in TALKS}
