"""Whisper on vLLM: speech with the times of its segments."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from ray_jobs.engines.embedded.transcriber import SAMPLE_RATE
from ray_jobs.engines.vllm.engine import VllmEngine
from ray_jobs.engines.vllm.whisper_segments import WhisperTokens, segments
from ray_jobs.engines.voice_windows import VoiceWindows
from services.core.engines.config import VllmOptions
from services.core.errors import invalid
from services.core.media import Speech

if TYPE_CHECKING:
    import numpy as np

WINDOWS_AT_ONCE = 8  # of one call, so that a long recording leaves room for others


class VllmTranscriber:
    """See Transcriber. Only what the voice detector hears somebody speak in is shown to the model."""

    def __init__(self, options: VllmOptions) -> None:
        self._engine = VllmEngine(
            options.model_copy(update={"context_tokens": None}),  # Whisper has 448, always
            runner="generate",
            limit_mm_per_prompt={"audio": 1},
            mm_processor_cache_gb=0,
            enable_prefix_caching=False,
        )
        self._windows = VoiceWindows()
        self._numbers = itertools.count()
        self._languages: list[int] = []
        self._tokens: WhisperTokens | None = None

    async def setup(self) -> None:
        await self._engine.setup()
        await self._windows.setup()
        tokenizer = self._engine.llm.get_tokenizer()
        ids = tokenizer.get_vocab()
        if not {"<|startoftranscript|>", "<|transcribe|>", "<|0.00|>", "<|endoftext|>"} <= ids.keys():
            raise invalid(f"Engine {self._engine.options.model} is not a Whisper; give the role transcribe to one.")
        self._tokens = WhisperTokens(
            ids["<|0.00|>"], ids["<|endoftext|>"], lambda tokens: tokenizer.decode(tokens, skip_special_tokens=True)
        )
        from transformers.models.whisper.tokenization_whisper import LANGUAGES

        self._languages = [ids[token] for token in (f"<|{language}|>" for language in LANGUAGES) if token in ids]

    async def transcribe(
        self, tenant_id: str, samples: np.ndarray, sample_rate: int = SAMPLE_RATE, offset_seconds: float = 0.0
    ) -> tuple[Speech, ...]:
        windows = await self._windows.cut(samples, sample_rate)
        if not windows:
            return ()
        language = await self._language(tenant_id, windows[0][1])
        places = asyncio.Semaphore(WINDOWS_AT_ONCE)

        async def heard(start: float, window: np.ndarray) -> list[Speech]:
            async with places:
                return await self._window(tenant_id, window, language, offset_seconds + start)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(heard(*window)) for window in windows]
        return tuple(itertools.chain.from_iterable(task.result() for task in tasks))

    @property
    def running(self) -> int:
        return self._engine.running

    def check(self) -> None:
        self._engine.check()

    async def close(self) -> None:
        await self._engine.close()

    async def _language(self, tenant_id: str, samples: np.ndarray) -> str:
        """The token of the language that is spoken; empty where the model knows one alone."""
        if not self._languages:
            return ""
        ids = await self._written(
            tenant_id, "<|startoftranscript|>", samples, max_tokens=1, allowed_token_ids=self._languages
        )
        return self._engine.llm.get_tokenizer().convert_ids_to_tokens(ids[0])

    async def _window(self, tenant_id: str, samples: np.ndarray, language: str, start_time: float) -> list[Speech]:
        assert self._tokens is not None
        task = "<|transcribe|>" if language else ""
        # The first timestamp makes the model write the others (as vLLM's own server has it).
        begin = f"<|startoftranscript|>{language}{task}<|0.00|>"
        room = self._engine.context_tokens - 8
        ids = await self._written(tenant_id, begin, samples, max_tokens=room)
        return segments(ids, self._tokens, start_time, start_time + len(samples) / SAMPLE_RATE)

    async def _written(self, tenant_id: str, begin: str, samples: np.ndarray, **parameters: Any) -> list[int]:
        import numpy as np
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        prompt = {
            "encoder_prompt": {
                "prompt": "",
                "multi_modal_data": {"audio": (samples.astype(np.float32) / 32768, SAMPLE_RATE)},
            },
            "decoder_prompt": {"prompt": begin},
        }
        sampling = SamplingParams(
            temperature=0.0, output_kind=RequestOutputKind.FINAL_ONLY, skip_special_tokens=False, **parameters
        )
        async with self._engine.admitted(tenant_id, 1):  # each is of one window
            outputs = self._engine.generate(prompt, sampling, f"speech-{next(self._numbers)}")
            try:
                ids: list[int] = []
                async for output in outputs:
                    ids = list(output.outputs[0].token_ids)
                return ids
            finally:
                await outputs.aclose()  # type: ignore[attr-defined]
