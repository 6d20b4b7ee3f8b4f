import asyncio

import pytest

from services.core.jobs import Jobs, LeaseLostError
from services.core.library.descriptions import NewThumbnail
from services.core.media import SegmentDescription, Span, Speech, TimedText, Word
from services.core.store.pages import Page
from tests.contract.store_steps import WORKER, Store, vector

CONTENT = SegmentDescription(
    title="Tides",
    summary="On tides — und Zoë.",
    visual_scene_description=(TimedText("A beach", 0.5, 2.0),),
    speech=(Speech("The tide", 0.0, 1.0, "Ann", (Word("The", 0.0, 0.4),)),),
)


async def _waiting(store: Store):
    collection, file = await store.collection(), await store.ready()
    return collection, file, await store.members.add(store.tenant, collection.id, file.id)


async def test_each_segment_is_kept_as_it_is_written(store):
    _, file, member = await _waiting(store)
    job, segments = await store.begin(member.description_id)
    assert [segment.span for segment in segments] == [Span(0, 5), Span(5, 10)]
    thumbnail = NewThumbnail(2.5, 160, 90, "key")
    await store.descriptions.write_segment(job, WORKER, segments[1], CONTENT, "tides", [vector("tides")], thumbnail)
    (described,) = await store.descriptions.described(member.description_id)
    assert (described.segment, described.content) == (segments[1], CONTENT)
    state = await store.descriptions.find(member.description_id)
    assert (state.status, state.stage, state.segments_done, state.segments_total) == ("processing", "describe", 1, 2)
    kept = await store.thumbnails.of_segments(store.tenant, [segments[1].id])
    assert (kept[segments[1].id].width, kept[segments[1].id].object_key) == (160, "key")
    assert (await store.thumbnails.list(store.tenant, file.id, Page(sort="asc"))).total == 1
    assert (await store.thumbnails.list(store.tenant, file.id, Page(), is_default=True)).total == 0


async def test_a_restart_goes_on_at_the_first_missing_segment(store):
    _, _, member = await _waiting(store)
    job, segments = await store.begin(member.description_id)
    await store.write(job, segments[0])
    await store.jobs.release(job, WORKER)
    again = await store.claim("describe", member.description_id)
    left = await store.descriptions.start(again, WORKER, [Span(0, 1)])
    assert left == [segments[1]]


async def test_a_worker_that_lost_its_lease_writes_nothing(store):
    _, _, member = await _waiting(store)
    late = Jobs(store.database, lease_seconds=-1)  # a lease that is over as soon as it begins
    job = await late.claim("slow")
    segments = await store.descriptions.start(job, "slow", [Span(0, 5), Span(5, 10)])
    taken = await store.claim("describe", member.description_id)
    assert taken.attempts == job.attempts + 1
    with pytest.raises(LeaseLostError):
        await store.descriptions.write_segment(job, "slow", segments[0], CONTENT, "tides", [vector("tides")])
    for attempt in (
        store.descriptions.start(job, "slow"),
        store.descriptions.set_stage(job, "slow", "summarise"),
        store.descriptions.finish(job, "slow", title="x", summary="x"),
    ):
        with pytest.raises(LeaseLostError):
            await attempt
    assert await store.descriptions.described(member.description_id) == []
    assert (await store.descriptions.find(member.description_id)).title == ""
    await store.write(taken, segments[0])


async def test_a_segment_is_written_once_or_not_at_all(store):
    collection, _, member = await _waiting(store)
    job, segments = await store.begin(member.description_id)
    await store.write(job, segments[0])
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(job, segments[0])
    assert (await store.descriptions.find(member.description_id)).segments_done == 1
    assert len(await store.log.read(collection.shard, 0, 100)) == 2


async def test_a_description_that_is_done_stays_so(store):
    _, _, member = await _waiting(store)
    await store.describe(member.description_id)
    await store.descriptions.set_failed(member.description_id, "too late")
    done = await store.descriptions.find(member.description_id)
    assert (done.status, done.error, done.title, done.summary) == ("completed", None, "A talk", "On tides.")


