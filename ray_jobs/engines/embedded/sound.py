"""What the audio of a segment sounds like, told only as far as it can be measured."""

from __future__ import annotations

from typing import Literal

import numpy as np

from services.core.media import Span, TimedText

Kind = Literal["silence", "speech", "music", "noise", "sound"]
SENTENCES: dict[Kind, str] = {
    "silence": "Silence.",
    "speech": "Someone is speaking.",
    "music": "Music plays.",
    "noise": "Steady background noise.",
    "sound": "Background sound.",
}
SILENCE_DBFS = -60.0


def listen(samples: np.ndarray, span: Span, sample_rate: int = 16_000, speaking: bool = False) -> tuple[TimedText, ...]:
    """Sentences on mono int16 [n] covering the span; empty where there is no audio at all."""
    if not len(samples):
        return ()
    level = level_dbfs(samples)
    kind: Kind = "silence" if level < SILENCE_DBFS else "speech" if speaking else "sound"
    return (TimedText(SENTENCES[kind], span.start_time, span.end_time),)


def level_dbfs(samples: np.ndarray) -> float:
    """Root mean square of int16 [n], in dB below full scale."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) / 32768**2 + 1e-12))
