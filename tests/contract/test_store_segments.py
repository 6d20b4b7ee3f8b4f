"""Segments and searches in the store: what is narrowed to, where words stand, and what is kept of a search."""

import asyncio

import pytest

from services.core.errors import ArcusError, Reason
from services.core.library.segments import SegmentRange
from services.core.media import SegmentDescription, Span, Speech, TimedText
from services.core.search.filters import SearchFilter
from services.core.search.searches import SearchHit
from services.core.store.pages import Page
from tests.contract.store_steps import WORKER, vector

SPANS = (Span(0, 5), Span(5, 10.5), Span(10.5, 12))
SAID = ("The presidential car speaks.", "Of tides, the old man said.", "")
SHOWN = ("Tides", "", 'presidents of old; O\'Neil "quoted"')


@pytest.fixture
async def talk(store):
    """A described file in two collections: (collection ids, file, segments)."""
    one, two, file = await store.collection("one"), await store.collection("two"), await store.ready()
    member = await store.members.add(store.tenant, one.id, file.id)
    await store.members.add(store.tenant, two.id, file.id)
    job, segments = await store.begin(member.description_id, SPANS)
    for segment, said, shown in zip(segments, SAID, SHOWN, strict=True):
        content = SegmentDescription(
            speech=(Speech(said, 0, 1),) if said else (), scene_text=(TimedText(shown, 0, 1),) if shown else ()
        )
        text = f"{said}\n{shown}"
        await store.descriptions.write_segment(job, WORKER, segment, content, text, [vector(text)])
    await store.descriptions.finish(job, WORKER, title="A talk", summary="On tides.")
    return [one.id, two.id], file, segments


def _filter(*criteria: tuple[str, str, str, str]) -> SearchFilter:
    """Of (kind, path, operator, value), all of segment scope."""
    value: dict = {}
    for kind, path, operator, text in criteria:
        key = {"valueTextArray": text.split("|")} if operator in ("In", "ContainsAny") else {"valueText": text}
        value.setdefault(kind, []).append({"path": path, "operator": operator, "scope": "segment", **key})
    return SearchFilter.from_json(value)


async def test_segments_are_kept_by_their_metadata_and_duration(store, talk):
    collection_ids, file, segments = talk
    number = {segment.id: str(place) for place, segment in enumerate(segments)}
    await store.segments.update(
        store.tenant, file.id, segments[0].id, metadata={"kind": "Intro", "deep": {"n": [1, 10]}}
    )
    await store.segments.update(store.tenant, file.id, segments[2].id, metadata={"kind": "outro", "deep": {"n": 9}})
    for filter, expected in [
        (_filter(("metadata", "kind", "Equal", "Intro")), "0"),
        (_filter(("metadata", "kind", "Like", "%TRO")), "02"),
        (_filter(("metadata", "kind", "NotEqual", "Intro")), "12"),
        (_filter(("metadata", "deep.n", "GreaterThan", "9")), "0"),
        (_filter(("metadata", "deep.n", "ContainsAny", "9|1.0")), "02"),
        (_filter(("video_info", "duration_seconds", "GreaterThan", "1.5")), "01"),
        (_filter(("video_info", "duration_seconds", "Equal", "5.5")), "1"),
        (_filter(("video_info", "duration_seconds", "In", "5|1.50")), "02"),
        (_filter(("video_info", "duration_seconds", "NotEqual", "5.0")), "12"),
        (_filter(("metadata", "kind", "Like", "%o%"), ("video_info", "duration_seconds", "LessThan", "2")), "2"),
        (_filter(("metadata", "kind", "Equal", "none")), ""),
    ]:
        for ids in (collection_ids[:1], None):
            kept = await store.segments.segments_kept(store.tenant, filter, ids)
            assert "".join(sorted(number[id] for id in kept)) == expected, filter
            assert set(kept.values()) <= {file.id}
        # A list keeps the file if one segment fulfils all of it.
        assert (await store.files.list(store.tenant, Page(), filter=filter)).total == bool(expected)
        listed = await store.members.list(store.tenant, collection_ids[1], Page(), filter=filter)
        assert listed.total == bool(expected)
    empty = await store.collection("empty")
    assert await store.segments.segments_kept(store.tenant, _filter(), [empty.id]) == {}


async def test_only_the_cut_of_a_collection_counts_in_its_list(store, talk):
    collection_ids, file, _ = talk
    other = await store.collection("other")
    await store.members.add(
        store.tenant,
        other.id,
        file.id,
        segmentation_config={"strategy": "uniform", "uniform_config": {"window_seconds": 7}},
    )
    filter = _filter(("video_info", "duration_seconds", "Equal", "5.5"))
    assert (await store.members.list(store.tenant, collection_ids[0], Page(), filter=filter)).total == 1
    assert (await store.members.list(store.tenant, other.id, Page(), filter=filter)).total == 0


