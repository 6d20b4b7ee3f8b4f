"""Whether each object that rows name is stored as it was written, and each that is stored is named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator

from sqlalchemy import Row, Table, select

from services.core.backup.findings import Finding, Kind
from services.core.backup.rows import pages
from services.core.store.database import Database
from services.core.store.objects import ListedObject, LostObjectError, Objects
from services.core.store.schema import files, index_snapshots, object_deletions, shards, thumbnails
from services.core.store.tombstones import is_kept, of_kept_file

FOLDERS_AT_ONCE = 500
FOLDER = re.compile(r"(tenants/[^/]+/files/[^/]+|index/[^/]+/[^/]+)/")


class StoredObjects:
    """`checked` counts what was looked at. Objects from `settled_before` (Unix ms) or older have the rows that name them:
    of younger ones these may still be on their way."""

    def __init__(
        self, database: Database, objects: Objects, checked: Counter[str], *, settled_before: int, reads: bool
    ) -> None:
        """`reads`: every byte, to compare checksums; else only sizes are compared."""
        self._database = database
        self._objects = objects
        self._checked = checked
        self._settled_before = settled_before
        self._reads = reads

    async def findings(self) -> AsyncIterator[Finding]:
        for part in (self._files, self._snapshots, self._unknown_folders):
            async for finding in part():
                yield finding

    async def _files(self) -> AsyncIterator[Finding]:
        query = select(files.c.id, files.c.object_key, files.c.size_bytes, files.c.sha256).where(is_kept(files))
        async for rows in pages(self._database, query, [files.c.id]):
            for file in rows:
                self._checked["files"] += 1
                async for finding in self._file(file):
                    yield finding

    async def _file(self, file: Row) -> AsyncIterator[Finding]:
        pictured = select(thumbnails.c.id, thumbnails.c.object_key).where(thumbnails.c.file_id == file.id)
        pictures = {row.object_key: row.id for row in await self._database.fetch(pictured)}
        folder = _folder(file.object_key)
        found = {item.key: item async for item in self._objects.list(folder)}
        self._checked["objects"] += len(found)
        finding = await self._content(file.object_key, found.get(file.object_key), file.size_bytes, file.sha256)
        if finding is not None and await is_wanted(self._database, files, file.id, folder):
            yield finding
        for key in pictures.keys() - found.keys():
            if await is_wanted(self._database, thumbnails, pictures[key], folder):
                yield Finding(Kind.PICTURE_MISSING, key, f"it is the picture of thumbnails {pictures[key]}")
        for key in found.keys() - pictures.keys() - {file.object_key}:
            if found[key].modified_at < self._settled_before and await is_wanted(
                self._database, files, file.id, folder
            ):
                yield Finding(Kind.OBJECT_ORPHANED, key, f"no row names it, and it has {found[key].size_bytes} bytes")

    async def _content(self, key: str, found: ListedObject | None, size_bytes: int, sha256: str) -> Finding | None:
        if found is None:
            return Finding(Kind.OBJECT_MISSING, key, "it is not stored")
        if found.size_bytes != size_bytes:
            return Finding(Kind.OBJECT_CHANGED, key, f"it has {found.size_bytes} bytes of {size_bytes}")
        if not self._reads:
            return None
        self._checked["bytes"] += size_bytes
        try:
            stored = await self._objects.measure(key)
        except LostObjectError:
            return Finding(Kind.OBJECT_MISSING, key, "it is not stored")
        return None if stored.sha256 == sha256 else Finding(Kind.OBJECT_CHANGED, key, "its checksum is another")

    async def _snapshots(self) -> AsyncIterator[Finding]:
        query = select(index_snapshots, shards.c.last_sequence, shards.c.trimmed_sequence).outerjoin(
            shards, shards.c.shard == index_snapshots.c.shard
        )
        for row in await self._database.fetch(query):  # two of each shard
            self._checked["snapshots"] += 1
            subject = f"index_snapshots {row.shard}/{row.sequence}"
            if row.last_sequence is None or row.sequence > row.last_sequence:
                detail = f"the log of its shard ends at row {row.last_sequence or 0}"
                yield Finding(Kind.SNAPSHOT_AHEAD, subject, detail)
            elif row.sequence < row.trimmed_sequence:
                detail = f"the log of its shard has no removals up to row {row.trimmed_sequence}"
                yield Finding(Kind.SNAPSHOT_BEHIND, subject, detail)
            folder = _folder(row.object_key)
            found = {item.key: item async for item in self._objects.list(folder)}.get(row.object_key)
            wrong = await self._content(row.object_key, found, row.size_bytes, row.sha256)
            same = index_snapshots.c.object_key == row.object_key
            if wrong is not None and await self._database.fetch(select(index_snapshots.c.shard).where(same)):
                yield Finding(Kind.SNAPSHOT_UNREADABLE, subject, f"{row.object_key}: {wrong.detail}")

    async def _unknown_folders(self) -> AsyncIterator[Finding]:
        """Those of files and snapshots that have no row and are not to be deleted, and objects in no such folder."""
        waiting: dict[str, int] = {}  # folders that were seen last, and their settled bytes
        async for item in self._objects.list():
            match = FOLDER.match(item.key)
            if match is None:
                yield Finding(
                    Kind.OBJECT_ORPHANED, item.key, f"Arcus has no such objects; it has {item.size_bytes} bytes"
                )
            elif item.modified_at < self._settled_before:
                waiting[match[1]] = waiting.get(match[1], 0) + item.size_bytes
                if len(waiting) >= FOLDERS_AT_ONCE:
                    async for finding in self._unknown(waiting):
                        yield finding
                    waiting = {}
        async for finding in self._unknown(waiting):
            yield finding

    async def _unknown(self, folders: dict[str, int]) -> AsyncIterator[Finding]:
        ids = [folder.rsplit("/", 1)[1] for folder in folders]
        named = await self._database.fetch(select(files.c.object_key).where(self._database.among(files.c.id, ids)))
        named = [*named, *await self._database.fetch(select(index_snapshots.c.object_key))]  # two of each shard
        going = select(object_deletions.c.prefix).where(self._database.among(object_deletions.c.prefix, list(folders)))
        known = {_folder(row.object_key) for row in named} | {row.prefix for row in await self._database.fetch(going)}
        for folder in folders.keys() - known:
            if [item async for item in self._objects.list(folder)]:
                yield Finding(
                    Kind.OBJECT_ORPHANED, f"{folder}/", f"no row names it, and it has {folders[folder]} bytes"
                )


def _folder(key: str) -> str:
    return key.rsplit("/", 1)[0]


async def is_wanted(database: Database, table: Table, id: str, folder: str) -> bool:
    """Whether a row of files or thumbnails is there now, is not deleted, and its folder's objects are not to be either."""
    kept = is_kept(files) if table is files else of_kept_file(thumbnails.c.file_id)
    going = select(object_deletions.c.prefix).where(object_deletions.c.prefix == folder)
    wanted = await database.fetch(select(table.c.id).where(table.c.id == id, kept))
    return bool(wanted) and not await database.fetch(going)
