"""Snapshots of shards: registered whole or not at all, written by one replica, and cleaned up."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, update

from services.core.errors import ArcusError, Reason
from services.core.index.embedding_log import append
from services.core.index.snapshots import Snapshots
from services.core.store.deletions import sweep
from services.core.store.schema import index_log, object_deletions, shards


@pytest.fixture
def snapshots(store) -> Snapshots:
    return Snapshots(store.database, store.objects)


async def _chunks(*parts: bytes, fails: bool = False) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if fails:
        raise ArcusError(Reason.INTERNAL)


async def _log(store, *operations: str) -> None:
    rows = [
        {"operation": name, "tenant_id": store.tenant, "collection_id": "c", "file_id": "f", "embedding_id": None}
        for name in operations
    ]
    async with store.database.write() as connection:
        await append(connection, 0, rows)


async def _due_now(store) -> None:
    async with store.database.write() as connection:
        await connection.execute(update(object_deletions).values(not_before=0))


async def _read(snapshots: Snapshots, snapshot) -> bytes:
    async with snapshots.opened(snapshot) as path:
        return await asyncio.to_thread(path.read_bytes)


async def test_a_written_snapshot_is_the_newest_and_is_read_as_it_was_written(store, snapshots):
    await _log(store, *["add"] * 9)
    await snapshots.write(0, 4, _chunks(b"one"))
    await snapshots.write(0, 9, _chunks(b"an", b"other"))
    newest, older = await snapshots.newest(0)
    assert (newest.sequence, newest.size_bytes, older.sequence) == (9, 7, 4)
    assert [await _read(snapshots, each) for each in (newest, older)] == [b"another", b"one"]
    assert await snapshots.newest(1) == []


async def test_two_are_kept_and_the_objects_of_older_ones_go_later(store, snapshots):
    await _log(store, *["add"] * 9)
    for sequence in (2, 4, 4, 6, 8):
        await snapshots.write(0, sequence, _chunks(b"x"))
    assert [each.sequence for each in await snapshots.newest(0)] == [8, 6]
    assert len(store.stored()) == 5, "a replica may still be reading"
    await _due_now(store)
    await sweep(store.database, store.objects)
    assert len(store.stored()) == 2
    assert [await _read(snapshots, each) for each in await snapshots.newest(0)] == [b"x", b"x"]


async def test_one_that_fails_on_the_way_is_no_snapshot_and_leaves_no_object(store, snapshots):
    await _log(store, "add", "add")
    with pytest.raises(ArcusError):
        await snapshots.write(0, 2, _chunks(b"half", fails=True))
    assert await snapshots.newest(0) == []
    await _due_now(store)
    await sweep(store.database, store.objects)
    assert store.stored() == []


async def test_one_replica_is_chosen_to_write(store, snapshots):
    await _log(store, *["add"] * 9)
    assert not await snapshots.claim(5, 9, 5), "there is no such shard"
    claims = await asyncio.gather(*(snapshots.claim(0, 9, 5) for _ in range(8)))
    assert sorted(claims) == [False] * 7 + [True]
    await snapshots.write(0, 9, _chunks(b"x"))
    assert not await snapshots.claim(0, 13, 5), "the last is recent"
    assert await snapshots.claim(0, 14, 5)


async def test_a_claim_whose_replica_died_is_taken_over(store, snapshots):
    assert await snapshots.claim(0, 9, 5) and not await snapshots.claim(0, 9, 5)
    async with store.database.write() as connection:
        await connection.execute(update(shards).values(snapshot_until=1))
    assert await snapshots.claim(0, 9, 5)


async def test_removals_before_the_older_snapshot_leave_the_log_and_nothing_else_does(store, snapshots):
    await _log(store, "add", "remove", "add", "move", "remove", "add", "remove")
    await snapshots.write(0, 5, _chunks(b"x"))
    await snapshots.write(0, 7, _chunks(b"x"))
    async with store.database.read() as connection:
        left = (await connection.execute(select(index_log.c.sequence).order_by(index_log.c.sequence))).scalars().all()
    assert list(left) == [1, 3, 6, 7] and await store.log.trimmed_sequence(0) == 5
    await snapshots.write(0, 8, _chunks(b"x"))
    async with store.database.read() as connection:
        left = (await connection.execute(select(index_log.c.sequence).order_by(index_log.c.sequence))).scalars().all()
    assert list(left) == [1, 3, 6, 7], "the last row stays: it says how far the log goes"
