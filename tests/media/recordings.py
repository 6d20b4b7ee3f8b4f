"""Clips of sound alone: the committed voices, a tune and noise, in several containers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tests.media import sounds
from tests.media.muxing import Sound, write

# What is said in each, in the order of SAID's names. The two speakers speak at once, one on each side.
SPOKEN = {
    "speech.flac": ("harbor", "bridge"),
    "speech.wav": ("winter",),
    "long_speech.wav": ("garden", "letter", "harbor", "bridge", "committee", "winter"),
    "speech_only.mp4": ("committee",),
}
TWO_SPEAKERS = ("letter", "bridge")  # left, right


def said(name: str) -> str:
    return " ".join(sounds.SAID[part] for part in SPOKEN[name])


def _write(encoder: str, format: str, rate: int, channels: int, names: tuple[str, ...], path: Path) -> None:
    samples, _ = sounds.speech(*names)
    write(path, Sound(encoder, np.stack([samples] * channels), coded_rate=rate), format=format)


def write_two_speakers(path: Path) -> None:
    left, right = (sounds.speech(name)[0] for name in TWO_SPEAKERS)
    length = max(len(left), len(right))
    both = np.stack([np.pad(side, (0, length - len(side))) for side in (left, right)])
    write(path, Sound("pcm_s16le", both), format="wav")


def write_tune(path: Path) -> None:
    write(path, Sound("libopus", sounds.tune(12.0), 48_000), format="ogg")


RECIPES: dict[str, Callable[[Path], None]] = {
    "speech.flac": partial(_write, "flac", "flac", 44_100, 2, SPOKEN["speech.flac"]),
    "speech.wav": partial(_write, "pcm_s16le", "wav", 16_000, 1, SPOKEN["speech.wav"]),
    "long_speech.wav": partial(_write, "pcm_s16le", "wav", 16_000, 1, SPOKEN["long_speech.wav"]),
    "speech_only.mp4": partial(_write, "aac", "mp4", 44_100, 2, SPOKEN["speech_only.mp4"]),
    "two_speakers.wav": write_two_speakers,
    "tune.ogg": write_tune,
}
