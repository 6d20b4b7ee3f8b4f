"""Index shards: how many there are, and which of them takes a file of a collection."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.errors import invalid
from services.core.store.database import Database
from services.core.store.schema import collection_files, collection_shards, shards

SPREAD_VECTORS = 250_000
MAX_HITS = 1_000  # of a shard, that one search may want


def preferred(collection_id: str, numbers: Collection[int]) -> list[int]:
    """The shards in the order in which a collection takes them.

    Rendezvous hashing (Thaler, Ravishankar 1998): another shard takes its share of every order and changes nothing else.
    """
    return sorted(numbers, key=lambda number: hashlib.sha256(f"{collection_id}/{number}".encode()).digest())


def shard_of(collection_id: str, shard_count: int) -> int:
    """Where the first files of a collection go."""
    return preferred(collection_id, range(shard_count))[0]


async def place(connection: AsyncConnection, collection: Row, *, spread_vectors: int) -> int:
    """The shard that takes another file, recorded as one of the collection's. The caller holds the collection's lock.

    The emptiest of those that it has; the next one it prefers, where each has `spread_vectors` of it already.
    """
    active = set((await connection.execute(select(shards.c.shard).where(~shards.c.is_retired))).scalars())
    held = await _held(connection, collection.id)
    open_ones = {shard: vectors for shard, vectors in held.items() if shard in active}
    if open_ones:
        emptiest = min(open_ones, key=lambda shard: (open_ones[shard], shard))
        if open_ones[emptiest] < spread_vectors or len(open_ones) == len(active):
            return emptiest
    chosen = collection.shard
    if open_ones or chosen not in active:
        chosen = next(shard for shard in preferred(collection.id, active) if shard not in open_ones)
    if chosen not in held:
        await record(connection, collection.id, chosen)
    return chosen


async def record(connection: AsyncConnection, collection_id: str, shard: int) -> None:
    """Notes that a shard holds files of a collection, before the first of them is there."""
    await connection.execute(insert(collection_shards).values(collection_id=collection_id, shard=shard, vectors=0))


async def shards_holding(connection: AsyncConnection, collection_id: str) -> Sequence[int]:
    """Ascending, which is the order in which shards are locked."""
    return sorted(await _held(connection, collection_id))


async def ensure_shards(database: Database, shard_count: int) -> None:
    """Makes the counters of all shards; more than before start empty. Refuses fewer while the others hold files."""
    async with database.write() as connection:
        await database.lock(connection)
        beyond = select(collection_files.c.shard).where(collection_files.c.shard >= shard_count).limit(1)
        if (await connection.execute(beyond)).first() is not None:
            highest = select(shards.c.shard).where(~shards.c.is_retired).order_by(shards.c.shard.desc()).limit(1)
            count = (await connection.execute(highest)).scalar_one() + 1
            raise invalid(
                f"This data is stored in {count} index shards: set ARCUS_INDEX_SHARDS={count}, "
                f"or run `arcus reshard --shards {shard_count}` first.",
                field="index_shards",
            )
        await set_count(connection, shard_count)


async def set_count(connection: AsyncConnection, shard_count: int) -> None:
    """Shards below the count take files from now on, and the others no more."""
    known = set((await connection.execute(select(shards.c.shard))).scalars())
    missing = [{"shard": shard, "last_sequence": 0} for shard in range(shard_count) if shard not in known]
    if missing:
        await connection.execute(insert(shards), missing)
    is_beyond = shards.c.shard >= shard_count
    await connection.execute(update(shards).where(shards.c.is_retired != is_beyond).values(is_retired=is_beyond))


async def _held(connection: AsyncConnection, collection_id: str) -> dict[int, int]:
    query = select(collection_shards.c.shard, collection_shards.c.vectors).where(
        collection_shards.c.collection_id == collection_id
    )
    return {row.shard: row.vectors for row in await connection.execute(query)}
