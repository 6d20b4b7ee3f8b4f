"""The role see played by an image-text model: the moments of a segment's frames, and tags from the operator's list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from ray_jobs.batching import BatchQueue
from ray_jobs.engines.image_text.model import BATCH, ImageTextModel
from ray_jobs.engines.roles import Embedded, Seen, SeenMoment
from services.core.engines.config import ImageTextOptions
from services.core.media import Span, TimedText

ALIKE = 0.95  # likeness from which a frame shows what the one before it does
MAX_WAITING = 256


class ImageTextSeer:
    """Each tower has a thread of its own, so that a question does not wait for the frames of an ingest."""

    def __init__(self, options: ImageTextOptions) -> None:
        self._options = options
        self._model = ImageTextModel(options.folder, options.threads)
        self._tags = np.zeros((0, 0), np.float32)
        self._frames: BatchQueue[Sequence[np.ndarray], np.ndarray] = BatchQueue(
            "see-frames",
            lambda batch: [self._model.embed_frames(each) for each in batch],
            max_batch=1,
            max_waiting=MAX_WAITING,
        )
        self._texts: BatchQueue[Sequence[str], Embedded] = BatchQueue(
            "see-texts",
            lambda batch: [Embedded(*self._model.embed_texts(each)) for each in batch],
            max_batch=BATCH,
            max_waiting=MAX_WAITING,
        )

    @property
    def dimensions(self) -> int:
        return self._model.dimensions

    @property
    def space(self) -> str:
        return self._model.space

    @property
    def queues(self) -> tuple[BatchQueue, ...]:
        return self._frames, self._texts

    async def setup(self) -> None:
        await asyncio.to_thread(self._model.setup)
        prompts = [self._options.tag_prompt.replace("{}", tag) for tag in self._options.tags]
        self._tags, _ = await asyncio.to_thread(self._model.embed_texts, prompts)
        self._frames.start()
        self._texts.start()

    def check(self) -> None:
        self._frames.check()
        self._texts.check()

    async def close(self) -> None:
        await self._frames.close()
        await self._texts.close()

    async def embed(self, texts: Sequence[str], *, queries: bool = False) -> Embedded:
        return await self._texts.put(texts)

    async def see(self, frames: Sequence[np.ndarray], times: np.ndarray, span: Span) -> Seen:
        if not len(frames):
            return Seen()
        vectors = await self._frames.put(frames)
        kept = _distinct(vectors, self._options.max_pictures)
        starts = [span.start_time, *(min(max(float(times[row]), span.start_time), span.end_time) for row in kept[1:])]
        moments = tuple(
            SeenMoment(start, end, vectors[row].astype("<f4").tobytes())
            for start, end, row in zip(starts, [*starts[1:], span.end_time], kept, strict=True)
        )
        return Seen(self.space, moments, self._told(moments, vectors[kept]))

    def _told(self, moments: Sequence[SeenMoment], vectors: np.ndarray) -> tuple[TimedText, ...]:
        """The tags of each moment that reach the threshold; neighbours with the same tags are told once, by the best scores."""
        options = self._options
        if not options.tags:
            return ()
        told: list[tuple[dict[str, float], float, float]] = []
        for moment, scores in zip(moments, vectors @ self._tags.T, strict=True):
            best = [
                row
                for row in np.argsort(-scores, kind="stable")[: options.max_tags]
                if scores[row] >= options.tag_threshold
            ]
            found = {options.tags[row]: float(scores[row]) for row in best}
            if told and told[-1][0].keys() == found.keys():
                before, start, _ = told.pop()
                told.append(({tag: max(score, found[tag]) for tag, score in before.items()}, start, moment.end_time))
            else:
                told.append((found, moment.start_time, moment.end_time))
        return tuple(TimedText(_tags_text(found), start, end) for found, start, end in told if found)


def _tags_text(found: dict[str, float]) -> str:
    best = sorted(found.items(), key=lambda item: -item[1])
    return f"Tags: {', '.join(f'{tag} ({score:.2f})' for tag, score in best)}."


def _distinct(vectors: np.ndarray, most: int) -> list[int]:
    """Rows that are unlike the kept one before them; of more than `most`, as many, evenly."""
    kept = [0]
    for row in range(1, len(vectors)):
        if float(vectors[row] @ vectors[kept[-1]]) < ALIKE:
            kept.append(row)
    return [kept[place * len(kept) // most] for place in range(most)] if len(kept) > most else kept
