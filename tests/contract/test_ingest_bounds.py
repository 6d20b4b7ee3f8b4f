"""Ingest asks for no more segments at once than its bound, whatever there is to do and however slow the stages are."""

from __future__ import annotations

import asyncio
from typing import Any

from ray_jobs.ingest import IngestWorker
from ray_jobs.pipeline import Described
from ray_jobs.stages.segmentation import MAX_SEGMENTS
from services.core.media import SegmentDescription, Span
from services.core.settings import Settings
from tests.contract.store_steps import WORKER, Store

JOBS, SEGMENTS_OF_A_JOB = 2, 4
# Frames exist for a segment from decode to description: so many are decoded ahead of what describes them, at most.
BOUND = JOBS * SEGMENTS_OF_A_JOB


class HeldPipeline:
    """Stages that describe nothing until they are let go; tells how many segments were in them at once."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.spans: list[Span] = []
        self.now = self.most = 0

    async def describe(self, *arguments: Any, thumbnail: bool) -> Described:
        self.spans.append(next(item for item in arguments if isinstance(item, Span)))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.let_go.wait()
        finally:
            self.now -= 1
        return Described(SegmentDescription(title="A title"))

    async def summarise(self, *arguments: Any) -> tuple[str, str]:
        return "A title", "A summary"

    async def embed(self, texts: list[str]) -> list[bytes]:
        return [bytes(4 * 384) for _ in texts]


async def test_no_more_segments_are_decoded_ahead_than_the_bound(store, database_url):
    collection = await store.collection()
    files = [await store.ready(f"{name}.mp4", duration=400.0) for name in "abc"]
    for file in files:
        await store.collection_files.add(store.tenant, collection.id, file.id)
    pipeline: Any = HeldPipeline()
    settings = Settings(database_url=database_url, objects_url=f"file://{store.folder}", ingest_concurrency=JOBS)
    running = asyncio.create_task(IngestWorker(settings, pipeline).run())
    try:
        async with asyncio.timeout(60):
            while pipeline.now < BOUND:
                assert not running.done()
                await asyncio.sleep(0.02)
            for _ in range(20):  # the worker has every chance to go on
                await asyncio.sleep(0.02)
                assert pipeline.now == BOUND
            pipeline.let_go.set()
            for file in files:
                while await _status(store, collection.id, file.id) != "completed":
                    assert not running.done()
                    await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert pipeline.most == BOUND
    assert sorted(span.start_time for span in pipeline.spans) == sorted([20.0 * index for index in range(20)] * 3)


async def test_a_file_of_ten_thousand_segments_is_kept_whole_and_in_order(store):
    collection, file = await store.collection(), await store.ready(duration=7200.0)
    member = await store.collection_files.add(store.tenant, collection.id, file.id)
    length = 7200.0 / MAX_SEGMENTS
    spans = [Span(index * length, (index + 1) * length) for index in range(MAX_SEGMENTS)]
    job, segments = await store.begin(member.description_id, spans)
    assert [segment.span for segment in segments] == spans
    for segment in (segments[0], segments[-1]):
        await store.write(job, segment)
    missing = await store.descriptions.start(job, WORKER)
    assert [segment.span for segment in missing] == spans[1:-1]
    found = await store.collection_files.get(store.tenant, collection.id, file.id)
    assert (found.segments_done, found.segments_total) == (2, MAX_SEGMENTS)


async def _status(store: Store, collection_id: str, file_id: str) -> str:
    return (await store.collection_files.get(store.tenant, collection_id, file_id)).status
