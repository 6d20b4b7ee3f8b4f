"""Speech to text by a server that speaks OpenAI's Audio Transcriptions."""

from __future__ import annotations

import asyncio
import io
import itertools
import wave
from collections.abc import Iterator
from typing import Any

import aiohttp
import numpy as np

from ray_jobs.engines.embedded.transcriber import SAMPLE_RATE
from ray_jobs.engines.language.cleaning import cleaned
from ray_jobs.engines.openai_compatible.client import OpenaiClient
from ray_jobs.engines.voice_windows import VoiceWindows
from services.core.engines.config import OpenaiOptions
from services.core.errors import ArcusError, Reason
from services.core.media import Speech

WINDOWS_AT_ONCE = 4  # of one call, so that a long recording leaves room for others
# Radford et al. 2022, section 4.5: what Whisper writes where nobody speaks, and where it goes round in circles.
NO_SPEECH, LOG_PROBABILITY, COMPRESSION = 0.6, -1.0, 2.4


class OpenaiTranscriber:
    """See Transcriber. Only what the voice detector hears somebody speak in is sent, in windows that cut no word."""

    def __init__(self, options: OpenaiOptions) -> None:
        self._options = options
        self._client = OpenaiClient(options)
        self._windows = VoiceWindows()

    async def setup(self) -> None:
        await self._client.setup()
        await self._windows.setup()

    def check(self) -> None:
        self._client.check()

    async def close(self) -> None:
        await self._client.close()

    async def transcribe(
        self, tenant_id: str, samples: np.ndarray, sample_rate: int, offset_seconds: float
    ) -> tuple[Speech, ...]:
        windows = await self._windows.cut(samples, sample_rate)
        places = asyncio.Semaphore(WINDOWS_AT_ONCE)

        async def heard(start: float, window: np.ndarray) -> list[Speech]:
            async with places:
                return await self._window(window, offset_seconds + start)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(heard(*window)) for window in windows]
        except* ArcusError as errors:
            raise errors.exceptions[0] from None
        return tuple(itertools.chain.from_iterable(task.result() for task in tasks))

    async def _window(self, samples: np.ndarray, offset_seconds: float) -> list[Speech]:
        form = aiohttp.FormData(
            {
                "model": self._options.model,
                "response_format": "verbose_json",
                "timestamp_granularities[]": "segment",
                "temperature": "0",
            }
        )
        form.add_field("file", _wav(samples), filename="speech.wav", content_type="audio/wav")
        answer = await self._client.post("audio/transcriptions", data=form)
        length = len(samples) / SAMPLE_RATE
        try:
            return list(_speech(answer, length, offset_seconds))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArcusError(Reason.INTERNAL, "The engine's server gave a transcript that can't be read.") from error


def _speech(answer: dict[str, Any], length: float, offset_seconds: float) -> Iterator[Speech]:
    segments = answer.get("segments")
    if segments is None:  # a server that gives no times
        segments = [{"text": answer["text"], "start": 0.0, "end": length}]
    for segment in segments:
        text = cleaned(str(segment["text"]))
        start = min(max(0.0, float(segment["start"])), length)
        end = min(max(start, float(segment["end"])), length)
        if text and not _is_imagined(segment):
            yield Speech(text, offset_seconds + start, offset_seconds + end)


def _is_imagined(segment: dict[str, Any]) -> bool:
    silent = float(segment.get("no_speech_prob") or 0) > NO_SPEECH
    unsure = float(segment.get("avg_logprob") or 0) < LOG_PROBABILITY
    return (silent and unsure) or float(segment.get("compression_ratio") or 0) > COMPRESSION


def _wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(SAMPLE_RATE)
        audio.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()
