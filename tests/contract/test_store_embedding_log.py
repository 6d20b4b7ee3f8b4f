import asyncio
import sqlite3
from contextlib import closing

import psutil
import pytest

from services.core.errors import ArcusError
from services.core.media import Span
from services.core.store.glances import Glances


async def _rows(store, shard: int) -> list:
    return await store.log.read(shard, 0, 10_000)


async def test_rows_of_a_shard_are_numbered_without_gaps_and_seen_in_order(store):
    """A reader that follows a shard while many write never meets a number out of order: it would lose the row."""
    members = []
    for number in range(6):
        collection, file = await store.collection(f"{number}"), await store.ready(f"{number}.mp4")
        members.append(await store.members.add(store.tenant, collection.id, file.id))
    begun = [await store.jobs.claim("worker") for _ in members]
    spans = [Span(number, number + 1) for number in range(5)]
    work = [(job, await store.descriptions.start(job, "worker", spans)) for job in begun]

    async def write(job, segments) -> None:
        for segment in segments:
            await store.write(job, segment, vectors=3)

    seen: dict[int, list[int]] = {0: [], 1: []}

    async def follow(shard: int, done: asyncio.Event) -> None:
        while True:
            finished = done.is_set()
            rows = await store.log.read(shard, seen[shard][-1] if seen[shard] else 0, 7)
            seen[shard] += [row.sequence for row in rows]
            if finished and not rows:
                return

    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for shard in (0, 1):
            group.create_task(follow(shard, done))
        await asyncio.gather(*(write(job, segments) for job, segments in work))
        done.set()
    last = {
        place.shard: place.last_sequence
        for place in await store.log.placements(member.collection_id for member in members)
    }
    for shard, sequences in seen.items():
        assert sequences == list(range(1, last.get(shard, 0) + 1))
    assert sum(last.values()) == 6 * 5 * 3


async def test_placements_that_are_at_hand_are_those_of_the_newest_commit(store):
    collections = [await store.collection(f"{number}") for number in range(3)]
    wanted = [collection.id for collection in reversed(collections)]
    for id in wanted:
        member = await store.members.add(store.tenant, id, (await store.ready(f"{id}.mp4")).id)
        job, segments = await store.begin(member.description_id)
        await store.write(job, segments[0], vectors=3)
        waited = await store.log.placements([*wanted, "nowhere"])
        at_hand = store.log.placements_now([*wanted, "nowhere", wanted[0]])
        if not store.database.is_sqlite:
            assert at_hand is None
            continue
        assert sorted(at_hand, key=str) == sorted(waited, key=str)
        assert [placement.collection_id for placement in at_hand] == wanted[: wanted.index(id) + 1]


def test_nothing_is_at_hand_of_a_database_that_is_locked_or_away(tmp_path):
    path = tmp_path / "arcus.db"
    glances = Glances(f"sqlite+aiosqlite:///{path}")
    assert glances.rows("SELECT 1", ()) is None and not path.exists()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE t (n INT)")
        writer.execute("INSERT INTO t VALUES (7)")
        assert glances.rows("SELECT n FROM t WHERE n = ?", (7,)) == [(7,)]
        writer.execute("BEGIN EXCLUSIVE")
        assert glances.rows("SELECT n FROM t", ()) is None
        writer.execute("ROLLBACK")
        assert glances.rows("SELECT n FROM t", ()) == [(7,)]
    assert str(path) in [file.path for file in psutil.Process().open_files()]
    glances.close()
    assert str(path) not in [file.path for file in psutil.Process().open_files()]


async def test_a_row_carries_its_vector_and_place(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    job, segments = await store.begin(member.description_id)
    await store.write(job, segments[0], vectors=1)
    (row,) = await _rows(store, collection.shard)
    assert (row.operation, row.tenant_id, row.collection_id) == ("add", store.tenant, collection.id)
    assert (row.file_id, row.segment_id, len(row.vector)) == (file.id, segments[0].id, 4 * 384)
    embedding = (await store.log.embeddings([row.embedding_id, 10**9]))[row.embedding_id]
    assert (embedding.kind, embedding.text, embedding.segment_id) == ("speech", "the tide and the moon", segments[0].id)


async def test_a_removed_file_takes_its_rows_along_and_leaves_a_removal(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    await store.members.remove(store.tenant, collection.id, file.id)
    (row,) = await _rows(store, collection.shard)
    assert (row.sequence, row.operation, row.file_id, row.vector) == (5, "remove", file.id, None)
    await store.members.add(store.tenant, collection.id, file.id)
    rows = await _rows(store, collection.shard)
    assert [(row.sequence, row.operation) for row in rows] == [(5, "remove"), *((n, "add") for n in range(6, 10))]


async def test_a_deleted_collection_is_removed_from_its_shard(store):
    keep, drop, file = await store.collection("keep"), await store.collection("drop"), await store.ready()
    for collection in (keep, drop):
        member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    await store.collections.delete(store.tenant, drop.id)
    rows = [row for shard in (0, 1) for row in await _rows(store, shard)]
    assert [(row.operation, row.file_id) for row in rows if row.collection_id == drop.id] == [("remove", "")]
    assert len([row for row in rows if row.collection_id == keep.id and row.vector]) == 4


async def test_a_deleted_file_is_removed_from_every_collection(store):
    collections, file = [await store.collection(name) for name in "abc"], await store.ready()
    for collection in collections:
        member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    await store.files.delete(store.tenant, file.id)
    rows = [row for shard in (0, 1) for row in await _rows(store, shard)]
    assert sorted((row.collection_id, row.operation, row.file_id) for row in rows) == sorted(
        (collection.id, "remove", file.id) for collection in collections
    )


async def test_an_engine_whose_vectors_are_of_another_length_than_the_stored_ones_is_refused(store):
    await store.log.check_dimensions(1024, "large")
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    await store.log.check_dimensions(384, "embedded")
    with pytest.raises(ArcusError) as caught:
        await store.log.check_dimensions(1024, "large")
    for words in ("384 dimensions", "engine large makes 1024", "ARCUS_DATA_DIR"):
        assert words in caught.value.message
