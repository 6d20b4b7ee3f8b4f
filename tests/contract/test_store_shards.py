"""Where the files of a collection are among the shards, and how that changes."""

import pytest
from sqlalchemy import select

from services.core.errors import ArcusError, Reason
from services.core.index.embedding_log import TrimmedError
from services.core.index.reshard import reshard
from services.core.index.shards import ensure_shards, preferred
from services.core.library.members import Members
from services.core.media import Span
from services.core.store.schema import collection_files
from tests.contract.store_steps import SHARDS


async def _filled(store, files: int, *, vectors: int = 2, spread_vectors: int = 10**6, name: str = "talks"):
    """A collection of described files; each has one segment."""
    members = Members(store.database, spread_vectors=spread_vectors)
    collection = await store.collection(name)
    for number in range(files):
        file = await store.ready(f"{name}-{number}.mp4")
        member = await members.add(store.tenant, collection.id, file.id)
        job, segments = await store.begin(member.description_id, [Span(0, 5)])
        await store.write(job, segments[0], vectors=vectors)
        await store.descriptions.finish(job, "worker", title="", summary="")
        await store.jobs.finish(job, "worker")
    return collection


async def _held(store, shard: int) -> dict[str, list[int]]:
    """What a replica that applies the shard's log from its first row holds: file → embedding ids."""
    held: dict[str, list[int]] = {}
    for row in await store.log.read(shard, 0, 10_000):
        if row.operation == "add" and row.vector is not None:
            held.setdefault(row.file_id, []).append(row.embedding_id)
        elif row.operation != "add":
            held = {file: ids for file, ids in held.items() if row.file_id not in ("", file)}
    return held


async def _places(store, collection_id: str) -> dict[str, int]:
    query = select(collection_files.c.file_id, collection_files.c.shard).where(
        collection_files.c.collection_id == collection_id
    )
    async with store.database.read() as connection:
        return {row.file_id: row.shard for row in await connection.execute(query)}


async def test_another_shard_takes_few_collections_from_the_others():
    ids = [f"collection-{number}" for number in range(1000)]
    before = [preferred(id, range(4))[0] for id in ids]
    after = [preferred(id, range(5))[0] for id in ids]
    assert all(new in (old, 4) for old, new in zip(before, after, strict=True))
    assert 150 < after.count(4) < 250 and all(200 < before.count(shard) < 300 for shard in range(4))


async def test_a_small_collection_is_in_one_shard_and_a_large_one_spreads_evenly(store):
    small = await _filled(store, 3, name="small")
    large = await _filled(store, 12, spread_vectors=6, name="large")
    assert len(await store.log.placements([small.id])) == 1
    places = await _places(store, large.id)
    assert sorted(list(places.values()).count(shard) for shard in range(SHARDS)) == [6, 6]
    assert {place.shard for place in await store.log.placements([large.id])} == set(range(SHARDS))
    for file, shard in places.items():
        assert [file in await _held(store, each) for each in range(SHARDS)] == [each == shard for each in range(SHARDS)]


async def test_a_collection_without_files_is_searched_nowhere(store):
    collection = await store.collection()
    found, placements = await store.collections.to_search(store.tenant, [collection.id])
    assert [each.id for each in found] == [collection.id] and placements == []


async def test_a_spread_collection_is_removed_from_all_its_shards(store):
    collection = await _filled(store, 8, spread_vectors=2)
    await store.collections.delete(store.tenant, collection.id)
    assert [await _held(store, shard) for shard in range(SHARDS)] == [{}, {}]
    assert await store.log.placements([collection.id]) == []


@pytest.mark.parametrize("count", [1, 2, 3, 5])
async def test_resharding_brings_every_file_to_one_shard_and_loses_no_vector(store, count):
    collections = [await _filled(store, 4, name=f"c{number}", spread_vectors=4) for number in range(3)]
    removed = next(iter(await _places(store, collections[0].id)))
    await store.members.remove(store.tenant, collections[0].id, removed)
    before = [ids for shard in range(SHARDS) for ids in (await _held(store, shard)).values()]
    await reshard(store.database, count, spread_vectors=4)
    await ensure_shards(store.database, count)
    held = [await _held(store, shard) for shard in range(max(count, SHARDS))]
    assert sorted(ids for files in held for ids in files.values()) == sorted(before)
    assert not any(held[count:])
    for collection in collections:
        places = await _places(store, collection.id)
        assert {place.shard for place in await store.log.placements([collection.id])} == set(places.values())
        assert all(file in held[shard] for file, shard in places.items())
        assert len(set(places.values())) == min(2, count)
    assert await reshard(store.database, count, spread_vectors=4) == 0


async def test_a_file_that_is_described_while_it_moves_is_whole_in_its_new_shard(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    job, segments = await store.begin(member.description_id)
    await store.write(job, segments[0])
    (place,) = await store.log.placements([collection.id])
    await reshard(store.database, 1)
    await reshard(store.database, 2)
    await reshard(store.database, 1)
    await store.write(job, segments[1])
    assert len((await _held(store, 0))[file.id]) == 4 and await _held(store, 1) == {}
    assert place.shard in (0, 1)


async def test_fewer_shards_than_hold_files_are_refused_and_more_are_taken_up_empty(store):
    await _filled(store, 4, spread_vectors=2)
    with pytest.raises(ArcusError) as caught:
        await ensure_shards(store.database, 1)
    assert caught.value.reason is Reason.INVALID_ARGUMENT and "arcus reshard --shards 1" in caught.value.message
    assert f"ARCUS_INDEX_SHARDS={SHARDS}" in caught.value.message
    await ensure_shards(store.database, SHARDS + 1)
    assert await store.log.read(SHARDS, 0, 10) == []


async def test_a_shard_that_was_given_up_takes_no_more_files(store):
    collection = await _filled(store, 2, spread_vectors=1)
    await reshard(store.database, 1)
    await ensure_shards(store.database, 1)
    file = await store.ready("late.mp4")
    await Members(store.database, spread_vectors=1).add(store.tenant, collection.id, file.id)
    assert set((await _places(store, collection.id)).values()) == {0}


async def test_a_reader_that_missed_removals_is_told_and_one_that_began_later_is_not(store):
    from services.core.index.snapshots import trim

    collection = await _filled(store, 4)
    (place,) = await store.log.placements([collection.id])
    for file in list(await _places(store, collection.id))[:2]:
        await store.members.remove(store.tenant, collection.id, file)
    async with store.database.write() as connection:
        await trim(connection, place.shard, place.last_sequence + 1)
    assert await store.log.trimmed_sequence(place.shard) == place.last_sequence + 1
    with pytest.raises(TrimmedError):
        await store.log.read(place.shard, place.last_sequence, 100)
    rows = await store.log.read(place.shard, 0, 100, trimmed_at_start=place.last_sequence + 1)
    assert [row.operation for row in rows] == ["add"] * 4 + ["remove"]
    assert await store.log.read(place.shard, place.last_sequence + 2, 100) == []
