"""Stages of ingest of which the embedder alone is real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray_jobs.engines.engine import Engine


class EmbeddingPipeline:
    """All of a Pipeline but `describe`, which is a test's own."""

    def __init__(self, players: dict[str, Engine]) -> None:
        self._embedder: Any = players["embed"].embedder

    async def summarise(self, *_arguments: Any) -> tuple[str, str]:
        return "A title", "A summary"

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [row.astype("<f4").tobytes() for row in (await self._embedder.embed(texts)).vectors]

    async def extract(self, _request: Any) -> Any:
        raise AssertionError("collections of entities are not made here")