async def test_metadata_of_a_segment_is_checked(store, talk):
    _, file, segments = talk
    for metadata in ({"a": float("nan")}, {"a": "\0"}, {"a": "x" * 70_000}):
        with pytest.raises(ArcusError) as caught:
            await store.segments.update(store.tenant, file.id, segments[0].id, metadata=metadata)
        assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert (await store.segments.get(store.tenant, file.id, segments[0].id)).metadata == {}


async def test_segments_are_listed_by_range(store, talk):
    _, file, _ = talk
    for within, expected in [
        (SegmentRange(), [0, 5, 10.5]),
        (SegmentRange(start_time_after=5), [5, 10.5]),
        (SegmentRange(end_time_before=10.5), [0, 5]),
        (SegmentRange(shortest=1.5, longest=5), [0, 10.5]),
    ]:
        page = await store.segments.list(store.tenant, file.id, Page(sort="asc"), within=within)
        assert [segment.start_time for segment in page.items] == expected
    (cut,) = (await store.segments.segmentations(store.tenant, file.id, Page())).items
    assert (cut.status, cut.segment_count) == ("completed", 3)


async def test_words_are_found_where_they_stand(store, talk):
    collection_ids, file, segments = talk
    number = {segment.id: str(place) for place, segment in enumerate(segments)}

    async def found(words: str, part: str, **rest) -> str:
        hits = await store.full_text.search(
            store.tenant, collection_ids, words.split(), 10, part=part, distinct="segment", **rest
        )
        assert {hit.file_id for hit in hits} <= {file.id} and {hit.collection_id for hit in hits} <= set(collection_ids)
        return "".join(number[hit.segment_id] for hit in sorted(hits, key=lambda hit: number[hit.segment_id]))

    assert await found("president", "speech") == "0"
    assert await found("carpet", "speech") == "" and await found("cars", "speech") == "0"
    assert await found("president", "scene_text") == "2"
    assert await found("tide", "speech") == "1"
    assert await found("tide", "scene_text") == "0"
    assert await found("tide president", "speech") == "01"
    assert await found("", "speech", phrases=["old man"]) == "1"
    assert await found("", "speech", phrases=["man old"]) == ""
    assert await found("tide", "speech", phrases=["old man", "car"]) == ""
    assert await found("", "scene_text", phrases=["O'Neil \"quoted"]) == "2"
    assert await found("tide president", "speech", segment_ids=[segments[0].id]) == "0"
    assert await found("tide president", "speech", segment_ids=[]) == ""
    assert await found("tide president", "speech", file_ids=["another"]) == ""
    assert await found("tide president", "all", file_ids=[file.id]) == "012"
    hits = await store.full_text.search(store.tenant, collection_ids, ["tide"], 10, part="speech", distinct="file")
    assert [(hit.file_id, hit.segment_id) for hit in hits] == [(file.id, segments[1].id)]
    assert len(await store.full_text.search(store.tenant, collection_ids, ["tide"], 10)) == 4  # for each collection


async def test_searches_kept_at_once_are_all_kept(store):
    hit = SearchHit("c", "d", "f", "s", 0.25)
    made = await asyncio.gather(
        *(store.searches.create(store.tenant, f"q{n}", {"query": str(n)}, [hit] * n) for n in range(250))
    )
    assert [search.id for search in made] == [f"q{n}" for n in range(250)]
    assert (await store.searches.list(store.tenant, Page())).total == 250
    assert (await store.searches.get(store.tenant, "q3")).hits == (hit,) * 3


async def test_a_search_that_can_not_be_kept_is_told_of_and_the_next_one_is_kept(store):
    await store.searches.create(store.tenant, "q", {}, [])
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.searches.create(store.tenant, "q", {}, [])
    gone = asyncio.create_task(store.searches.create(store.tenant, "gone", {}, []))
    await asyncio.sleep(0)
    gone.cancel()
    await store.searches.create(store.tenant, "next", {}, [])
    assert (await store.searches.list(store.tenant, Page())).total >= 2


async def test_the_newest_files_are_those_that_a_filter_keeps(store):
    collection = await store.collection()
    ids = []
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        file = await store.ready(name)
        await store.members.add(store.tenant, collection.id, file.id)
        await store.begin((await store.members.get(store.tenant, collection.id, file.id)).description_id)
        ids.append(file.id)
    newest = store.members.newest
    assert set(await newest(store.tenant, [collection.id], 10)) == set(ids)
    assert await newest(store.tenant, [collection.id], 1, file_ids=[ids[0]]) == [ids[0]]
    assert await newest(store.tenant, [collection.id], 10, file_ids=[]) == []
    many = [f"none-{n}" for n in range(40_000)]
    assert await newest(store.tenant, [collection.id], 10, file_ids=[*many, ids[1]]) == [ids[1]]
