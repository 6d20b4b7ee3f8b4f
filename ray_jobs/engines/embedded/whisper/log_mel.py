"""The picture of sound that Whisper reads: a logarithmic mel spectrogram of 30 seconds.

Parameters are those of the model's authors (Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak
Supervision", section 2.2): 25 ms windows each 10 ms, 80 bands of Slaney's mel scale up to 8 kHz.
"""

from __future__ import annotations

import numpy as np

from ray_jobs.engines.embedded.mel import HOP, SAMPLE_RATE, WINDOW, band_powers

BANDS = 80
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
        bands = band_powers(signal, BANDS)[:, :FRAMES]
        found[:, : bands.shape[1]] = np.log10(np.maximum(bands, LOWEST))
    found = np.maximum(found, found.max() - RANGE)
    return (found + 4) / 4
