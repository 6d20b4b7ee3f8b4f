"""Nobody waits for another's long files: probes have a place of their own, and descriptions give theirs up in turn."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import select

from ray_jobs.ingest import IngestWorker
from services.core.settings import Settings
from services.core.store.job_schema import jobs
from tests.contract.test_ingest_bounds import HeldPipeline, _end, working
from tests.waiting import async_until


def settings(store, database_url, places: int) -> Settings:
    return Settings(
        database_url=database_url,
        objects_url=f"file://{store.folder}",
        ingest_concurrency=places,
        segments_in_flight=1,
    )


async def test_a_probe_does_not_wait_for_the_long_files_that_hold_every_place(store, database_url):
    collection = await store.collection()
    for name in ("a.mp4", "b.mp4"):
        file = await store.ready(name, duration=4000.0)
        await store.members.add(store.tenant, collection.id, file.id)
    pipeline: Any = HeldPipeline()
    async with working(IngestWorker(settings(store, database_url, 2), pipeline)):
        await async_until(lambda: pipeline.now == 2, "both places are held")
        for tenant in (store.other, store.tenant):
            file = await store.upload("c.mp4", tenant=tenant)  # no video: what counts is that it is looked at
            while (await store.files.get(tenant, file.id)).status in ("pending", "processing"):
                assert pipeline.now == 2
                await asyncio.sleep(0.01)
        pipeline.let_go.set()


async def test_a_long_description_gives_its_place_to_another_tenant_and_is_finished_later(store, database_url):
    mine, theirs = await store.collection(), await store.collection(tenant=store.other)
    long = await store.ready("long.mp4", duration=800.0)
    await store.members.add(store.tenant, mine.id, long.id)
    short = await store.ready("short.mp4", tenant=store.other, duration=20.0)
    pipeline: Any = HeldPipeline()
    async with working(IngestWorker(settings(store, database_url, 1), pipeline, turn_seconds=80.0)):
        await async_until(lambda: pipeline.now == 1, "the long file has the place")
        await store.members.add(store.other, theirs.id, short.id)
        pipeline.let_go.set()
        assert await _end(store, mine.id, long.id) == "completed"
    found = await store.members.get(store.other, theirs.id, short.id)
    assert found.status == "completed"
    ends = [span.end_time for span in pipeline.spans]
    assert ends.index(20.0, 1) < 10  # the short file's only segment is like the long one's first
    assert len(ends) == 41


async def test_a_worker_that_is_drained_writes_what_it_has_begun_and_gives_the_rest_back_untried(store, database_url):
    collection, file = await store.collection(), await store.ready("long.mp4", duration=800.0)
    member = await store.members.add(store.tenant, collection.id, file.id)
    first: Any = HeldPipeline()
    worker = IngestWorker(settings(store, database_url, 2), first)
    async with working(worker):
        await async_until(lambda: first.now == 1, "a segment is under way")
        draining = asyncio.create_task(worker.drain(60))
        later = await store.upload("c.mp4")
        await asyncio.sleep(0)
        first.let_go.set()
        await draining
    assert len(first.spans) == 1, "nothing more is begun"
    assert (await store.members.get(store.tenant, collection.id, file.id)).segments_done == 1
    assert (await store.files.get(store.tenant, later.id)).status == "pending"
    assert await _queued(store) == {("describe", member.description_id, 0), ("probe", later.id, 0)}
    second: Any = HeldPipeline()
    second.let_go.set()
    async with working(IngestWorker(settings(store, database_url, 2), second)):
        assert await _end(store, collection.id, file.id) == "completed"
    spans = [span.start_time for span in first.spans + second.spans]
    assert sorted(spans) == [20.0 * number for number in range(40)], "each segment is described once"


async def test_a_drain_does_not_wait_longer_than_it_may(store, database_url):
    collection, file = await store.collection(), await store.ready("long.mp4", duration=800.0)
    member = await store.members.add(store.tenant, collection.id, file.id)
    pipeline: Any = HeldPipeline()
    worker = IngestWorker(settings(store, database_url, 1), pipeline)
    async with working(worker):
        await async_until(lambda: pipeline.now == 1, "a segment is under way")
        await worker.drain(0.05)
    assert await _queued(store) == {("describe", member.description_id, 0)}


async def _queued(store) -> set[tuple[str, str, int]]:
    """(kind, subject, attempts) of the jobs that wait."""
    query = select(jobs.c.kind, jobs.c.subject_id, jobs.c.attempts).where(jobs.c.state == "queued")
    async with store.database.read() as connection:
        return {tuple(row) for row in await connection.execute(query)}
