"""A replica keeps the snapshots of its shard new by itself."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import select, update

from ray_jobs.index.replica import ShardReplica
from ray_jobs.index.shard import Shard
from services.core.errors import ArcusError, Reason
from services.core.index.snapshots import Snapshots
from services.core.store.objects import Objects
from services.core.store.schema import shards


class FaultyObjects(Objects):
    """An object store that can be told to take nothing."""

    is_full = False

    async def put_stream(self, *arguments: Any, **options: Any) -> Any:
        if self.is_full:
            raise ArcusError(Reason.STORAGE_FULL)
        return await super().put_stream(*arguments, **options)


async def test_a_snapshot_that_could_not_be_stored_is_tried_again_without_new_rows(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    ((shard, rows),) = [(place.shard, place.last_sequence) for place in await store.log.placements([collection.id])]
    objects = FaultyObjects(f"file://{store.folder}")
    objects.is_full = True
    snapshots = Snapshots(store.database, objects)
    replica = ShardReplica(
        shard, store.log, Shard(), snapshots=snapshots, snapshot_rows=rows, snapshot_pause_seconds=0.1
    )

    async def claimed_until() -> int:
        async with store.database.read() as connection:
            return (
                await connection.execute(select(shards.c.snapshot_until).where(shards.c.shard == shard))
            ).scalar_one()

    async with asyncio.timeout(30):
        await replica.start()
        while not await claimed_until():  # noqa: ASYNC110  a database offers no event
            await asyncio.sleep(0.05)
        assert not await snapshots.newest(shard)
        replica.check()
        objects.is_full = False
        async with store.database.write() as connection:
            await connection.execute(update(shards).values(snapshot_until=1))  # the claim has run out
        while not await snapshots.newest(shard):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [each.sequence for each in await snapshots.newest(shard)] == [rows]
    await replica.close()
