"""Power of sound in bands of Slaney's mel scale (Auditory Toolbox, 1998), as librosa computes it: 25 ms windows each 10 ms."""

from __future__ import annotations

import functools

import numpy as np

SAMPLE_RATE = 16_000
WINDOW, HOP = 400, 160


def band_powers(signal: np.ndarray, bands: int) -> np.ndarray:
    """float32 [bands, n] of float32 [m] at 16 kHz, n = 1 + (m - 400) // 160; none where m is less than a window."""
    count = 1 + (len(signal) - WINDOW) // HOP
    if count <= 0:
        return np.zeros((bands, 0), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[: count * HOP : HOP]
    power = np.abs(np.fft.rfft(windows * _hann(), axis=1)) ** 2
    return _filters(bands) @ power.T.astype(np.float32)


@functools.cache
def _hann() -> np.ndarray:
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@functools.cache
def _filters(bands: int) -> np.ndarray:
    """float32 [bands, 201]: triangles of equal area, evenly spaced up to 8 kHz."""
    edges = _hertz(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), bands + 2))
    pitches = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    rising = (pitches[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - pitches[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


# Linear up to 1000 Hz (15 mels), logarithmic above: 27 mels more for each factor of 6.4.
def _mel(hertz: float) -> float:
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * float(np.log(hertz / 1000) / np.log(6.4))


def _hertz(mels: np.ndarray) -> np.ndarray:
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
