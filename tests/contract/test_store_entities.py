import json

import pytest

from services.core.errors import ArcusError, Reason
from services.core.jobs import Jobs, LeaseLostError
from services.core.library.entities import ValueSource
from services.core.media import Span
from services.core.store.pages import Page
from tests.contract.store_steps import SCHEMA, WORKER, Store

ANN, BEN = {"speaker": "Ann"}, {"speaker": "Ben", "turbines": 24}


async def _described(store: Store, **config):
    """A collection of type entities and a file in it, described and ready to be extracted."""
    collection, file = await store.entity_collection(**config), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    return collection, file, await store.extracting(collection, file)


async def test_a_collection_keeps_what_to_extract(store):
    made = await store.entity_collection(prompt="who speaks", enable_segment_level_entities=True)
    got = await store.collections.get(store.tenant, made.id)
    assert got == made and got.collection_type == "entities"
    assert got.extract_config == {
        "prompt": "who speaks",
        "schema": SCHEMA,
        "enable_video_level_entities": False,
        "enable_segment_level_entities": True,
        "enable_transcript_mode": False,
        "enable_metadata_mode": False,
    }
    assert (await store.collection()).extract_config is None
    assert (await store.collections.of_type(store.tenant, made.id, "entities")).id == made.id
    with pytest.raises(ArcusError, match="holds entities, not media-descriptions"):
        await store.collections.of_type(store.tenant, made.id, "media-descriptions")


async def test_a_file_is_described_and_then_extracted(store):
    collection, file = await store.entity_collection(), await store.ready()

    async def state() -> tuple:
        member = await store.members.get(store.tenant, collection.id, file.id)
        listed = await store.members.list(store.tenant, collection.id, Page(), status=member.status)
        assert listed.items == [member]
        return member.status, member.stage, member.segments_done, member.segments_total

    member = await store.members.add(store.tenant, collection.id, file.id)
    assert await state() == ("pending", "queued", 0, 0)
    job, segments = await store.begin(member.description_id)
    assert await state() == ("processing", "describe", 0, 2)
    for segment in segments:
        await store.write(job, segment)
    await store.descriptions.finish(job, WORKER, title="", summary="")
    await store.jobs.finish(job, WORKER)
    assert await state() == ("processing", "extract", 0, 2)
    job, extraction = await store.extracting(collection, file)
    assert extraction.description_id == member.description_id and extraction.config.schema == SCHEMA
    assert await store.entities.start(job, WORKER) == segments
    sources = (ValueSource("speaker", 1.0, 2.0),)
    await store.entities.write_file(job, WORKER, extraction, ANN, sources, segments_done=2)
    assert await state() == ("processing", "extract", 2, 2)
    await store.entities.finish(job, WORKER)
    assert await state() == ("completed", "done", 2, 2)
    found = await store.entities.of_file(store.tenant, collection.id, file.id, Page())
    assert (found.entities, found.sources, found.segments, found.total) == (ANN, sources, [], 0)


async def test_a_file_that_is_described_already_is_extracted_at_once(store):
    talks, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, talks.id, file.id)
    await store.describe(member.description_id)
    facts, speech = await store.entity_collection(), await store.entity_collection("s", enable_transcript_mode=True)
    added = await store.members.add(store.tenant, facts.id, file.id)
    assert (added.description_id, added.status, added.stage) == (member.description_id, "processing", "extract")
    await store.extracting(facts, file)
    other = await store.members.add(store.tenant, speech.id, file.id)
    assert other.description_id != member.description_id and other.status == "pending", "its speech alone"


async def test_extraction_goes_on_at_the_first_missing_segment(store):
    collection, file, (job, extraction) = await _described(store, enable_segment_level_entities=True)
    first, second = await store.entities.start(job, WORKER)
    await store.entities.write_segment(job, WORKER, extraction, first.id, None)
    await store.jobs.release(job, WORKER)
    job, extraction = await store.extracting(collection, file)
    assert await store.entities.start(job, WORKER) == [second]
    await store.entities.write_segment(job, WORKER, extraction, second.id, BEN)
    member = await store.members.get(store.tenant, collection.id, file.id)
    assert (member.segments_done, member.segments_total) == (2, 2)
    found = await store.entities.of_file(store.tenant, collection.id, file.id, Page())
    assert [(part.start_time, part.entities) for part in found.segments] == [(5.0, BEN)], "the first has no record"
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.entities.write_segment(job, WORKER, extraction, second.id, ANN)


@pytest.mark.parametrize("record", [{}, {"speaker": 5}, {"speaker": "Ann", "turbines": -1}, {"speaker": "x" * 300_000}])
async def test_what_does_not_fit_the_schema_is_never_stored(store, record):
    collection, file, (job, extraction) = await _described(store, enable_segment_level_entities=True)
    (segment, _) = await store.entities.start(job, WORKER)
    for attempt in (
        store.entities.write_segment(job, WORKER, extraction, segment.id, record),
        store.entities.write_file(job, WORKER, extraction, record, segments_done=2),
    ):
        with pytest.raises(ArcusError, match="do not fit the schema") as caught:
            await attempt
        assert caught.value.reason is Reason.INTERNAL
    assert (await store.entities.held(store.tenant, [collection.id])).records.entities == []
    await store.entities.set_failed(extraction.id, "it does not fit")
    member = await store.members.get(store.tenant, collection.id, file.id)
    assert (member.status, member.stage, member.error) == ("failed", "extract", "it does not fit")


