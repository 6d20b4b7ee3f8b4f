"""Text vectors from a server that speaks OpenAI's Embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ray_jobs.engines.openai_compatible.client import OpenaiClient
from ray_jobs.engines.roles import Embedded
from services.core.engines.config import OpenaiOptions
from services.core.errors import ArcusError, Reason

TEXTS = 128  # of one request
MAX_DIMENSIONS = 8_192


class OpenaiEmbedder:
    def __init__(self, options: OpenaiOptions) -> None:
        self._options = options
        self._client = OpenaiClient(options)
        self.dimensions = 0

    async def setup(self) -> None:
        await self._client.setup()
        vectors, _ = await self._embed(["dimensions"])
        self.dimensions = vectors.shape[1]

    def check(self) -> None:
        self._client.check()

    async def close(self) -> None:
        await self._client.close()

    async def embed(self, texts: Sequence[str], *, queries: bool = False) -> Embedded:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        tokens = 0
        for first in range(0, len(texts), TEXTS):
            made, read = await self._embed(texts[first : first + TEXTS])
            if made.shape[1] != self.dimensions:
                raise _garbage(f"{made.shape[1]} dimensions instead of {self.dimensions}")
            vectors[first : first + len(made)] = made
            tokens += read
        return Embedded(vectors, tokens)

    async def _embed(self, texts: Sequence[str]) -> tuple[np.ndarray, int]:
        longest = int(self._options.context_tokens * self._options.bytes_per_token)
        # Servers refuse a text of nothing.
        cut = [text.encode(errors="replace")[:longest].decode(errors="ignore").strip() or "." for text in texts]
        body: dict[str, Any] = {"model": self._options.model, "input": cut, "encoding_format": "float"}
        if self._options.is_vllm:
            body["truncate_prompt_tokens"] = -1
        answer = await self._client.post("embeddings", json=body)
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = np.array([row["embedding"] for row in rows], np.float64)
            tokens = int((answer.get("usage") or {}).get("prompt_tokens") or sum(map(len, cut)) // 4)
        except (KeyError, TypeError, ValueError) as error:
            raise _garbage("something else than numbers") from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not 1 <= vectors.shape[1] <= MAX_DIMENSIONS:
            raise _garbage(f"an array {list(vectors.shape)} for {len(texts)} texts")
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or (lengths < 1e-12).any():
            raise _garbage("vectors without a direction")
        return (vectors / lengths).astype(np.float32), tokens


def _garbage(what: str) -> ArcusError:
    return ArcusError(Reason.INTERNAL, f"The engine's server gave {what} where vectors were asked for.")