async def test_joining_while_segments_are_written_misses_none_and_doubles_none(store):
    """Each collection's log holds every embedding of the file exactly once, whenever the file was added."""
    _, file, member = await _waiting(store)
    spans = [Span(number, number + 1) for number in range(20)]
    job, segments = await store.begin(member.description_id, spans)
    later = [await store.collection(f"{number}") for number in range(6)]
    turns = [asyncio.Event() for _ in range(7)]

    async def write() -> None:
        for number, segment in enumerate(segments):
            if number % 3 == 0:
                turns[number // 3].set()
            await store.write(job, segment)

    async def join(position: int) -> None:
        await turns[position].wait()
        await store.members.add(store.tenant, later[position].id, file.id)

    await asyncio.gather(write(), *(join(position) for position in range(len(later))))
    rows = [row for shard in range(2) for row in await store.log.read(shard, 0, 10_000)]
    for collection in later:
        added = [row.embedding_id for row in rows if row.collection_id == collection.id]
        assert len(added) == len(set(added)) == 2 * len(spans)


async def test_words_are_found_in_the_collections_asked_for(store):
    collection, file, member = await _waiting(store)
    empty = await store.collection("empty")
    job, segments = await store.begin(member.description_id)
    await store.write(job, segments[0], "The tides are running; résumé of O'Brien")
    await store.write(job, segments[1], "A boat, a boat, a boat")
    search = store.full_text.search
    (hit,) = await search(store.tenant, [collection.id], ["tide"], 10)  # by its stem
    assert (hit.segment_id, hit.file_id, hit.collection_id) == (segments[0].id, file.id, collection.id)
    assert hit.score > 0
    assert len(await search(store.tenant, [collection.id, empty.id], ["runs", "boat"], 10)) == 2
    assert len(await search(store.tenant, [collection.id], ["running", "boat"], 1)) == 1
    assert await search(store.tenant, [empty.id], ["tide"], 10) == []
    assert await search(store.tenant, [], ["tide"], 10) == []
    for odd in (["'"], ['" OR 1'], ["a&b|!c:*"], ["NEAR("], [""], ["\\"], ["of"], ["résumé"], ["x" * 5000]):
        await search(store.tenant, [collection.id], odd, 10)


TALKS = (
    "今天的会议推迟到下午，因为台风。",
    "次のバスは雨で遅れます",
    "วันนี้ฝนตกหนักที่เชียงใหม่",
    "Send an e-mail at 5 GHz to 2,500 people in Malmo\u0308.",
    "병원에서 만났다",
    "كِتَابٌ جديد، و oﬃce",
)


async def test_words_of_any_script_and_form_are_found_alike_in_both_databases(store):
    collection, _, member = await _waiting(store)
    spans = [Span(place, place + 1) for place in range(len(TALKS))]
    job, segments = await store.begin(member.description_id, spans)
    for segment, said in zip(segments, TALKS, strict=True):
        content = SegmentDescription(speech=(Speech(said, 0.0, 1.0),))
        await store.descriptions.write_segment(job, WORKER, segment, content, said, [])
    places = {segment.id: place for place, segment in enumerate(segments)}

    async def found(*words: str, phrases: tuple[str, ...] = ()) -> set[int]:
        hits = await store.full_text.search(store.tenant, [collection.id], words, 10, phrases=phrases, part="speech")
        return {places[hit.segment_id] for hit in hits}

    for word, place in {
        "台风": 0, "会议": 0, "バス": 1, "雨": 1, "เชียงใหม่": 2, "email": 3, "e-mail": 3, "5GHz": 3, "2500": 3, "MALMÖ": 3,
        "병원": 4, "كتاب": 5, "office": 5,
    }.items():  # fmt: skip
        assert await found(word) == {place}, word
        assert await found(phrases=(word,)) == {place}, word
    assert await found("東京", "台北", "ราคา", "25", "carpet") == set()
    assert await found(phrases=("5 GHz to 2,500 people",)) == {3}
    assert await found(phrases=("GHz people",)) == set()
