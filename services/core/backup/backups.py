"""Takes a backup while the system works: the database at one moment, then the objects that its rows name.

What is deleted after that moment may be gone before it is copied: the backup notes it, and a restore deletes it as well.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Integer, literal, null, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.backup.dumps import FILES, dumped, kind_of, tables
from services.core.backup.manifest import Manifest, Part
from services.core.backup.pool import LIST, OBJECTS, TEMPORARY, Entry, ObjectList, Pool
from services.core.backup.pruning import prune, whole_backups
from services.core.backup.stored import is_wanted
from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason, invalid
from services.core.store.database import Database
from services.core.store.migration import found as schema_of
from services.core.store.objects import LostObjectError, Objects
from services.core.store.schema import files, thumbnails
from services.core.store.tombstones import is_kept, of_kept_file

SECRETS = "secrets"
SECRET_FILES = ("link_secret", "api_key", "admin_key")
COPIES = 8  # at a time
TABLES = {"files": files, "thumbnails": thumbnails}


async def back_up(
    url: str,
    database: Database,
    objects: Objects,
    to: Path,
    *,
    secrets_from: Path | None = None,
    keep: int | None = None,
) -> tuple[Path, Manifest]:
    """Makes another backup in the folder `to`, whole or not at all; returns where it is. `url`: of `database`.

    Objects that an earlier one there holds are not copied again. Of `secrets_from`, a data folder, secrets are taken in
    clear. With `keep`, only the newest so many backups stay once this one is whole. Raises STORAGE_FULL,
    STORAGE_UNAVAILABLE, INVALID_ARGUMENT (another runs there, or it can't be written to).
    """
    with _alone(to):
        moment = now_ms()
        name = datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%dT%H-%M-%S.%fZ")
        draft = to / f"{TEMPORARY}{name}"
        pool = Pool(to / OBJECTS)
        try:
            pool.clear()
            draft.mkdir(mode=0o700)
            kind = kind_of(url)
            async with _listed(draft / LIST) as wanted:
                async with dumped(url, draft) as connection:
                    schema = await connection.run_sync(schema_of)
                    rows = await count_rows(connection)
                    await _want(connection, wanted)
                with _earlier(to) as earlier:
                    await _Copying(database, objects, pool, wanted, earlier).all()
                (copied, copied_bytes), (lost, _) = wanted.count("copied"), wanted.count("lost")
            names = [FILES[kind], LIST, *_keep_secrets(secrets_from, draft)]
            parts = {each: await asyncio.to_thread(Part.of, draft / each) for each in names}
            manifest = Manifest(kind, schema, moment, parts, rows, copied, copied_bytes, lost)
            manifest.write(draft)
            for path in draft.rglob("*"):
                _sync(path)
            draft.rename(to / name)
            _sync(to)
            if keep is not None:
                await asyncio.to_thread(prune, to, keep)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return to / name, manifest


async def count_rows(connection: AsyncConnection) -> dict[str, int]:
    counted = {}
    for table in await tables(connection):
        counted[table] = (await connection.execute(text(f'SELECT count(*) FROM "{table}"'))).scalar_one()
    return counted


async def _want(connection: AsyncConnection, wanted: ObjectList) -> None:
    originals = select(literal("files"), files.c.id, files.c.object_key, files.c.size_bytes, files.c.sha256)
    pictures = select(
        literal("thumbnails"),
        thumbnails.c.id,
        thumbnails.c.object_key,
        null().cast(Integer),
        null().cast(files.c.sha256.type),
    )
    kept = originals.where(is_kept(files)), pictures.where(of_kept_file(thumbnails.c.file_id))
    async for row in await connection.stream(union_all(*kept)):
        wanted.want(*row)


class _Copying:
    def __init__(
        self, database: Database, objects: Objects, pool: Pool, wanted: ObjectList, earlier: ObjectList | None
    ) -> None:
        self._database = database
        self._objects = objects
        self._pool = pool
        self._wanted = wanted
        self._earlier = earlier
        self._places = asyncio.Semaphore(COPIES)

    async def all(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for entries in self._wanted.folders():
                    tags = {}
                    if any(not entry.sha256 for entry in entries):
                        tags = {item.key: item.tag async for item in self._objects.list(entries[0].folder)}
                    for entry in entries:
                        await self._places.acquire()
                        task = group.create_task(self._copy(entry, tags.get(entry.key, "")))
                        task.add_done_callback(lambda _: self._places.release())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _copy(self, entry: Entry, tag: str) -> None:
        """What a row tells the checksum of is known by that; a picture, by its tag when it was copied before."""
        known: Entry | None = entry
        if not entry.sha256:
            before = self._earlier.find(entry.key) if self._earlier is not None else None
            known = before if before is not None and tag and before.tag == tag else None
        if known is not None and self._pool.holds(known.sha256, known.size_bytes):
            self._wanted.copied(entry.key, known.sha256, known.size_bytes, tag)
            return
        try:
            stored = await self._pool.add(self._objects.chunks(entry.key))
        except LostObjectError:
            stored = None
        if stored is not None and (not entry.sha256 or stored.sha256 == entry.sha256):
            self._wanted.copied(entry.key, stored.sha256, stored.size_bytes, tag)
        else:
            wanted = await is_wanted(self._database, TABLES[entry.kind], entry.row_id, entry.folder)
            self._wanted.missed(entry.key, is_gone=not wanted)


@contextmanager
def _alone(to: Path) -> Iterator[None]:
    """The folder for one backup at a time, without what one left that was killed; its errors in one place."""
    try:
        to.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (to / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise invalid(f"Another backup is being made in {to}; wait for it, or name another folder.") from error
            for path in to.glob(f"{TEMPORARY}*"):
                shutil.rmtree(path)
            yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArcusError(Reason.STORAGE_FULL, f"The disk of {to} is full; free space on it.") from error
        raise invalid(f"{to} can't be written to ({error.strerror}); name another folder.") from error


@asynccontextmanager
async def _listed(path: Path) -> AsyncIterator[ObjectList]:
    listed = ObjectList(path, is_new=True)
    try:
        yield listed
    finally:
        listed.close()


@contextmanager
def _earlier(to: Path) -> Iterator[ObjectList | None]:
    """The list of the newest backup there."""
    found = whole_backups(to)
    if not found:
        yield None
        return
    listed = ObjectList(found[-1] / LIST)
    try:
        yield listed
    finally:
        listed.close()


def _keep_secrets(data_dir: Path | None, draft: Path) -> list[str]:
    if data_dir is None:
        return []
    (draft / SECRETS).mkdir(mode=0o700)
    kept = [name for name in SECRET_FILES if (data_dir / name).exists()]
    for name in kept:
        shutil.copy(data_dir / name, draft / SECRETS / name)
        (draft / SECRETS / name).chmod(0o600)
    return [f"{SECRETS}/{name}" for name in kept]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