async def test_a_failed_description_fails_the_member(store):
    collection, file = await store.entity_collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.descriptions.set_failed(member.description_id, "no picture and no sound")
    member = await store.members.get(store.tenant, collection.id, file.id)
    assert (member.status, member.error) == ("failed", "no picture and no sound")


async def test_a_worker_that_lost_its_lease_writes_no_entities(store):
    collection, file, (job, extraction) = await _described(store, enable_segment_level_entities=True)
    await store.jobs.release(job, WORKER)
    late = Jobs(store.database, lease_seconds=-1)
    slow = await late.claim("slow")
    (segment, _) = await store.entities.start(slow, "slow")
    taken, _ = await store.extracting(collection, file)
    for attempt in (
        store.entities.start(slow, "slow"),
        store.entities.write_segment(slow, "slow", extraction, segment.id, ANN),
        store.entities.write_file(slow, "slow", extraction, ANN, segments_done=2),
        store.entities.finish(slow, "slow"),
    ):
        with pytest.raises(LeaseLostError):
            await attempt
    assert (await store.entities.held(store.tenant, [collection.id])).records.entities == []
    await store.entities.write_segment(taken, WORKER, extraction, segment.id, ANN)


@pytest.mark.parametrize("how", ["remove", "collection", "file"])
async def test_entities_go_with_the_member(store, how):
    collection, file, (job, extraction) = await _described(store, enable_segment_level_entities=True)
    (segment, _) = await store.entities.start(job, WORKER)
    await store.entities.write_segment(job, WORKER, extraction, segment.id, ANN)
    if how == "remove":
        await store.members.remove(store.tenant, collection.id, file.id)
        assert (await store.entities.held(store.tenant, [collection.id])).records.entities == []
    elif how == "collection":
        await store.collections.delete(store.tenant, collection.id)
    else:
        await store.files.delete(store.tenant, file.id)
        assert (await store.entities.held(store.tenant, [collection.id])).records.entities == []
    assert await store.entities.find(extraction.id) is None
    with pytest.raises(LeaseLostError):
        await store.entities.write_segment(job, WORKER, extraction, segment.id, ANN)
    if how == "remove":
        await store.members.add(store.tenant, collection.id, file.id)
        await store.jobs.finish(job, WORKER)
        _, again = await store.extracting(collection, file)
        assert again.id != extraction.id, "what was described is kept, and extracted anew"


async def test_rows_are_those_of_the_collections_named(store):
    of_files, file, (job, extraction) = await _described(store)
    await store.entities.start(job, WORKER)
    await store.entities.write_file(job, WORKER, extraction, ANN, segments_done=2)
    await store.entities.finish(job, WORKER)
    await store.jobs.finish(job, WORKER)
    of_segments = await store.entity_collection("parts", enable_segment_level_entities=True)
    await store.members.add(store.tenant, of_segments.id, file.id)
    job, extraction = await store.extracting(of_segments, file)
    segments = await store.entities.start(job, WORKER)
    for segment in segments:
        await store.entities.write_segment(job, WORKER, extraction, segment.id, BEN)
    rows = (await store.entities.held(store.tenant, [of_segments.id, of_files.id])).records
    expected = [
        (of_files.id, file.id, None, None, None, json.dumps(ANN)),
        (of_segments.id, file.id, segments[0].id, 0.0, 5.0, json.dumps(BEN)),
        (of_segments.id, file.id, segments[1].id, 5.0, 10.0, json.dumps(BEN)),
    ]
    assert list(zip(*rows, strict=True)) == expected
    alone = (await store.entities.held(store.tenant, [of_files.id])).records
    assert list(zip(*alone, strict=True)) == expected[:1]
    assert (await store.entities.held(store.tenant, [])).records.entities == []
    with pytest.raises(ArcusError) as caught:
        await store.entities.held(store.tenant, [of_files.id, "unknown"])
    assert caught.value.reason is Reason.NOT_FOUND


async def test_segments_come_in_pages(store):
    collection, file = await store.entity_collection(enable_segment_level_entities=True), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    job, segments = await store.begin(member.description_id, [Span(number, number + 1) for number in range(5)])
    for segment in segments:
        await store.write(job, segment)
    await store.descriptions.finish(job, WORKER, title="", summary="")
    await store.jobs.finish(job, WORKER)
    job, extraction = await store.extracting(collection, file)
    for segment in await store.entities.start(job, WORKER):
        if segment.position != 2:
            await store.entities.write_segment(job, WORKER, extraction, segment.id, ANN)

    async def page(limit: int, offset: int) -> list[float]:
        found = await store.entities.of_file(store.tenant, collection.id, file.id, Page(limit=limit, offset=offset))
        assert found.total == 4 and found.entities is None
        return [part.start_time for part in found.segments]

    assert [await page(2, 0), await page(2, 2), await page(50, 1), await page(2, 9)] == [[0, 1], [3, 4], [1, 3, 4], []]
    found = await store.entities.of_files(store.tenant, collection.id, [file.id, "unknown"])
    assert list(found) == [file.id] and len(found[file.id].segments) == 4
    first = await store.entities.of_file(store.tenant, collection.id, file.id, Page(limit=3))
    rest = await store.entities.of_file(store.tenant, collection.id, file.id, Page(limit=3, after=first.next_after))
    assert [[part.start_time for part in some.segments] for some in (first, rest)] == [[0, 1, 3], [4]]
    assert (rest.total, rest.next_after, await page(4, 0)) == (4, "", [0, 1, 3, 4])
    with pytest.raises(ArcusError, match="next_after of the page before"):
        await store.entities.of_file(store.tenant, collection.id, file.id, Page(after=segments[0].id))
