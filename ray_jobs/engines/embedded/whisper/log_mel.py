"""The picture of sound that Whisper reads: a logarithmic mel spectrogram of 30 seconds.

Parameters are those of the model's authors (Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak
Supervision", section 2.2): 25 ms windows each 10 ms, 80 bands of Slaney's mel scale up to 8 kHz.
"""

from __future__ import annotations

import functools

import numpy as np

SAMPLE_RATE = 16_000
WINDOW, HOP, BANDS = 400, 160, 80
SECONDS = 30
FRAMES = SECONDS * SAMPLE_RATE // HOP
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
LOWEST = 1e-10  # power below which everything is silence
RANGE = 8.0  # powers of ten below the loudest band that are told apart


def log_mel(samples: np.ndarray) -> np.ndarray:
    """float32 [80, 3000] of mono int16 [n] at 16 kHz, n of at most 30 seconds; the rest is silence."""
    signal = samples[: SECONDS * SAMPLE_RATE].astype(np.float32) / 32768
    found = np.full((BANDS, FRAMES), np.log10(LOWEST), np.float32)
    if len(signal):
        signal = np.pad(signal, (0, WINDOW // 2))
        # Mirrored at the beginning, as the centred windows of the training were; a shorter sound is repeated for it.
        signal = np.concatenate([np.resize(signal[1:], WINDOW // 2)[::-1], signal])
        count = min(FRAMES, 1 + (len(signal) - WINDOW) // HOP)
        if count > 0:
            windows = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[: count * HOP : HOP]
            power = np.abs(np.fft.rfft(windows * _hann(), axis=1)) ** 2
            bands = _filters() @ power.T.astype(np.float32)
            found[:, : bands.shape[1]] = np.log10(np.maximum(bands, LOWEST))
    found = np.maximum(found, found.max() - RANGE)
    return (found + 4) / 4


@functools.cache
def _hann() -> np.ndarray:
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@functools.cache
def _filters() -> np.ndarray:
    """float32 [80, 201]: triangles of equal area, evenly spaced on Slaney's scale (Auditory Toolbox, 1998)."""
    edges = _hertz(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), BANDS + 2))
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
