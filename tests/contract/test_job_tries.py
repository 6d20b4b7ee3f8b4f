"""Only tries since a job last got on count against it, and what is told of one that was tried too often is true."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from ray_jobs.ingest import IngestWorker
from ray_jobs.retries import Retries, StageLostError
from services.core.jobs import Jobs
from services.core.media import Span
from services.core.settings import Settings
from tests.contract.store_steps import WORKER, Store
from tests.contract.test_ingest_bounds import HeldPipeline, _end, working

SPANS = [Span(index * 20.0, (index + 1) * 20.0) for index in range(6)]


async def abandon(store: Store, description_id: str, *, segments: int) -> None:
    """A worker that finishes some segments and is killed: its lease is over at once."""
    killed = Jobs(store.database, lease_seconds=-1)
    job = await killed.claim(WORKER)
    assert job is not None and job.subject_id == description_id
    missing = await store.descriptions.start(job, WORKER, SPANS)
    for segment in missing[:segments]:
        await store.write(job, segment)


async def ended(store: Store, database_url: str, description_id: str) -> Any:
    """The description once a worker has dealt with it."""
    pipeline: Any = HeldPipeline()
    pipeline.let_go.set()
    settings = Settings(database_url=database_url, objects_url=f"file://{store.folder}", ingest_concurrency=1)
    running = asyncio.create_task(IngestWorker(settings, pipeline).run())
    try:
        async with asyncio.timeout(60):
            while True:
                description = await store.descriptions.find(description_id)
                if description.status in ("completed", "failed"):
                    return description
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_job_whose_worker_is_killed_again_and_again_but_gets_on_is_completed(store, database_url):
    collection, file = await store.collection(), await store.ready(duration=120.0)
    member = await store.members.add(store.tenant, collection.id, file.id)
    for _ in range(5):
        await abandon(store, member.description_id, segments=1)
    description = await ended(store, database_url, member.description_id)
    assert (description.status, description.segments_done) == ("completed", 6)


async def test_a_job_whose_worker_is_killed_without_getting_on_fails_and_says_that_the_worker_ended(
    store, database_url
):
    collection, file = await store.collection(), await store.ready(duration=120.0)
    member = await store.members.add(store.tenant, collection.id, file.id)
    await abandon(store, member.description_id, segments=4)
    for _ in range(3):
        await abandon(store, member.description_id, segments=0)
    description = await ended(store, database_url, member.description_id)
    assert (description.status, description.segments_done) == ("failed", 4)
    assert "ended 4 times before it finished another part" in description.error
    assert "damaged" not in description.error


class DeadlyPipeline(HeldPipeline):
    """The stages end with whatever file is told, and with what else is in them."""

    def __init__(self, deadly: str) -> None:
        super().__init__()
        self._deadly = deadly
        self._crash = asyncio.Event()
        self.beside: list[int] = []  # how many others were in the stages as it ended them

    async def describe(self, tenant_id: str, object_key: str, *arguments: Any, thumbnail: bool) -> Any:
        self.now += 1
        try:
            if object_key == self._deadly:
                await asyncio.sleep(0.05)  # others come meanwhile, unless they are kept away
                self.beside.append(self.now - 1)
                self._crash.set()
                self._crash = asyncio.Event()
                raise StageLostError
            crash = self._crash
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(crash.wait(), 0.1)
            if crash.is_set():
                raise StageLostError
        finally:
            self.now -= 1
        return await super().describe(*arguments, thumbnail=thumbnail)


async def test_a_job_that_ends_a_stage_is_tried_alone_once_and_those_beside_it_are_completed(store, database_url):
    mine, theirs = await store.collection(), await store.collection(tenant=store.other)
    deadly = await store.ready("deadly.mp4", duration=20.0)
    files = [await store.ready(f"{name}.mp4", tenant=store.other, duration=100.0) for name in "abc"]
    await store.members.add(store.tenant, mine.id, deadly.id)
    for file in files:
        await store.members.add(store.other, theirs.id, file.id)
    pipeline: Any = DeadlyPipeline(deadly.object_key)
    pipeline.let_go.set()
    settings = Settings(
        database_url=database_url, objects_url=f"file://{store.folder}", ingest_concurrency=3, segments_in_flight=1
    )
    async with working(IngestWorker(settings, pipeline, retries=Retries(pauses_seconds=(0.05,)))):
        assert await _end(store, mine.id, deadly.id) == "failed"
        for file in files:
            assert await _end(store, theirs.id, file.id, tenant=store.other) == "completed"
    assert len(pipeline.beside) == 2 and pipeline.beside[1] == 0
    description = await store.members.get(store.tenant, mine.id, deadly.id)
    assert "ended 2 times" in description.error


async def test_a_job_that_was_lost_beside_others_and_again_alone_is_not_tried_a_third_time(store, database_url):
    collection, file = await store.collection(), await store.ready(duration=120.0)
    member = await store.members.add(store.tenant, collection.id, file.id)
    for _ in range(2):
        await abandon(store, member.description_id, segments=0)
    description = await ended(store, database_url, member.description_id)
    assert (description.status, description.segments_done) == ("failed", 0)
    assert "ended 2 times" in description.error


async def test_a_job_that_was_lost_once_is_completed_by_itself(store, database_url):
    collection, file = await store.collection(), await store.ready(duration=120.0)
    member = await store.members.add(store.tenant, collection.id, file.id)
    await abandon(store, member.description_id, segments=0)
    description = await ended(store, database_url, member.description_id)
    assert (description.status, description.segments_done) == ("completed", 6)


@pytest.mark.parametrize("segments", [0, 1])
async def test_an_attempt_that_got_on_is_the_first_try_of_what_is_left(store, segments: int):
    collection, file = await store.collection(), await store.ready(duration=120.0)
    member = await store.members.add(store.tenant, collection.id, file.id)
    await abandon(store, member.description_id, segments=0)
    job, missing = await store.begin(member.description_id, SPANS)
    for segment in missing[:segments]:
        await store.write(job, segment)
    assert await store.jobs.tries(job) == (1 if segments else 2)
