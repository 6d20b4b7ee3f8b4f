"""Snapshots of index shards in the object store: where a replica starts, so that the log's removals need not be kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.clock import now_ms
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.schema import index_log, index_snapshots, object_deletions, shards

KEPT = 2  # of each shard: a replica may be reading the last but one
LEASE_MS = 10 * 60 * 1000
READING_MS = 60 * 60 * 1000  # that a replica may take to read one that was replaced
DAY_MS = 24 * 60 * 60 * 1000
MAX_BYTES = 1 << 42


@dataclass(frozen=True)
class Snapshot:
    """The shard as it was after the row `sequence` of its log."""

    shard: int
    sequence: int
    object_key: str
    size_bytes: int
    sha256: str
    created_at: int


class Snapshots:
    def __init__(self, database: Database, objects: Objects, *, kept: int = KEPT) -> None:
        self._database = database
        self._objects = objects
        self._kept = kept

    async def newest(self, shard: int) -> Sequence[Snapshot]:
        """Those that are kept, the newest first."""
        query = select(index_snapshots).where(index_snapshots.c.shard == shard)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(index_snapshots.c.sequence.desc()))
            return [Snapshot(**row) for row in rows.mappings()]

    def opened(self, snapshot: Snapshot) -> AbstractAsyncContextManager[Path]:
        """The snapshot as a local file. Raises NOT_FOUND where it is gone."""
        return self._objects.local_path(snapshot.object_key)

    async def claim(self, shard: int, sequence: int, every_rows: int) -> bool:
        """Whether the caller shall write one now: the last is `every_rows` changes old, and no other replica is at it."""
        recent = exists().where(index_snapshots.c.shard == shard, index_snapshots.c.sequence > sequence - every_rows)
        now = now_ms()
        due = (shards.c.shard == shard) & (shards.c.snapshot_until < now) & ~recent
        if not await self._database.fetch(select(shards.c.shard).where(due)):
            return False  # an idle replica takes no write lock
        claiming = update(shards).where(due).values(snapshot_until=now + LEASE_MS)
        async with self._database.write() as connection:
            return (await connection.execute(claiming)).rowcount == 1

    async def write(self, shard: int, sequence: int, chunks: AsyncIterator[bytes]) -> Snapshot:
        """Stores a snapshot and makes it the newest at once, or not at all. Older ones, and what they made needless, go.

        A crash at any point leaves an object that is deleted a day later.
        """
        prefix = f"index/{shard}/{sequence}-{uuid4()}"
        async with self._database.write() as connection:
            await connection.execute(insert(object_deletions).values(prefix=prefix, not_before=now_ms() + DAY_MS))
        stored = await self._objects.put_stream(f"{prefix}/snapshot", chunks, max_bytes=MAX_BYTES)
        snapshot = Snapshot(shard, sequence, f"{prefix}/snapshot", stored.size_bytes, stored.sha256, now_ms())
        async with self._database.write() as connection:
            same = (index_snapshots.c.shard == shard) & (index_snapshots.c.sequence == sequence)
            await _drop(connection, same)
            await connection.execute(insert(index_snapshots).values(**asdict(snapshot)))
            await connection.execute(delete(object_deletions).where(object_deletions.c.prefix == prefix))
            kept = (
                select(index_snapshots.c.sequence)
                .where(index_snapshots.c.shard == shard)
                .order_by(index_snapshots.c.sequence.desc())
                .limit(self._kept)
            )
            oldest = min((await connection.execute(kept)).scalars())
            await _drop(connection, (index_snapshots.c.shard == shard) & (index_snapshots.c.sequence < oldest))
            await trim(connection, shard, oldest)
            await connection.execute(update(shards).where(shards.c.shard == shard).values(snapshot_until=0))
        return snapshot


async def trim(connection: AsyncConnection, shard: int, sequence: int) -> None:
    """Takes removals up to a row out of the log, but for its last row. Adds stay: they say what a shard holds.

    A replica that has not applied them yet is told when it reads on, and starts anew.
    """
    last = (
        await connection.execute(select(shards.c.last_sequence).where(shards.c.shard == shard).with_for_update())
    ).scalar_one()
    await connection.execute(
        delete(index_log).where(
            index_log.c.shard == shard,
            index_log.c.operation != "add",
            index_log.c.sequence <= sequence,
            index_log.c.sequence < last,
        )
    )
    await connection.execute(
        update(shards)
        .where(shards.c.shard == shard, shards.c.trimmed_sequence < sequence)
        .values(trimmed_sequence=sequence)
    )


async def _drop(connection: AsyncConnection, which) -> None:
    keys = list((await connection.execute(select(index_snapshots.c.object_key).where(which))).scalars())
    for key in keys:
        await connection.execute(
            insert(object_deletions).values(prefix=key.rsplit("/", 1)[0], not_before=now_ms() + READING_MS)
        )
    await connection.execute(delete(index_snapshots).where(which))
