"""The embedded engines in their roles: their blocking calls, in threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ray_jobs.batching import BatchQueue
from ray_jobs.engines.embedded.describer import EmbeddedDescriber
from ray_jobs.engines.embedded.embedder import EmbeddedEmbedder
from ray_jobs.engines.embedded.multilingual import MultilingualEmbedder
from ray_jobs.engines.embedded.transcriber import EmbeddedTranscriber
from ray_jobs.engines.roles import DescribeRequest, Embedded
from services.core.engines.config import MULTILINGUAL
from services.core.media import SegmentDescription, Speech

if TYPE_CHECKING:
    import numpy as np

# Calls that share a pass. A CPU gains little from more, and while one half of the callers waits for its vectors, the
# other half's are being searched with.
EMBED_CALLS = 8
EMBED_WAITING = 256


class ThreadedDescriber:
    def __init__(self) -> None:
        self._engine = EmbeddedDescriber()

    async def setup(self) -> None:
        await asyncio.to_thread(self._engine.setup)

    def check(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def describe(self, request: DescribeRequest) -> SegmentDescription:
        return await asyncio.to_thread(
            self._engine.describe,
            request.frames,
            request.times,
            request.span,
            request.speech,
            request.scene_text,
            request.samples,
            request.sample_rate,
            request.config,
        )

    async def summarise(
        self, tenant_id: str, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]:
        return self._engine.summarise_file(segments, filename, duration_seconds)


class ThreadedTranscriber:
    """One call after another, each with a core to itself. `folder` has another model than the packages'."""

    def __init__(self, folder: str = "") -> None:
        self._engine = EmbeddedTranscriber(folder)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="transcribe")

    async def setup(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.setup)

    def check(self) -> None:
        return None

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def transcribe(
        self, tenant_id: str, samples: np.ndarray, sample_rate: int, offset_seconds: float
    ) -> tuple[Speech, ...]:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._engine.transcribe, samples, sample_rate, offset_seconds
        )


class QueuedEmbedder:
    """`model`: one of those that packages carry, as the configuration names it."""

    def __init__(self, model: str = MULTILINGUAL) -> None:
        self._engine = MultilingualEmbedder() if model == MULTILINGUAL else EmbeddedEmbedder()
        self.dimensions = self._engine.dimensions
        self.queue: BatchQueue[tuple[bool, Sequence[str]], Embedded] = BatchQueue(
            "embed", self._together, max_batch=EMBED_CALLS, max_waiting=EMBED_WAITING
        )

    async def setup(self) -> None:
        await self.queue.in_thread(self._engine.setup)
        self.queue.start()

    def check(self) -> None:
        self.queue.check()

    async def close(self) -> None:
        await self.queue.close()

    async def embed(self, texts: Sequence[str], *, queries: bool = False) -> Embedded:
        return await self.queue.put((queries, texts))

    def _together(self, waiting: list[tuple[bool, Sequence[str]]]) -> list[Embedded]:
        """One pass for all waiting calls of either kind."""
        made: dict[int, Embedded] = {}
        for kind in (False, True):
            places = [place for place, (queries, _) in enumerate(waiting) if queries is kind]
            made.update(zip(places, self._pass([waiting[place][1] for place in places], kind), strict=True))
        return [made[place] for place in range(len(waiting))]

    def _pass(self, calls: list[Sequence[str]], queries: bool) -> list[Embedded]:
        """The tokens of the pass are shared out by length of text."""
        vectors, tokens = self._engine.embed_counted([text for texts in calls for text in texts], queries=queries)
        lengths = [sum(map(len, texts)) for texts in calls]
        whole = sum(lengths) or 1
        answers, first = [], 0
        for texts, length in zip(calls, lengths, strict=True):
            answers.append(Embedded(vectors[first : first + len(texts)], round(tokens * length / whole)))
            first += len(texts)
        return answers
