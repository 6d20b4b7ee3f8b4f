import asyncio
from contextlib import aclosing
from functools import reduce

import pytest
from sqlalchemy import select

from services.core.errors import ArcusError, Reason
from services.core.media import MediaInfo
from services.core.store.pages import CreatedRange, Page
from services.core.store.schema import object_deletions
from tests.contract.store_steps import MAX_UPLOAD_BYTES, WORKER, stream


async def _prefixes(store) -> list:
    async with store.database.read() as connection:
        return list((await connection.execute(select(object_deletions))).all())


async def test_an_upload_is_stored_whole_and_its_probe_is_queued(store):
    file = await store.files.upload(
        store.tenant, "C:\\clips\\talk.mp4", stream([b"ab", b"", b"c"]), metadata={"speaker": "Zoë", "none": None}
    )
    assert (file.filename, file.size_bytes, file.status) == ("talk.mp4", 3, "pending")
    assert file.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert await store.files.get(store.tenant, file.id) == file
    assert await store.objects.get(file.object_key) == b"abc"
    assert await _prefixes(store) == []
    await store.claim("probe", file.id)


async def test_an_upload_cut_off_half_way_leaves_nothing(store):
    async def cut():
        yield b"half"
        raise ConnectionResetError

    with pytest.raises((ArcusError, ConnectionResetError)):
        await store.files.upload(store.tenant, "talk.mp4", cut())
    assert (await store.files.list(store.tenant, Page())).total == 0
    assert store.stored() == [] and await store.jobs.claim(WORKER) is None


async def test_a_cancelled_upload_leaves_nothing(store):
    begun = asyncio.Event()

    async def endless():
        yield b"some"
        begun.set()
        await asyncio.Event().wait()

    async with aclosing(endless()) as chunks:
        task = asyncio.create_task(store.files.upload(store.tenant, "talk.mp4", chunks))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await store.files.list(store.tenant, Page())).total == 0
    assert store.stored() == []
    assert len(await _prefixes(store)) == 1  # a sweep may look again at once


async def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(store):
    with pytest.raises(ArcusError, match=str(MAX_UPLOAD_BYTES)) as caught:
        await store.files.upload(store.tenant, "talk.mp4", stream([b"x" * 1000] * 11))
    assert caught.value.reason is Reason.TOO_LARGE
    assert store.stored() == [] and (await store.files.list(store.tenant, Page())).total == 0


async def test_an_upload_of_nothing_is_refused(store):
    with pytest.raises(ArcusError) as caught:
        await store.files.upload(store.tenant, "talk.mp4", stream([]))
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert store.stored() == []


async def test_metadata_that_no_database_keeps_is_refused(store):
    file = await store.upload()
    deep = reduce(lambda inner, _: [inner], range(40), "a")
    for value in (float("nan"), "nul \0", ["\ud800"], "x" * 70_000, 10**400, deep):
        odd = {"a": value}
        for attempt in (store.upload(metadata=odd), store.files.update(store.tenant, file.id, metadata=odd)):
            with pytest.raises(ArcusError) as caught:
                await attempt
            assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "metadata")


async def test_a_list_is_ordered_and_paged(store):
    for name in ("b.mp4", "a.mp4", "c.mp4"):
        await store.upload(name)
    by_name = await store.files.list(store.tenant, Page(order="filename", sort="asc"))
    assert [file.filename for file in by_name.items] == ["a.mp4", "b.mp4", "c.mp4"]
    newest = await store.files.list(store.tenant, Page(order="filename", limit=2, offset=1))
    assert [file.filename for file in newest.items] == ["b.mp4", "a.mp4"]
    assert (newest.total, newest.limit, newest.offset) == (3, 2, 1)
    assert (await store.files.list(store.tenant, Page(offset=5))).items == []
    with pytest.raises(ArcusError, match="created_at, filename"):
        await store.files.list(store.tenant, Page(order="size"))


async def test_pages_hold_each_file_once_though_their_times_are_equal(store):
    made = {(await store.upload(f"{number}.mp4")).id for number in range(7)}
    pages = [await store.files.list(store.tenant, Page(limit=2, offset=offset)) for offset in range(0, 8, 2)]
    seen = [file.id for page in pages for file in page.items]
    assert len(seen) == 7 and set(seen) == made


async def test_a_list_is_narrowed_by_status_and_time(store):
    first, second = await store.upload("a.mp4"), await store.upload("b.mp4")
    await store.files.set_failed(first.id, "It is not a video.")
    failed = await store.files.list(store.tenant, Page(), status="failed")
    assert [(file.id, file.error) for file in failed.items] == [(first.id, "It is not a video.")]
    later = CreatedRange(after=second.created_at + 1)
    assert (await store.files.list(store.tenant, Page(), created=later)).total == 0
    until_now = CreatedRange(after=first.created_at, before=second.created_at + 1)
    assert (await store.files.list(store.tenant, Page(), created=until_now)).total == 2
    with pytest.raises(ArcusError, match="status must be one of"):
        await store.files.list(store.tenant, Page(), status="ready")


async def test_a_file_is_renamed_and_its_metadata_replaced(store):
    file = await store.upload(metadata={"a": 1})
    renamed = await store.files.update(store.tenant, file.id, filename="new.mp4")
    assert (renamed.filename, renamed.metadata) == ("new.mp4", {"a": 1})
    assert (await store.files.update(store.tenant, file.id, metadata={})).metadata == {}
    with pytest.raises(ArcusError, match="filename must not be empty"):
        await store.files.update(store.tenant, file.id, filename=" ")


async def test_a_probe_keeps_what_it_measured(store):
    file = await store.upload()
    await store.files.set_processing(file.id)
    assert (await store.files.get(store.tenant, file.id)).status == "processing"
    info = MediaInfo("video", 12.5, "mp4", has_audio=False, width=640, height=360, frame_rate=29.97)
    await store.files.set_probed(file.id, info)
    probed = await store.files.get(store.tenant, file.id)
    assert (probed.status, probed.media_info) == ("completed", info)


async def test_a_deleted_file_leaves_every_list_and_its_objects_are_due_for_deletion(store):
    collection = await store.collection()
    file = await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    await store.files.delete(store.tenant, file.id)
    assert (await store.members.list(store.tenant, collection.id, Page())).total == 0
    assert await store.descriptions.find(member.description_id) is None
    assert await store.full_text.search(store.tenant, [collection.id], ["tide"], 10) == []
    assert [row.prefix for row in await _prefixes(store)] == [file.object_key.removesuffix("/original")]
    with pytest.raises(ArcusError) as caught:
        await store.files.delete(store.tenant, file.id)
    assert caught.value.reason is Reason.NOT_FOUND


async def test_a_file_deleted_twice_at_once_is_deleted_once(store):
    file = await store.upload()
    results = await asyncio.gather(
        *(store.files.delete(store.tenant, file.id) for _ in range(4)), return_exceptions=True
    )
    failures = [result for result in results if result is not None]
    assert len(failures) == 3
    assert all(isinstance(error, ArcusError) and error.reason is Reason.NOT_FOUND for error in failures)


async def test_text_with_a_nul_character_never_becomes_a_server_error(store):
    try:
        file = await store.upload("a\0b.mp4")
    except ArcusError as error:
        assert error.reason is Reason.INVALID_ARGUMENT
    else:
        assert (await store.files.get(store.tenant, file.id)).filename == "a\0b.mp4"
