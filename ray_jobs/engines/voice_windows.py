"""Which parts of a recording a speech model is shown: those in which somebody speaks."""

from __future__ import annotations

import asyncio

import numpy as np

from ray_jobs.engines.embedded.transcriber import SAMPLE_RATE, joined, resampled
from ray_jobs.engines.embedded.voice import VoiceDetector, utterances
from services.core.errors import invalid

WINDOW_SECONDS = 30.0  # what Whisper was made to hear at once


class VoiceWindows:
    """Cuts a recording where nobody speaks. Silence is not shown: a model that hears none invents nothing in it."""

    def __init__(self) -> None:
        self._voice = VoiceDetector()
        self._turn = asyncio.Lock()  # the detector has a state

    async def setup(self) -> None:
        await asyncio.to_thread(self._voice.setup)

    async def cut(self, samples: np.ndarray, sample_rate: int) -> list[tuple[float, np.ndarray]]:
        """Windows of int16 [n] at SAMPLE_RATE, each of at most WINDOW_SECONDS, with the second at which it begins.

        Raises INVALID_ARGUMENT for samples that are not int16 of one channel.
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise invalid("Give the audio as int16 samples of one channel.", field="samples")
        if sample_rate != SAMPLE_RATE:
            samples = await asyncio.to_thread(resampled, samples, sample_rate)
        async with self._turn:
            probabilities = await asyncio.to_thread(self._voice.probabilities, samples)
        ranges = joined(utterances(samples, probabilities, WINDOW_SECONDS), SAMPLE_RATE, WINDOW_SECONDS)
        return [(start / SAMPLE_RATE, samples[start:end]) for start, end in ranges]
