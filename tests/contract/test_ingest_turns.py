"""Nobody waits for another's long files: probes have a place of their own, and descriptions give theirs up in turn."""

from __future__ import annotations

import asyncio
from typing import Any

from ray_jobs.ingest import IngestWorker
from services.core.settings import Settings
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
