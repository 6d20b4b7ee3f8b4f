"""Ingest asks for no more segments at once than its bound, whatever there is to do and however slow the stages are.

And it waits for what is away: no file fails for that before its bound, and no worker ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import update

from ray_jobs.ingest import IngestWorker, Retries
from ray_jobs.pipeline import Described
from ray_jobs.stages.segmentation import MAX_SEGMENTS
from services.core.errors import ArcusError, Reason
from services.core.media import SegmentDescription, Span
from services.core.settings import Settings
from services.core.store.job_schema import jobs
from tests.contract.store_steps import WORKER, Store
from tests.waiting import async_until

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
        await store.members.add(store.tenant, collection.id, file.id)
    pipeline: Any = HeldPipeline()
    settings = Settings(database_url=database_url, objects_url=f"file://{store.folder}", ingest_concurrency=JOBS)
    async with working(IngestWorker(settings, pipeline)):
        await async_until(lambda: pipeline.now >= BOUND, "as many segments as may be are asked for")
        for _ in range(20):  # the worker has every chance to go on
            await asyncio.sleep(0.02)
            assert pipeline.now == BOUND
        pipeline.let_go.set()
        assert [await _end(store, collection.id, file.id) for file in files] == ["completed"] * 3
    assert pipeline.most == BOUND
    assert sorted(span.start_time for span in pipeline.spans) == sorted([20.0 * index for index in range(20)] * 3)


async def test_a_file_of_ten_thousand_segments_is_kept_whole_and_in_order(store):
    collection, file = await store.collection(), await store.ready(duration=7200.0)
    member = await store.members.add(store.tenant, collection.id, file.id)
    length = 7200.0 / MAX_SEGMENTS
    spans = [Span(index * length, (index + 1) * length) for index in range(MAX_SEGMENTS)]
    job, segments = await store.begin(member.description_id, spans)
    assert [segment.span for segment in segments] == spans
    for segment in (segments[0], segments[-1]):
        await store.write(job, segment)
    missing = await store.descriptions.start(job, WORKER)
    assert [segment.span for segment in missing] == spans[1:-1]
    found = await store.members.get(store.tenant, collection.id, file.id)
    assert (found.segments_done, found.segments_total) == (2, MAX_SEGMENTS)


class AwayPipeline(HeldPipeline):
    """Describes the first segments, then the engine is away for some calls, then it is back."""

    def __init__(self, *, described: int, away: int) -> None:
        super().__init__()
        self.let_go.set()
        self.described, self.away = described, away

    async def describe(self, *arguments: Any, thumbnail: bool) -> Described:
        if len(self.spans) >= self.described and self.away:
            self.away -= 1
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The describer is away.")
        return await super().describe(*arguments, thumbnail=thumbnail)


@pytest.mark.parametrize(("away", "ends"), [(3, "completed"), (40, "failed")])
async def test_a_file_waits_for_an_engine_that_is_away_for_a_while(store, database_url, away: int, ends: str):
    """Uploaded long ago: what counts is how long the engine was away, not how long the file waited for its turn."""
    collection, file = await store.collection(), await store.ready("a.mp4", duration=100.0)
    member = await store.members.add(store.tenant, collection.id, file.id)
    async with store.database.write() as connection:
        await connection.execute(update(jobs).values(created_at=0))
    pipeline: Any = AwayPipeline(described=2, away=away)
    settings = Settings(
        database_url=database_url, objects_url=f"file://{store.folder}", ingest_concurrency=1, segments_in_flight=1
    )
    retries = Retries(pauses_seconds=(0,), postponed_seconds=0, most_postponed=3)
    async with working(IngestWorker(settings, pipeline, retries=retries)):
        assert await _end(store, collection.id, file.id) == ends
    assert len(pipeline.spans) == (5 if ends == "completed" else 2)
    error = (await store.descriptions.find(member.description_id)).error
    assert error is None if ends == "completed" else "The describer is away." in error


async def test_a_worker_outlives_a_database_that_is_away_when_a_failure_is_written(store, database_url):
    collection, file = await store.collection(), await store.ready("a.mp4", duration=40.0)
    await store.members.add(store.tenant, collection.id, file.id)
    pipeline: Any = AwayPipeline(described=0, away=1)
    settings = Settings(
        database_url=database_url, objects_url=f"file://{store.folder}", ingest_concurrency=1, lease_seconds=0.3
    )
    worker = IngestWorker(settings, pipeline)
    postpone, refused = worker._jobs.postpone, asyncio.Event()

    async def away(*arguments: Any, **options: Any) -> bool:
        if refused.is_set():
            return await postpone(*arguments, **options)
        refused.set()
        raise ArcusError(Reason.STORAGE_UNAVAILABLE)

    worker._jobs.postpone = away  # type: ignore[method-assign]
    async with working(worker):
        assert await _end(store, collection.id, file.id) == "completed"
    assert refused.is_set()


@asynccontextmanager
async def working(worker: IngestWorker) -> AsyncIterator[None]:
    """A worker at work; it must not end by itself."""
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(300):  # a hang guard: other work may run
            yield
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _end(store: Store, collection_id: str, file_id: str, *, tenant: str = "") -> str:
    while True:
        found = await store.members.get(tenant or store.tenant, collection_id, file_id)
        if found.status in ("completed", "failed"):
            return found.status
        await asyncio.sleep(0.02)
