"""Moves what is stored onto another number of index shards, file by file, while the system answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.index.embedding_log import append_adds, append_removal
from services.core.index.shards import SPREAD_VECTORS, preferred, record, set_count
from services.core.store.database import Database
from services.core.store.schema import (
    collection_files,
    collection_shards,
    collections,
    descriptions,
    files,
    index_log,
    shards,
)


@dataclass(frozen=True)
class _Member:
    file_id: str
    shard: int
    vectors: int


async def reshard(
    database: Database,
    shard_count: int,
    *,
    spread_vectors: int = SPREAD_VECTORS,
    on_moved: Callable[[int], None] = lambda moved: None,
) -> int:
    """Brings every file to where it belongs among `shard_count` shards; returns how many moved. Safe to repeat.

    A move is one transaction. The shard that a file leaves tells so with every later answer, so that a search that asked
    the old place looks again. All shards, old and new, must have replicas where searches go on meanwhile.
    """
    async with database.write() as connection:
        await database.lock(connection)
        await set_count(connection, shard_count)
    async with database.read() as connection:
        ids = (await connection.execute(select(collections.c.id).order_by(collections.c.id))).scalars().all()
    moved = 0
    for collection_id in ids:
        for file_id, shard in await _moves(database, collection_id, shard_count, spread_vectors):
            moved += await _move(database, collection_id, file_id, shard)
            on_moved(moved)
        await _forget_empty(database, collection_id)
    return moved


async def _moves(
    database: Database, collection_id: str, shard_count: int, spread_vectors: int
) -> list[tuple[str, int]]:
    """(file, its new shard) of those that must move. Files stay where that leaves no shard over its share."""
    place = (index_log.c.collection_id == collection_id) & (index_log.c.operation == "add")
    async with database.write() as connection:
        counting = select(index_log.c.file_id, func.count()).where(place).group_by(index_log.c.file_id)
        counted: dict[str, int] = {row[0]: row[1] for row in await connection.execute(counting)}
        query = select(collection_files.c.file_id, collection_files.c.shard).where(
            collection_files.c.collection_id == collection_id
        )
        members = [
            _Member(row.file_id, row.shard, counted.get(row.file_id, 0)) for row in await connection.execute(query)
        ]
        total = sum(member.vectors for member in members)
        wanted = preferred(collection_id, range(shard_count))[: max(1, ceil(total / spread_vectors))]
        await connection.execute(update(collections).where(collections.c.id == collection_id).values(shard=wanted[0]))
    return _rearranged(members, wanted, ceil(total / len(wanted)))


def _rearranged(members: Sequence[_Member], wanted: Sequence[int], share: int) -> list[tuple[str, int]]:
    held: Counter[int] = Counter()
    moving = []
    for member in sorted(members, key=lambda member: (-member.vectors, member.file_id)):
        if member.shard in wanted and held[member.shard] + member.vectors <= share:
            held[member.shard] += member.vectors
        else:
            moving.append(member)
    moves = []
    for member in moving:
        shard = min(wanted, key=lambda number: (held[number], wanted.index(number)))
        held[shard] += member.vectors
        if shard != member.shard:
            moves.append((member.file_id, shard))
    return moves


async def _move(database: Database, collection_id: str, file_id: str, shard: int) -> bool:
    async with database.write() as connection:
        # The order of locks that everyone keeps: collection, file, description, shard.
        locked = select(collections.c.tenant_id).where(collections.c.id == collection_id)
        tenant_id = (await connection.execute(locked.with_for_update(key_share=True))).scalar()
        await connection.execute(select(files.c.id).where(files.c.id == file_id).with_for_update(key_share=True))
        described = select(descriptions.c.id).where(descriptions.c.file_id == file_id).order_by(descriptions.c.id)
        await connection.execute(described.with_for_update())
        place = (collection_files.c.collection_id == collection_id) & (collection_files.c.file_id == file_id)
        held = (await connection.execute(select(collection_files.c.shard).where(place))).scalar()
        if tenant_id is None or held is None or held == shard:
            return False
        both = select(shards.c.shard).where(shards.c.shard.in_([held, shard])).order_by(shards.c.shard)
        await connection.execute(both.with_for_update())
        await connection.execute(update(collection_files).where(place).values(shard=shard))
        await _hand_over(connection, tenant_id, collection_id, file_id, held, shard)
    return True


async def _hand_over(
    connection: AsyncConnection, tenant_id: str, collection_id: str, file_id: str, old: int, new: int
) -> None:
    known = select(collection_shards.c.shard).where(
        collection_shards.c.collection_id == collection_id, collection_shards.c.shard == new
    )
    if (await connection.execute(known)).first() is None:
        await record(connection, collection_id, new)
    held = (
        select(index_log.c.embedding_id)
        .where(
            index_log.c.shard == old,
            index_log.c.collection_id == collection_id,
            index_log.c.file_id == file_id,
            index_log.c.operation == "add",
        )
        .order_by(index_log.c.sequence)
    )
    embedding_ids = list((await connection.execute(held)).scalars())
    place = {"tenant_id": tenant_id, "collection_id": collection_id, "file_id": file_id}
    await append_adds(connection, new, **place, embedding_ids=embedding_ids)
    await append_removal(connection, old, **place, operation="move")


async def _forget_empty(database: Database, collection_id: str) -> None:
    """A search need not go where no file of the collection is."""
    async with database.write() as connection:
        locked = select(collections.c.id).where(collections.c.id == collection_id)
        await connection.execute(locked.with_for_update(key_share=True))
        of_shard = (collection_files.c.collection_id == collection_id) & (
            collection_files.c.shard == collection_shards.c.shard
        )
        await connection.execute(
            delete(collection_shards).where(
                collection_shards.c.collection_id == collection_id, ~exists().where(of_shard)
            )
        )
