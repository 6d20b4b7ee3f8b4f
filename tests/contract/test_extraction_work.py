"""The extract job: what an engine makes is written as it comes, and what it fails at is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from ray_jobs.extraction import ExtractionWork
from ray_jobs.ingest import IngestWorker
from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.core.errors import ArcusError, Reason
from services.core.library.entities import ValueSource
from services.core.media import SegmentDescription, Span, Speech, TimedText
from services.core.settings import Settings
from services.core.store.pages import Page
from tests.contract.store_steps import SCHEMA, WORKER, Store

ANN = {"speaker": "Ann"}


class AskedExtractor:
    """An engine that answers what it is told to, and keeps what it was asked."""

    def __init__(self, answer: Callable[[ExtractRequest], Any]) -> None:
        self.requests: list[ExtractRequest] = []
        self._answer = answer

    async def extract(self, request: ExtractRequest) -> Extracted:
        self.requests.append(request)
        return Extracted(self._answer(request), (ValueSource("speaker", 0.0, 1.0),))


async def described(store: Store, **config: Any):
    collection, file = await store.entity_collection(**config), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    job, segments = await store.begin(member.description_id, [Span(0, 5), Span(5, 10), Span(10, 15)])
    for segment in segments:
        start = segment.start_time
        content = SegmentDescription(
            title="A title",
            speech=(Speech(f"said {start:g}", start, start + 1),),
            scene_text=(TimedText("shown\nlines", start + 2, start + 3),),
            visual_scene_description=(TimedText("seen", start, start + 5),),
        )
        await store.descriptions.write_segment(job, WORKER, segment, content, "text", [])
    await store.descriptions.finish(job, WORKER, title="", summary="")
    await store.jobs.finish(job, WORKER)
    return collection, file


async def test_a_file_is_given_to_the_engine_as_one(store):
    collection, file = await described(store, prompt="who speaks")
    job, _ = await store.extracting(collection, file)
    engine = AskedExtractor(lambda _: ANN)
    await ExtractionWork(store.database, engine).run(job, WORKER)
    (request,) = engine.requests
    assert (request.schema, request.prompt) == (SCHEMA, "who speaks")
    told = [(item.kind, item.text, item.start_time) for item in request.passages]
    assert told[:3] == [("speech", "said 0", 0.0), ("visual", "seen", 0.0), ("scene_text", "shown\nlines", 2.0)]
    assert len(told) == 9 and [time for _, _, time in told] == sorted(time for _, _, time in told)
    found = await store.entities.of_file(store.tenant, collection.id, file.id, Page())
    assert (found.entities, found.sources) == (ANN, (ValueSource("speaker", 0.0, 1.0),))
    member = await store.members.get(store.tenant, collection.id, file.id)
    assert (member.status, member.segments_done, member.segments_total) == ("completed", 3, 3)


async def test_in_transcript_mode_the_engine_is_given_what_is_said(store):
    collection, file = await described(store, enable_transcript_mode=True)
    job, _ = await store.extracting(collection, file)
    engine = AskedExtractor(lambda _: ANN)
    await ExtractionWork(store.database, engine).run(job, WORKER)
    assert [item.text for item in engine.requests[0].passages] == ["said 0", "said 5", "said 10"]


async def test_a_restart_asks_for_the_segments_that_are_missing(store):
    collection, file = await described(store, enable_segment_level_entities=True)
    job, _ = await store.extracting(collection, file)

    def stops_at_5(request: ExtractRequest) -> Any:
        if request.passages[0].text == "said 5":
            raise ArcusError(Reason.ENGINE_UNAVAILABLE)
        return ANN

    with pytest.raises(ArcusError):
        await ExtractionWork(store.database, AskedExtractor(stops_at_5)).run(job, WORKER)
    await store.jobs.release(job, WORKER)
    job, _ = await store.extracting(collection, file)
    engine = AskedExtractor(lambda _: None)
    await ExtractionWork(store.database, engine).run(job, WORKER)
    assert [request.passages[0].text for request in engine.requests] == ["said 5", "said 10"]
    rows = (await store.entities.held(store.tenant, [collection.id])).records
    assert (rows.start_time, [json.loads(record) for record in rows.entities]) == ([0.0], [ANN]), (
        "the others have no record"
    )


@pytest.mark.parametrize("level", ["video", "segment"])
async def test_an_engine_whose_record_does_not_fit_fails_the_file_with_a_reason(store, database_url, level):
    collection, file = await described(store, **{f"enable_{level}_level_entities": True})
    settings = Settings(database_url=database_url, objects_url=f"file://{store.folder}", max_attempts=1)
    engine: Any = AskedExtractor(lambda _: {"speaker": 5})
    running = asyncio.create_task(IngestWorker(settings, engine).run())
    try:
        async with asyncio.timeout(30):
            while (member := await store.members.get(store.tenant, collection.id, file.id)).status != "failed":
                assert not running.done()
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert "do not fit the schema: $.speaker: 5 is not of type 'string'" in (member.error or "")
    assert (await store.entities.held(store.tenant, [collection.id])).records.entities == []
