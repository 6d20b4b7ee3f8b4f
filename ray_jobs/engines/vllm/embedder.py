"""A pooling model on vLLM: texts to unit vectors."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ray_jobs.engines.roles import Embedded
from ray_jobs.engines.vllm.engine import VllmEngine
from services.core.engines.config import VllmOptions
from services.core.errors import ArcusError, Reason

if TYPE_CHECKING:
    import numpy as np


class VllmEmbedder:
    """See Embedder. Pooled as the model's own configuration says."""

    def __init__(self, options: VllmOptions) -> None:
        self._engine = VllmEngine(options, runner="pooling", convert="embed")
        self._places = asyncio.Semaphore(options.max_running)
        self._numbers = itertools.count()
        self._dimensions = 0

    async def setup(self) -> None:
        await self._engine.setup()
        self._dimensions = (await self.embed(["dimensions"])).vectors.shape[1]

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def running(self) -> int:
        return self._engine.running

    async def embed(self, texts: Sequence[str], tenant_id: str = "", *, queries: bool = False) -> Embedded:
        import numpy as np

        if not texts:
            return Embedded(np.zeros((0, self._dimensions), np.float32), 0)
        # A call is one request, whatever it holds: what it has in the batch is bounded. Calls mix tenants.
        async with self._engine.admitted(tenant_id, len(texts)):
            prompts = await asyncio.to_thread(self._prompts, texts)
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._vector(prompt, tenant_id)) for prompt in prompts]
            except* ArcusError as errors:
                raise errors.exceptions[0] from None
        vectors = np.stack([task.result() for task in tasks])
        return Embedded(vectors, sum(len(prompt["prompt_token_ids"]) for prompt in prompts))

    def check(self) -> None:
        self._engine.check()

    async def close(self) -> None:
        await self._engine.close()

    def _prompts(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        tokenizer = self._engine.llm.get_tokenizer()
        limit = self._engine.context_tokens
        # A model without a token of its own for the beginning has nothing to pool of an empty text.
        return [
            {"prompt_token_ids": tokenizer.encode(_whole(text) or " ", truncation=True, max_length=limit)}
            for text in texts
        ]

    async def _vector(self, prompt: dict[str, Any], tenant_id: str) -> np.ndarray:
        import numpy as np
        from vllm.pooling_params import PoolingParams

        async with self._places:
            salted = {**prompt, "cache_salt": f"tenant {tenant_id}"}
            output = await self._engine.encode(salted, PoolingParams(task="embed"), f"vector-{next(self._numbers)}")
        vector = np.asarray(output.outputs.data, np.float32)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The model gave a vector that is no direction.")
        return vector / length


def _whole(text: str) -> str:
    """Without halves of characters, which no tokenizer takes."""
    return text.encode(errors="replace").decode()
