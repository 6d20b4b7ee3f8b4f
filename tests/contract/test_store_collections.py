import asyncio

import pytest

from services.core.errors import ArcusError, Reason
from services.core.jobs import LeaseLostError
from services.core.library.thumbnails import NewThumbnail
from services.core.media import Span
from services.core.search.filters import SearchFilter
from services.core.store.pages import CreatedRange, Page
from tests.contract.store_steps import WORKER

SHOTS = {"strategy": "shot-detector", "shot_detector_config": {"detector": "content"}}


async def refused(reason: Reason, attempt) -> ArcusError:
    with pytest.raises(ArcusError) as caught:
        await attempt
    assert caught.value.reason is reason
    return caught.value


async def test_a_name_is_used_once_in_a_tenant(store):
    first = await store.collection("talks")
    error = await refused(Reason.ALREADY_EXISTS, store.collection("talks"))
    assert error.field == "name" and "talks" in error.message
    await store.collection("talks", tenant=store.other)
    second = await store.collection("more")
    await refused(Reason.ALREADY_EXISTS, store.collections.update(store.tenant, second.id, name="talks"))
    await store.collections.delete(store.tenant, first.id)
    await store.collection("talks")


async def test_one_of_several_that_create_a_name_at_once_wins(store):
    results = await asyncio.gather(*(store.collection("talks") for _ in range(5)), return_exceptions=True)
    errors = [result for result in results if isinstance(result, ArcusError)]
    assert [error.reason for error in errors] == [Reason.ALREADY_EXISTS] * 4


async def test_a_collection_is_kept_as_it_was_asked_for(store):
    made = await store.collection(
        "talks",
        description="All.",
        describe_config={"enable_speech": False, "prompt": "boats"},
        segmentation_config=SHOTS,
    )
    got = await store.collections.get(store.tenant, made.id)
    assert got == made
    assert got.describe_config["enable_speech"] is False and got.describe_config["enable_summary"] is True
    changed = await store.collections.update(store.tenant, made.id, description="Some.")
    assert (changed.name, changed.description) == ("talks", "Some.")


async def test_collections_are_listed_in_order_by_type_and_time(store):
    made = [await store.collection(name) for name in ("b", "a", "c")]
    page = Page(order="name", sort="asc", limit=2)
    listed = await store.collections.list(store.tenant, page, collection_type="media-descriptions")
    assert ([item.name for item in listed.items], listed.total) == (["a", "b"], 3)
    assert (await store.collections.list(store.tenant, Page(), collection_type="moments")).total == 0
    later = CreatedRange(after=made[-1].created_at + 1)
    assert (await store.collections.list(store.tenant, Page(), created=later)).total == 0


async def test_what_is_not_offered_is_refused_by_name(store):
    create = store.collections.create
    for bad in (
        {"collection_type": "entities"},
        {"collection_type": "other"},
        {"name": " "},
        {"describe_config": {"enable_smell": True}},
        {
            "segmentation_config": {
                "strategy": "manual",
                "manual_config": {"segments": [{"start_time": 0, "end_time": 1}]},
            }
        },
    ):
        values = {"name": "x", "collection_type": "media-descriptions", **bad}
        error = await refused(Reason.INVALID_ARGUMENT, create(store.tenant, **values))
        assert error.field


async def test_a_deleted_collection_leaves_its_files(store):
    collection, file = await store.collection(), await store.ready()
    await store.members.add(store.tenant, collection.id, file.id)
    await store.collections.delete(store.tenant, collection.id)
    await refused(Reason.NOT_FOUND, store.collections.get(store.tenant, collection.id))
    await refused(Reason.NOT_FOUND, store.collections.delete(store.tenant, collection.id))
    assert (await store.files.get(store.tenant, file.id)).status == "completed"


async def test_an_added_file_is_described_once_it_is_probed(store):
    collection, file = await store.collection(), await store.upload()
    member = await store.members.add(store.tenant, collection.id, file.id)
    assert (member.status, member.stage) == ("pending", "queued")
    probe = await store.claim("probe", file.id)
    assert await store.jobs.claim(WORKER) is None
    await store.jobs.finish(probe, WORKER)
    again = await store.ready("other.mp4")
    await store.files.set_probed(file.id, (await store.files.get(store.tenant, again.id)).media_info)
    await store.describe(member.description_id)
    done = await store.members.get(store.tenant, collection.id, file.id)
    assert (done.status, done.stage, done.segments_done, done.segments_total) == ("completed", "done", 2, 2)
    assert (await store.collections.get(store.tenant, collection.id)).file_count == 1


async def test_a_file_that_failed_is_refused_and_a_waiting_one_fails_with_it(store):
    collection, file = await store.collection(), await store.upload()
    await store.members.add(store.tenant, collection.id, file.id)
    await store.files.set_failed(file.id, "It is not a video.")
    member = await store.members.get(store.tenant, collection.id, file.id)
    assert (member.status, member.error) == ("failed", "It is not a video.")
    other = await store.collection("other")
    error = await refused(Reason.INVALID_ARGUMENT, store.members.add(store.tenant, other.id, file.id))
    assert "It is not a video." in error.message


