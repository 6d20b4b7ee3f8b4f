"""Takes away what is marked as deleted: tenants, files, collections and descriptions, with all that hangs on them, in short
steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row, Table, and_, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.clock import now_ms
from services.core.errors import ArcusError
from services.core.index.embedding_log import append_removal, append_removals, drop_adds
from services.core.index.shards import shards_holding
from services.core.search.full_text_index import drop_words_table, forget_segments
from services.core.store.database import Database
from services.core.store.job_schema import jobs
from services.core.store.schema import (
    api_keys,
    chats,
    collection_files,
    collections,
    descriptions,
    embeddings,
    extractions,
    files,
    index_log,
    object_deletions,
    responses,
    searches,
    segment_descriptions,
    segment_entities,
    segments,
    tenants,
    thumbnails,
)
from services.core.store.tombstones import is_kept, mark_deleted, of_kept_file
from services.core.tenants.usage import of_response, response_values

STEP_ROWS = 200  # of one transaction, in which SQLite lets nobody else write
STEP_MEMBERS = 20
STEP_RESPONSES = 20
MARKED = 100  # of a tenant's files and collections, at a time
BEGUN_STEPS = 4  # in the request that deletes
PICKED = 100
POLL_SECONDS = 5.0
log = structlog.get_logger(__name__)


class Step:
    """What one transaction may still delete."""

    def __init__(self, connection: AsyncConnection, rows: int = STEP_ROWS) -> None:
        self.connection = connection
        self.left = rows
        self.unused: list[str] = []  # descriptions that nobody waits for any more

    async def delete(self, table: Table, *which: ColumnElement[bool]) -> bool:
        """Whether all of them are gone."""
        some = select(table.c.id).where(*which).limit(self.left)
        return self.spend((await self.connection.execute(delete(table).where(table.c.id.in_(some)))).rowcount)

    def spend(self, rows: int) -> bool:
        self.left -= rows
        return self.left > 0


class Deletions:
    """Safe to run in every front at once: what one works on, the others pass over. What a crash leaves is gone on with."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.sweep()
            except (ArcusError, SQLAlchemyError) as error:
                log.warning("deletion_failed", error=str(error))

    async def sweep(self) -> int:
        """Takes away all that is marked; returns how many tenants, collections, files and descriptions are gone. Between
        steps it rests as long as they take: others have the database half of the time."""
        gone = 0
        while some := await self._round():
            gone += some
        return gone

    async def _round(self) -> int:
        gone = 0
        for table in _STEPS:
            query = select(table.c.id).where(table.c.deleted_at.is_not(None)).limit(PICKED)
            if table is descriptions:  # those of a deleted file go with it
                query = query.where(of_kept_file(table.c.file_id))
            while ids := [row.id for row in await self._database.fetch(query)]:
                done = [await self._all_of(table, id) for id in ids]
                gone += sum(done)
                if not any(done):  # others are at them
                    break
        return gone

    async def begin(self, table: Table, id: str) -> None:
        """Of what was just marked, takes away the first rows: all, where there are few. The rest is left to `sweep`."""
        waiting = [(table, id)]
        with suppress(ArcusError, SQLAlchemyError):  # it is deleted already
            for _ in range(BEGUN_STEPS):
                if not waiting:
                    return
                done, unused = await self._one(*waiting[0])
                waiting += [(descriptions, description_id) for description_id in unused]
                if done is not False:
                    waiting.pop(0)

    async def _all_of(self, table: Table, id: str) -> bool:
        while True:
            began = time.monotonic()
            done, _ = await self._one(table, id)
            if done is not False:
                return bool(done)
            await asyncio.sleep(time.monotonic() - began)

    async def _one(self, table: Table, id: str) -> tuple[bool | None, Sequence[str]]:
        """One transaction. (whether all is gone, None where another is at it; descriptions that it marked as unused)"""
        marked = select(table).where(table.c.id == id, table.c.deleted_at.is_not(None))
        async with self._database.write() as connection:
            locked = marked.with_for_update(skip_locked=True, key_share=True)
            row = (await connection.execute(locked)).first()
            if row is None:
                return None, ()
            step = Step(connection)
            return await _STEPS[table](step, row), step.unused


