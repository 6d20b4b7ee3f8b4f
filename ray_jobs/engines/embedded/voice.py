"""Where in the audio somebody may be speaking."""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 16_000
FRAME = 480  # 30 ms, the longest frame the voice activity detector takes
GAP_FRAMES = 15
PAD_FRAMES = 8
MIN_FRAMES = 8
MIN_DBFS = -60.0


def utterances(samples: np.ndarray, max_seconds: float = 15.0) -> list[tuple[int, int]]:
    """Ranges [start, end) of samples of int16 [n] at 16 kHz that sound like a voice, none over `max_seconds`.

    Longer ones are cut at their quietest frame.
    """
    from pocketsphinx import Vad

    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    if not len(frames):
        return []
    level = 10 * np.log10(np.mean(frames.astype(np.float32) ** 2, axis=1) / 32768**2 + 1e-12)
    vad = Vad(mode=Vad.MEDIUM_STRICT, sample_rate=SAMPLE_RATE, frame_length=FRAME / SAMPLE_RATE)
    voiced = np.array(
        [level[i] > MIN_DBFS and vad.is_speech(frame.tobytes()) for i, frame in enumerate(frames)]
    )
    found = []
    for start, end in _runs(voiced):
        start, end = max(0, start - PAD_FRAMES), min(len(frames), end + PAD_FRAMES)
        found += _cut(start, end, level, int(max_seconds * SAMPLE_RATE / FRAME))
    return [(start * FRAME, end * FRAME) for start, end in found]


def _runs(voiced: np.ndarray) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for index in np.flatnonzero(voiced):
        if runs and index - runs[-1][1] <= GAP_FRAMES:
            runs[-1] = (runs[-1][0], int(index) + 1)
        else:
            runs.append((int(index), int(index) + 1))
    return [(start, end) for start, end in runs if end - start >= MIN_FRAMES]


def _cut(start: int, end: int, level: np.ndarray, limit: int) -> list[tuple[int, int]]:
    pieces = []
    while end - start > limit:
        middle = start + limit // 2
        cut = middle + int(np.argmin(level[middle : start + limit]))
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, end)]
