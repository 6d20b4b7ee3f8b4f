"""Sound as samples: tones, a tune, noise, and what the committed voices say."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

VOICES = Path(__file__).parent / "voices"
RATE = 16_000  # of the voices
SAID: dict[str, str] = {item["name"]: item["text"] for item in json.loads((VOICES / "voices.json").read_text())}


def tone(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """int16 [n]."""
    return (np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate) * 8000).astype(np.int16)


def tune(seconds: float, rate: int = 48_000) -> np.ndarray:
    """int16 [2, n]: chords over a bass, each with a beat, a little to the left and to the right."""
    time = np.arange(round(seconds * rate)) / rate
    chords = np.array([[262, 330, 392, 131], [220, 262, 330, 110], [175, 220, 262, 87], [196, 247, 294, 98]])
    beat = (time / 0.5).astype(int)
    notes = chords[beat // 2 % 4]
    decay = np.exp(-4 * (time - beat * 0.5))
    weights = np.array([[1, 0.8, 0.6, 1.4], [0.7, 0.8, 1, 1.4]])
    waves = np.stack([np.sin(2 * np.pi * notes[:, voice] * time) for voice in range(4)])
    drum = np.random.default_rng(0).normal(size=len(time)) * np.exp(-40 * (time - beat * 0.5)) * 0.8
    return ((weights @ waves + drum) * decay * 4500).clip(-32000, 32000).astype(np.int16)


def noise(seconds: float, rate: int = RATE) -> np.ndarray:
    """int16 [n]: as of wind, louder and softer."""
    count = round(seconds * rate)
    white = np.random.default_rng(1).normal(size=count)
    brown = np.convolve(white, np.ones(32) / 32, "same")
    return (
        (brown * 6000 * (1 + 0.5 * np.sin(2 * np.pi * np.arange(count) / rate / 3)))
        .clip(-32000, 32000)
        .astype(np.int16)
    )


@cache
def voice(name: str) -> np.ndarray:
    """int16 [n] at RATE of one committed recording; SAID[name] is what it says."""
    import av

    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(VOICES / f"{name}.opus")) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([part.to_ndarray()[0] for part in [*parts, *resampler.resample(None)]])


def speech(*names: str, pause: float = 0.6, lead: float = 0.4) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """int16 [n] at RATE: the recordings one after the other, with the (start, end) of each in seconds."""
    parts, spans, position = [np.zeros(round(lead * RATE), np.int16)], [], lead
    for name in names:
        samples = voice(name)
        spans.append((position, position + len(samples) / RATE))
        parts += [samples, np.zeros(round(pause * RATE), np.int16)]
        position += len(samples) / RATE + pause
    return np.concatenate(parts), spans