async def take_out(connection: AsyncConnection, collection_id: str, file_id: str) -> Sequence[str]:
    """Takes a file out of a collection, in the caller's transaction.

    Unfinished descriptions that nobody waits for any more are marked as deleted, and their ids returned. Finished ones are
    kept for whoever asks next.
    """
    members = await _lock_members(connection, _file_in(collection_id, file_id))
    for member in members:
        await append_removal(
            connection,
            member.shard,
            tenant_id=member.tenant_id,
            collection_id=collection_id,
            file_id=file_id,
        )
    await connection.execute(delete(collection_files).where(_file_in(collection_id, file_id)))
    return await _mark_unused(connection, members)


async def _tenant(step: Step, tenant: Row) -> bool | None:
    """Its collections and files are marked first, some at a time, and waited for: None while there are any."""
    connection, id = step.connection, tenant.id
    for table, values in ((collections, {"name": collections.c.id}), (files, {})):
        some = select(table.c.id).where(table.c.tenant_id == id, is_kept(table)).limit(MARKED)
        await connection.execute(mark_deleted(table, table.c.id.in_(some), **values))
        if (await connection.execute(select(table.c.id).where(table.c.tenant_id == id).limit(1))).first() is not None:
            return None
    ended = select(responses.c.id).where(responses.c.tenant_id == id).limit(STEP_RESPONSES)
    for response_id in (await connection.execute(ended)).scalars().all():  # with many events each
        await connection.execute(of_response, response_values(response_id, None))  # it may be in progress
        gone = await connection.execute(delete(responses).where(responses.c.id == response_id))
        step.spend(gone.rowcount * STEP_ROWS // STEP_RESPONSES)
    for table in (searches, chats, jobs, api_keys):
        if step.left <= 0 or not await step.delete(table, table.c.tenant_id == id):
            return False
    await connection.run_sync(drop_words_table, id)
    await connection.execute(delete(tenants).where(tenants.c.id == id))
    await connection.execute(insert(object_deletions).values(prefix=objects_of(id), not_before=now_ms()))
    return True


def objects_of(tenant_id: str) -> str:
    """The folder of a tenant's objects."""
    return f"tenants/{tenant_id}"


async def _file(step: Step, file: Row) -> bool:
    connection, id = step.connection, file.id
    described = select(descriptions.c.id).where(descriptions.c.file_id == id)
    await connection.execute(described.order_by(descriptions.c.id).with_for_update())
    if not await _members(step, collection_files.c.file_id == id, are_removed=True):
        return False
    if not await _contents(step, described):
        return False
    for table in (thumbnails, segments):
        if not await step.delete(table, table.c.file_id == id):
            return False
    await connection.execute(delete(descriptions).where(descriptions.c.file_id == id))
    await connection.execute(delete(files).where(files.c.id == id))
    prefix = file.object_key.rsplit("/", 1)[0]
    await connection.execute(insert(object_deletions).values(prefix=prefix, not_before=now_ms()))
    return True


async def _collection(step: Step, collection: Row) -> bool:
    if not await _members(step, collection_files.c.collection_id == collection.id, are_removed=False):
        return False
    for shard in await shards_holding(step.connection, collection.id):
        await append_removal(step.connection, shard, tenant_id=collection.tenant_id, collection_id=collection.id)
    await step.connection.execute(delete(collections).where(collections.c.id == collection.id))
    return True


async def _description(step: Step, description: Row) -> bool:
    if not await _contents(step, [description.id]):
        return False
    await step.connection.execute(delete(descriptions).where(descriptions.c.id == description.id))
    return True


StepOf = Callable[[Step, Row], Awaitable[bool | None]]
_STEPS: Mapping[Table, StepOf] = {
    tenants: _tenant,
    collections: _collection,
    files: _file,
    descriptions: _description,
}


async def _contents(step: Step, description_ids: Any) -> bool:
    """What was written of descriptions. Whether all of it is gone."""
    connection = step.connection
    written = segment_descriptions.c.description_id.in_(description_ids)
    some = delete(segment_descriptions).where(
        segment_descriptions.c.id.in_(select(segment_descriptions.c.id).where(written).limit(step.left))
    )
    rows = (await connection.execute(some.returning(segment_descriptions.c.tenant_id, segment_descriptions.c.id))).all()
    for tenant_id in {row.tenant_id for row in rows}:
        ids = [row.id for row in rows if row.tenant_id == tenant_id]
        await connection.run_sync(forget_segments, tenant_id, ids)
    return step.spend(len(rows)) and await step.delete(embeddings, embeddings.c.description_id.in_(description_ids))


async def _members(step: Step, which: ColumnElement[bool], *, are_removed: bool) -> bool:
    """Members with their entities and their place in the index; `are_removed`: from it, one by one. Whether all are gone."""
    connection = step.connection
    members = await _lock_members(connection, which)
    collection_ids, file_ids = {member.collection_id for member in members}, {member.file_id for member in members}

    def of(table: Table) -> ColumnElement[bool]:  # members have one file, or one collection
        return and_(table.c.collection_id.in_(collection_ids), table.c.file_id.in_(file_ids))

    extracted = segment_entities.c.extraction_id.in_(select(extractions.c.id).where(of(extractions)))
    if not await step.delete(segment_entities, extracted):
        return False
    for shard, here in groupby(members, lambda member: member.shard):
        if not step.spend(await drop_adds(connection, shard, of(index_log), most=step.left)):
            return False
        if are_removed:
            await append_removals(connection, shard, [(it.tenant_id, it.collection_id, it.file_id) for it in here])
    await connection.execute(delete(collection_files).where(of(collection_files)))
    step.unused += await _mark_unused(connection, members)
    return step.spend(len(members)) and len(members) < STEP_MEMBERS


async def _lock_members(connection: AsyncConnection, which: ColumnElement[bool]) -> Sequence[Row]:
    """At most STEP_MEMBERS, by shard."""
    some = select(collection_files.c.collection_id, collection_files.c.file_id).where(which)
    found = (await connection.execute(some.order_by(*some.selected_columns).limit(STEP_MEMBERS))).all()
    # Everyone locks in this order: job, collection, file, description, shard. Whoever adds the file, and whoever writes
    # a segment of it, then comes before or after, and nobody waits in a circle.
    file_ids = {row.file_id for row in found}
    for table, column in ((files, files.c.id), (descriptions, descriptions.c.file_id)):
        query = select(table.c.id).where(column.in_(file_ids)).order_by(table.c.id)
        await connection.execute(query.with_for_update(key_share=table is files))
    chosen = select(collection_files).where(which, collection_files.c.file_id.in_(file_ids))
    chosen = chosen.where(collection_files.c.collection_id.in_({row.collection_id for row in found}))
    return (await connection.execute(chosen.order_by(collection_files.c.shard))).all()


async def _mark_unused(connection: AsyncConnection, members: Sequence[Row]) -> Sequence[str]:
    """Marks as deleted the unfinished descriptions that these members alone waited for; returns their ids."""
    ids = {member.description_id for member in members}
    used = select(collection_files.c.description_id).where(collection_files.c.description_id.in_(ids))
    unused = (descriptions.c.id.in_(ids), descriptions.c.id.not_in(used), descriptions.c.status != "completed")
    marking = mark_deleted(descriptions, *unused, is_kept(descriptions), config_hash=descriptions.c.id)
    return (await connection.execute(marking.returning(descriptions.c.id))).scalars().all()


def _file_in(collection_id: str, file_id: str) -> ColumnElement[bool]:
    return and_(collection_files.c.collection_id == collection_id, collection_files.c.file_id == file_id)
