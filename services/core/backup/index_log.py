"""Whether the index log holds what the collections hold, and the snapshots of shards are of this log."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from sqlalchemy import ColumnElement, exists, func, or_, select

from services.core.backup.findings import Finding, Kind
from services.core.backup.rows import pages
from services.core.store.database import Database
from services.core.store.schema import (
    collection_files,
    collection_shards,
    collections,
    embeddings,
    files,
    index_log,
    shards,
)
from services.core.store.tombstones import is_kept

WINDOW_ROWS = 5000  # of the log, looked at by one statement


def _adds(*of: ColumnElement[bool]):
    return select(func.count()).where(index_log.c.operation == "add", *of).scalar_subquery()


class IndexRows:
    """`checked` counts what was looked at. Each statement sees log and rows at one moment."""

    def __init__(self, database: Database, checked: Counter[str]) -> None:
        self._database = database
        self._checked = checked

    async def findings(self) -> AsyncIterator[Finding]:
        for part in (self._shards, self._members, self._counts):
            async for finding in part():
                yield finding

    async def _shards(self) -> AsyncIterator[Finding]:
        newest = select(func.coalesce(func.max(index_log.c.sequence), 0)).where(index_log.c.shard == shards.c.shard)
        # What is being deleted may have had the log's last row, until its removal is written.
        deleting = or_(*(exists().where(~is_kept(table)) for table in (files, collections)))
        query = select(shards.c.shard, shards.c.last_sequence, newest.scalar_subquery(), deleting)
        for shard, last, found, is_deleting in await self._database.fetch(
            query.order_by(shards.c.shard)
        ):  # 1,024 at most
            self._checked["shards"] += 1
            if found > last or (found < last and not is_deleting):
                detail = f"its log ends at row {found}, and {last} were written"
                yield Finding(Kind.LOG_INCOMPLETE, f"shards {shard}", detail)
            for start in range(0, last, WINDOW_ROWS):
                async for finding in self._window(shard, start):
                    yield finding

    async def _window(self, shard: int, start: int) -> AsyncIterator[Finding]:
        embedding = exists().where(
            embeddings.c.id == index_log.c.embedding_id, embeddings.c.tenant_id == index_log.c.tenant_id
        )
        member = exists().where(
            collection_files.c.collection_id == index_log.c.collection_id,
            collection_files.c.file_id == index_log.c.file_id,
            collection_files.c.shard == index_log.c.shard,
            collection_files.c.tenant_id == index_log.c.tenant_id,
        )
        query = select(index_log.c.sequence, embedding.label("embedding")).where(
            index_log.c.shard == shard,
            index_log.c.sequence > start,
            index_log.c.sequence <= start + WINDOW_ROWS,
            index_log.c.operation == "add",
            or_(~embedding, ~member),
        )
        for sequence, has_embedding in await self._database.fetch(query):
            what = "a member of a collection" if has_embedding else "an embedding"
            yield Finding(
                Kind.LOG_DANGLING, f"index_log {shard}/{sequence}", f"it adds what is not {what} of its tenant"
            )

    async def _members(self) -> AsyncIterator[Finding]:
        """Every vector of a member's description is in the log of the member's shard, once."""
        member = collection_files.c
        made = select(func.count()).where(embeddings.c.description_id == member.description_id).scalar_subquery()
        added = _adds(
            index_log.c.collection_id == member.collection_id,
            index_log.c.file_id == member.file_id,
            index_log.c.shard == member.shard,
        )
        keys = [member.collection_id, member.file_id]
        kept = (
            select(*keys, made, added)
            .join(files, files.c.id == member.file_id)
            .join(collections, collections.c.id == member.collection_id)
            .where(is_kept(files), is_kept(collections))
        )
        async for rows in pages(self._database, kept, keys):
            self._checked["members"] += len(rows)
            for collection_id, file_id, vectors, found in rows:
                self._checked["vectors"] += vectors
                if vectors != found:
                    subject = f"collection_files {collection_id}/{file_id}"
                    yield Finding(
                        Kind.INDEX_COUNT_WRONG, subject, f"{found} of its {vectors} vectors are in the index log"
                    )

    async def _counts(self) -> AsyncIterator[Finding]:
        place = collection_shards.c
        added = _adds(index_log.c.collection_id == place.collection_id, index_log.c.shard == place.shard)
        keys = [place.collection_id, place.shard]
        async for rows in pages(self._database, select(*keys, place.vectors, added), keys):
            for collection_id, shard, noted, found in rows:
                if noted != found:
                    subject = f"collection_shards {collection_id}/{shard}"
                    yield Finding(Kind.INDEX_COUNT_WRONG, subject, f"{noted} vectors are counted, its log adds {found}")