async def test_adding_a_file_again_changes_nothing_but_another_cut_is_refused(store):
    collection, file = await store.collection(), await store.ready()
    add = store.members.add
    first = await add(store.tenant, collection.id, file.id)
    assert await add(store.tenant, collection.id, file.id) == first
    same = {"strategy": "uniform", "uniform_config": {"window_seconds": 20.0}}
    assert await add(store.tenant, collection.id, file.id, segmentation_config=same) == first
    await refused(Reason.ALREADY_EXISTS, add(store.tenant, collection.id, file.id, segmentation_config=SHOTS))
    await store.members.remove(store.tenant, collection.id, file.id)
    cut = await add(store.tenant, collection.id, file.id, segmentation_config=SHOTS)
    assert cut.segmentation_config["strategy"] == "shot-detector"


async def test_the_same_work_is_done_once_whoever_asks(store):
    one, two = await store.collection("one"), await store.collection("two")
    other = await store.collection("other", describe_config={"prompt": "boats"})
    file = await store.ready()
    first = await store.members.add(store.tenant, one.id, file.id)
    await store.describe(first.description_id)
    # Numbers that are equal are the same cut, however they are written.
    same = {"strategy": "uniform", "uniform_config": {"window_seconds": 20.0, "hop_seconds": 20}}
    second = await store.members.add(store.tenant, two.id, file.id, segmentation_config=same)
    assert (second.description_id, second.status) == (first.description_id, "completed")
    assert await store.jobs.claim(WORKER) is None
    assert len(await store.full_text.search(store.tenant, [two.id], ["tides"], 10)) == 2
    third = await store.members.add(store.tenant, other.id, file.id)
    assert third.description_id != first.description_id and third.segmentation_id == first.segmentation_id
    job = await store.claim("describe", third.description_id)
    assert len(await store.descriptions.start(job, WORKER, [Span(0, 1)])) == 2  # the cut is there already


async def test_pictures_are_wanted_as_member_collection_and_upload_say(store):
    plain = await store.collection("plain")
    bare = await store.collection("bare", thumbnails_config={"enable_segment_thumbnails": False})
    for collection, asked, wanted in (
        (plain, None, True),
        (plain, False, False),
        (bare, None, False),
        (bare, True, True),
    ):
        file = await store.ready()
        add = store.members.add(store.tenant, collection.id, file.id, segment_thumbnails=asked)
        member = await add
        assert member.segment_thumbnails is wanted
        assert await store.descriptions.wants_pictures(member.description_id) is wanted
        await store.describe(member.description_id)
    file = await store.ready()
    await store.files.update(store.tenant, file.id, segment_thumbnails=False)
    assert not (await store.members.add(store.tenant, plain.id, file.id)).segment_thumbnails


async def test_pictures_that_are_wanted_later_are_work_to_do(store):
    one, two = await store.collection("one"), await store.collection("two")
    file = await store.ready()
    member = await store.members.add(store.tenant, one.id, file.id, segment_thumbnails=False)
    await store.describe(member.description_id)
    assert await store.jobs.claim(WORKER) is None
    same = await store.members.add(store.tenant, two.id, file.id, segment_thumbnails=False)
    assert same.description_id == member.description_id and await store.jobs.claim(WORKER) is None
    changed = await store.members.add(store.tenant, two.id, file.id, segment_thumbnails=True)
    assert (changed.segment_thumbnails, changed.status) == (True, "completed")
    job = await store.claim("describe", member.description_id)
    (first, second) = await store.descriptions.unpictured(member.segmentation_id)
    await store.descriptions.write_picture(job, WORKER, first, NewThumbnail(1.0, 64, 36, "a.jpg"))
    assert await store.descriptions.unpictured(member.segmentation_id) == [second]
    await store.jobs.finish(job, WORKER)
    with pytest.raises(LeaseLostError):
        await store.descriptions.write_picture(job, WORKER, second, NewThumbnail(1.0, 64, 36, "b.jpg"))


async def test_metadata_of_a_member_is_merged_in_the_same_transaction(store):
    collection, file = await store.collection(), await store.ready(metadata={"by": "Ann", "year": 1})
    add = store.members.add
    await add(store.tenant, collection.id, file.id, metadata={"by": "Bob"})
    assert (await store.files.get(store.tenant, file.id)).metadata == {"by": "Bob", "year": 1}
    for change in ({"segmentation_config": SHOTS, "metadata": {"year": 2}}, {"metadata": {"year": "x" * 70_000}}):
        with pytest.raises(ArcusError):
            await add(store.tenant, collection.id, file.id, **change)
    assert (await store.files.get(store.tenant, file.id)).metadata == {"by": "Bob", "year": 1}


