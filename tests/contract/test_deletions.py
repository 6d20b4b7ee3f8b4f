"""What is deleted is found by nobody at once, and goes in short steps that anyone can go on with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select

from services.core.errors import ArcusError, Reason
from services.core.jobs import LeaseLostError
from services.core.library.deletions import BEGUN_STEPS, MARKED, STEP_MEMBERS, STEP_ROWS, Deletions
from services.core.search.searches import SearchHit
from services.core.store.deletions import sweep as sweep_objects
from services.core.store.pages import Page
from services.core.store.schema import (
    collection_files,
    collections,
    descriptions,
    embeddings,
    files,
    index_log,
    metadata,
    object_deletions,
    segment_descriptions,
    segmentations,
    segments,
    shards,
    thumbnails,
)
from services.core.store.tombstones import mark_deleted
from services.core.tenants.keys import Keys
from services.core.tenants.remains import TenantRemains
from services.core.tenants.tenants import Tenants
from tests.contract.store_steps import WORKER, Store
from tests.contract.test_store_accounts import EMPTY, MISSES, _At, _count

OF_REQUESTS = ("Search", "Chat", "Response")  # what was asked is kept
STAYS = {index_log.name, shards.name, object_deletions.name}  # removals, and what is to do with objects


async def rows(store: Store) -> dict[str, int]:
    async with store.database.read() as connection:
        return {
            name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for name, table in metadata.tables.items()
            if name not in STAYS
        }


async def uploaded(store: Store, count: int) -> list[str]:
    """So many files; all but the first are rows alone."""
    first = await store.upload("0.mp4", size=1)
    ids = [first.id, *(str(uuid4()) for _ in range(1, count))]
    async with store.database.write() as connection:
        row = (await connection.execute(select(files).where(files.c.id == first.id))).mappings().one()
        rows = []
        for number, id in enumerate(ids[1:], 1):
            own = {"id": id, "filename": f"{number}.mp4", "object_key": row["object_key"].replace(first.id, id)}
            rows.append({**row, **own, "size_bytes": 0})
        await connection.execute(insert(files), rows)
    return ids


async def mark(store: Store, table, *ids: str) -> None:
    """As a request that died right after it."""
    async with store.database.write() as connection:
        await connection.execute(mark_deleted(table, table.c.id.in_(ids)))


async def described(store: Store) -> _At:
    """A file that is described and extracted, in two collections."""
    collection, facts, file = await store.collection(), await store.entity_collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    await store.members.add(store.tenant, facts.id, file.id)
    job, extraction = await store.extracting(facts, file)
    (segment, _) = await store.entities.start(job, WORKER)
    await store.entities.write_segment(job, WORKER, extraction, segment.id, {"speaker": "Ann"})
    await store.entities.write_file(job, WORKER, extraction, {"speaker": "Ann"}, segments_done=2)
    picture = {"id": "p1", "tenant_id": store.tenant, "file_id": file.id, "segment_id": segment.id, "time": 0.0}
    async with store.database.write() as connection:
        await connection.execute(insert(thumbnails).values(picture | {"width": 1, "height": 1, "object_key": "k"}))
    hit = SearchHit(collection.id, member.description_id, file.id, segment.id, 0.5)
    return _At(file.id, collection.id, facts.id, segment.id, "", hit)


@pytest.mark.parametrize("gone", ["file", "collections", "both"])
async def test_no_reader_finds_what_is_marked(store, gone: str):
    at = await described(store)
    at.theirs = (await store.collection("another")).id
    if gone != "collections":
        await mark(store, files, at.file)
    if gone != "file":
        await mark(store, collections, at.collection, at.facts)
    owner = replace(store, other=store.tenant)  # whom these calls are made for
    of_collection = {name for name in MISSES if name.startswith("Collections.")} | {"Entities.held"}
    of_file = {name for name in MISSES if name.startswith(("Files.", "Segments."))}
    still_there = {"file": of_collection | {"Members.list"}, "collections": of_file | {"Members.add"}, "both": set()}
    for name, call in MISSES.items():
        if name.startswith(OF_REQUESTS) or name in still_there[gone]:
            continue
        with pytest.raises(ArcusError) as caught:
            await call(owner, at)
        assert caught.value.reason is Reason.NOT_FOUND, name
    if gone == "collections":
        assert [item.id for item in (await store.collections.list(store.tenant, Page())).items] == [at.theirs]
        newest, _ = await store.collections.newest_to_search(store.tenant, 10)
        assert [item.id for item in newest] == [at.theirs]
        assert (await store.files.get(store.tenant, at.file)).status == "completed"
        return
    for name, call in EMPTY.items():
        if name.startswith((*OF_REQUESTS, "Collections")) and not name.startswith("Searches.s"):
            continue
        assert _count(await call(owner, at)) == 0, name
    with pytest.raises(ArcusError) as caught:
        await store.thumbnails.picture("p1", store.thumbnails.signature("p1"))
    assert caught.value.reason is Reason.NOT_FOUND
    if gone == "file":
        assert (await store.members.list(store.tenant, at.collection, Page())).total == 0
        assert (await store.collections.get(store.tenant, at.collection)).file_count == 0
        assert (await store.entities.held(store.tenant, [at.facts])).records.entities == []


@pytest.mark.parametrize("table", [files, collections], ids=str)
async def test_what_a_crash_left_marked_is_taken_away_to_the_last_row(store, table):
    before = await rows(store)
    at = await described(store)
    await mark(store, table, *([at.file] if table is files else [at.collection, at.facts]))
    found = await asyncio.gather(*(Deletions(store.database).sweep() for _ in range(3)))
    found.append(await Deletions(store.database).sweep())
    assert sum(found) == (1 if table is files else 2)
    if table is collections:
        assert (await store.files.get(store.tenant, at.file)).id == at.file
        await store.files.delete(store.tenant, at.file)
        await Deletions(store.database).sweep()
    else:
        for id in (at.collection, at.facts):
            await store.collections.delete(store.tenant, id)
    after = await rows(store)
    kept = {"jobs", "usage_records", "tenant_totals", "tenant_shares"}
    assert {name: count for name, count in after.items() if name not in kept} == {
        name: count for name, count in before.items() if name not in kept
    }
    async with store.database.read() as connection:
        operations = (await connection.execute(select(index_log.c.operation).distinct())).scalars().all()
        prefixes = (await connection.execute(select(object_deletions.c.prefix))).scalars().all()
    assert operations == ["remove"]
    assert prefixes == [f"tenants/{store.tenant}/files/{at.file}"]


async def fill(store: Store, file_id: str, count: int) -> None:
    """A description of so many segments, as workers leave it."""
    ids = [str(uuid4()) for _ in range(count)]
    own = {"tenant_id": store.tenant, "file_id": file_id, "created_at": 0, "config": {}, "config_hash": "h"}
    cut, described = str(uuid4()), str(uuid4())
    of_segment = [{"tenant_id": store.tenant, "description_id": described, "segment_id": id, "text": "x"} for id in ids]
    done = {"status": "completed", "stage": "done", "segments_done": 1, "segments_total": 1, "title": "", "summary": ""}
    part = {"start_time": 0.0, "end_time": 1.0}
    async with store.database.write() as connection:
        await connection.execute(insert(segmentations).values(own | {"id": cut, "status": "completed"}))
        await connection.execute(
            insert(descriptions).values(own | done | {"id": described, "segmentation_id": cut, "error": None})
        )
        common = {"tenant_id": store.tenant, "segmentation_id": cut, "file_id": file_id, "metadata": {}, **part}
        await connection.execute(
            insert(segments), [common | {"id": id, "position": place} for place, id in enumerate(ids)]
        )
        await connection.execute(insert(segment_descriptions), [row | {"content": {}} for row in of_segment])
        await connection.execute(
            insert(embeddings), [row | {"kind": "speech", "vector": b"0" * 16, **part} for row in of_segment]
        )


DEEP = {"segments", "segment_descriptions", "embeddings"}


async def test_a_long_file_goes_in_steps_of_bounded_rows(store):
    file = await store.upload()
    await fill(store, file.id, BEGUN_STEPS * STEP_ROWS)
    before = await rows(store)
    await store.files.delete(store.tenant, file.id)
    after = await rows(store)
    gone = sum(before[name] - after[name] for name in DEEP)
    assert gone == BEGUN_STEPS * STEP_ROWS, "the request does its part, and no more"
    assert (await store.upload()).filename == file.filename
    assert await Deletions(store.database).sweep() == 1
    assert {name: count for name, count in (await rows(store)).items() if name in DEEP} == dict.fromkeys(DEEP, 0)


async def test_a_large_collection_goes_in_steps_and_its_name_is_free_at_once(store):
    collection = await store.collection("large")
    ids = await uploaded(store, (BEGUN_STEPS + 1) * STEP_MEMBERS + 1)
    for id in ids:
        await store.members.add(store.tenant, collection.id, id)
    await store.collections.delete(store.tenant, collection.id)
    left = (await rows(store))["collection_files"]
    assert left == STEP_MEMBERS + 1
    again = await store.collection("large")
    await store.members.add(store.tenant, again.id, ids[-1])  # its description is marked, or waited for
    assert await Deletions(store.database).sweep() >= 1
    found = await rows(store)
    assert (found["collections"], found["collection_files"], found["descriptions"]) == (1, 1, 1)
    member = await store.members.get(store.tenant, again.id, ids[-1])
    assert await store.descriptions.find(member.description_id) is not None
    assert (await store.files.list(store.tenant, Page())).total == len(ids)


async def test_a_worker_that_is_at_a_deleted_file_writes_no_more_of_it(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    job, (first, second) = await store.begin(member.description_id)
    await store.write(job, first)
    async with store.database.write() as connection:  # marked, and not yet taken away
        await connection.execute(mark_deleted(files, files.c.id == file.id))
        await connection.execute(mark_deleted(descriptions, descriptions.c.file_id == file.id))
    assert await store.files.find(file.id) is None
    with pytest.raises(LeaseLostError):
        await store.write(job, second)
    assert await Deletions(store.database).sweep() == 1


async def test_what_a_tenant_stores_is_less_at_once(store):
    file = await store.upload(size=100)
    before = await _stored(store)
    await store.files.delete(store.tenant, file.id)
    assert (before, await _stored(store)) == (100, 0)


async def _stored(store: Store) -> int:
    totals = metadata.tables["tenant_totals"]
    async with store.database.read() as connection:
        query = select(totals.c.stored_bytes).where(totals.c.tenant_id == store.tenant)
        return (await connection.execute(query)).scalar_one()


async def test_members_are_taken_out_with_every_shard_s_lock_in_order(store):
    """Collections and files that share members are deleted at once: nobody waits in a circle."""
    made = [await store.collection(str(number)) for number in range(6)]
    held = [await store.ready(f"{number}.mp4") for number in range(4)]
    for file in held:
        for collection in made:
            await store.members.add(store.tenant, collection.id, file.id)
    await asyncio.gather(
        *(store.files.delete(store.tenant, file.id) for file in held),
        *(store.collections.delete(store.tenant, collection.id) for collection in made),
        *(Deletions(store.database).sweep() for _ in range(3)),
    )
    await Deletions(store.database).sweep()
    async with store.database.read() as connection:
        for table in (collection_files, files, collections, descriptions):
            assert (await connection.execute(select(func.count()).select_from(table))).scalar_one() == 0, table.name


async def test_a_tenant_goes_with_all_that_it_has_and_what_is_left_is_counted(store):
    tenants, remains = Tenants(store.database, {}), TenantRemains(store.database, store.objects)
    key = await store.keys.create("first")
    at = await described(store)
    await store.begin_response("r1", background=True)
    await store.searches.create(store.tenant, "q1", {"scope": "segment"}, [at.hit])
    await store.chats.create(store.tenant, {"id": "h1", "created_at": 1})
    await store.upload("neighbour.mp4", tenant=store.other)
    with pytest.raises(ArcusError, match="its name or its id again"):
        await tenants.delete(store.tenant, "second")
    with pytest.raises(ArcusError) as caught:
        await remains.report(store.tenant)
    assert caught.value.reason is Reason.NOT_FOUND
    await tenants.delete(store.tenant, "first")
    with pytest.raises(ArcusError, match="was deleted"):  # of another front, that was told nothing
        await Keys(store.database).authenticate(key)
    assert (await tenants.create("first")).id != store.tenant, "the name is free"
    before = await remains.report(store.tenant)
    assert not before.is_complete and before.rows["segments"] == 2 and sum(before.objects.values()) == 1
    await asyncio.gather(*(Deletions(store.database).sweep() for _ in range(2)))
    await Deletions(store.database).sweep()
    await sweep_objects(store.database, store.objects)
    after = await remains.report(store.tenant)
    assert after.is_complete and set(after.rows.values()) == {0} and set(after.objects.values()) == {0}
    assert set(after.rows) == {name for name, table in metadata.tables.items() if "tenant_id" in table.c} - {
        "usage_records"
    } | {"tenants"} | ({"segment_words"} if store.database.is_sqlite else set())
    assert after.kept["usage_records"] >= 2 and after.kept["audit_records"] >= 2
    assert (await store.files.list(store.other, Page())).total == 1
    assert len(store.stored()) == 1


async def test_a_tenant_of_many_files_goes_some_at_a_time(store):
    await uploaded(store, MARKED + 20)
    await Tenants(store.database, {}).delete(store.tenant, store.tenant)
    assert await Deletions(store.database).sweep() == MARKED + 20 + 1