async def test_shots_are_those_of_the_newest_cut_by_the_detector(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    assert await store.descriptions.shots(file.id) == []
    shots = await store.collection("shots", segmentation_config=SHOTS)
    member = await store.members.add(store.tenant, shots.id, file.id)
    await store.begin(member.description_id, [Span(0, 3), Span(3, 10)])
    assert await store.descriptions.shots(file.id) == [Span(0, 3), Span(3, 10)]


async def test_a_cut_of_another_file_is_refused(store):
    collection = await store.collection()
    one, two = await store.ready("1.mp4"), await store.ready("2.mp4")
    member = await store.members.add(store.tenant, collection.id, one.id)
    add = store.members.add(store.tenant, collection.id, two.id, segmentation_id=member.segmentation_id)
    assert (await refused(Reason.INVALID_ARGUMENT, add)).field == "segmentation_id"
    missing = store.members.add(store.tenant, collection.id, two.id, segmentation_id="none")
    await refused(Reason.NOT_FOUND, missing)


async def test_a_failed_description_is_tried_again_in_another_collection(store):
    one, two = await store.collection("one"), await store.collection("two")
    file = await store.ready()
    member = await store.members.add(store.tenant, one.id, file.id)
    job = await store.claim("describe", member.description_id)
    await store.descriptions.set_failed(member.description_id, "The engine is broken.")
    await store.jobs.finish(job, WORKER, error="The engine is broken.")
    again = await store.members.add(store.tenant, two.id, file.id)
    assert (again.description_id, again.status, again.error) == (member.description_id, "pending", None)
    await store.claim("describe", member.description_id)


async def test_members_are_listed_in_order_and_filtered(store):
    collection = await store.collection()
    for name, year in (("b.mp4", 1), ("a.mp4", 2), ("c.mp4", 3)):
        file = await store.ready(name, metadata={"year": year})
        await store.members.add(store.tenant, collection.id, file.id)

    async def names(page=Page(order="filename", sort="asc"), **narrow) -> str:
        listed = await store.members.list(store.tenant, collection.id, page, **narrow)
        files = await store.files.get_many(store.tenant, [member.file_id for member in listed.items])
        return "".join(files[member.file_id].filename[0] for member in listed.items)

    assert await names() == "abc"
    assert await names(Page(order="filename", limit=1, offset=1)) == "b"
    newer = SearchFilter.from_json({"metadata": [{"path": "year", "operator": "GreaterThan", "valueText": "1"}]})
    assert await names(filter=newer) == "ac"
    assert await names(status="completed") == "" and await names(status="pending") == "abc"
    assert await names(added_after=0, added_before=1) == ""
    named = await store.members.named(store.tenant, [collection.id], ["a.mp4", "c.mp4", "d.mp4"])
    assert {file.filename for file in (await store.files.get_many(store.tenant, list(named))).values()} == {
        "a.mp4",
        "c.mp4",
    }
    assert await store.members.named(store.tenant, [], ["a.mp4"]) == set()
    await refused(Reason.NOT_FOUND, store.members.list(store.tenant, "none", Page()))


async def test_a_file_removed_while_it_is_described_stops_the_work(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    job, segments = await store.begin(member.description_id)
    await store.write(job, segments[0])
    await store.members.remove(store.tenant, collection.id, file.id)
    with pytest.raises(LeaseLostError):
        await store.write(job, segments[1])
    await store.jobs.finish(job, WORKER)
    again = await store.members.add(store.tenant, collection.id, file.id)
    assert (again.status, again.segments_done) == ("pending", 0)
    await store.describe(again.description_id)
    assert (await store.members.get(store.tenant, collection.id, file.id)).status == "completed"


async def test_adding_removing_and_writing_at_once_never_jams(store):
    """Whoever comes first, each ends, and what is left is whole."""
    collections = [await store.collection(f"{number}") for number in range(4)]
    file = await store.ready()
    member = await store.members.add(store.tenant, collections[0].id, file.id)
    job, segments = await store.begin(member.description_id, [Span(number, number + 1) for number in range(12)])

    async def write() -> None:
        for segment in segments:
            await store.write(job, segment)

    async def churn(collection_id: str) -> None:
        for _ in range(4):
            await store.members.add(store.tenant, collection_id, file.id)
            await store.members.remove(store.tenant, collection_id, file.id)

    await asyncio.gather(write(), *(churn(collection.id) for collection in collections[1:]))
    await store.descriptions.finish(job, WORKER, title="", summary="")
    done = await store.members.get(store.tenant, collections[0].id, file.id)
    assert (done.status, done.segments_done) == ("completed", 12)
    await asyncio.gather(
        store.files.delete(store.tenant, file.id),
        *(store.collections.delete(store.tenant, collection.id) for collection in collections),
    )
    assert (await store.files.list(store.tenant, Page())).total == 0
