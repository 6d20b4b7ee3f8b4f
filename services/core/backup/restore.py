"""Brings a backup into an empty database and an empty object store; the database comes last."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from sqlalchemy import delete, select

from services.core.backup.backups import SECRETS, count_rows
from services.core.backup.dumps import FILES, kind_of, load, sqlite_path, tables
from services.core.backup.manifest import Manifest, damaged
from services.core.backup.pool import LIST, OBJECTS, ObjectList, Pool
from services.core.errors import invalid
from services.core.library.files import Files
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.store.schema import files, index_snapshots, thumbnails

DRAFT = ".restoring"


async def restore(backup: Path, url: str, objects: Objects, *, secrets_to: Path) -> Manifest:
    """Tables of an older Arcus are brought to this one's version. Index shards begin with the log: snapshots are not kept.

    Secrets, where the backup has any, go to the data folder `secrets_to`, unless they are there. Raises INVALID_ARGUMENT
    where the backup is damaged, of a newer Arcus or of the other kind of database, or where there is something already; what
    was written until then is taken back.
    """
    manifest = await asyncio.to_thread(Manifest.read, backup)
    if manifest.database != kind_of(url):
        raise invalid(
            f"{backup} is of {manifest.database}, and the database to restore into is {kind_of(url)}: set "
            "ARCUS_DATABASE_URL to one of its kind."
        )
    await _check_empty(url, objects)
    draft = sqlite_path(url).with_name(sqlite_path(url).name + DRAFT) if manifest.database == "sqlite" else None
    listed = ObjectList(backup / LIST)
    try:
        await _put_objects(listed, Pool(backup.parent / OBJECTS), objects)
        await load(url, backup, draft)
        database = Database(f"sqlite+aiosqlite:///{draft}" if draft else url)
        try:
            await _check_rows(database, manifest, backup)
            await database.migrate()
            await _catch_up(database, objects, listed)
        finally:
            await database.close()
        if draft is not None:
            draft.rename(sqlite_path(url))
    except BaseException:
        await objects.delete_prefix("tenants")
        if draft is not None:
            draft.unlink(missing_ok=True)
        raise
    finally:
        listed.close()
    _restore_secrets(backup, manifest, secrets_to)
    return manifest


async def _check_empty(url: str, objects: Objects) -> None:
    taken = f"{sqlite_path(url)} is there already" if kind_of(url) == "sqlite" and sqlite_path(url).exists() else ""
    if kind_of(url) == "postgresql":
        database = Database(url)
        try:
            async with database.read() as connection:
                taken = "The database has tables already" if await tables(connection) else ""
        finally:
            await database.close()
    if not taken:
        async for item in objects.list():
            taken = f"The object store holds {item.key} already"
            break
    if taken:
        raise invalid(
            f"{taken}; restore into an empty database and an empty object store (ARCUS_DATA_DIR, or ARCUS_DATABASE_URL and "
            "ARCUS_OBJECTS_URL)."
        )


async def _put_objects(listed: ObjectList, pool: Pool, objects: Objects) -> None:
    for entry in listed.of("copied"):
        chunks = pool.chunks(entry.sha256, entry.size_bytes)
        await objects.put_stream(entry.key, chunks, max_bytes=entry.size_bytes)


async def _check_rows(database: Database, manifest: Manifest, backup: Path) -> None:
    async with database.read() as connection:
        if await count_rows(connection) != manifest.rows:
            raise damaged(backup / FILES[manifest.database], "it holds other rows than the manifest says")


async def _catch_up(database: Database, objects: Objects, listed: ObjectList) -> None:
    """Deletes what was deleted while the backup was made, and rows of what is not kept."""
    kept = Files(database, objects, max_upload_bytes=1)
    for entry in listed.of("gone"):
        if entry.kind == "files":
            owner = await database.fetch(select(files.c.tenant_id).where(files.c.id == entry.row_id))
            for (tenant_id,) in owner:
                await kept.delete(tenant_id, entry.row_id)
        else:
            async with database.write() as connection:
                await connection.execute(delete(thumbnails).where(thumbnails.c.id == entry.row_id))
    async with database.write() as connection:
        await connection.execute(delete(index_snapshots))


def _restore_secrets(backup: Path, manifest: Manifest, to: Path) -> None:
    for name in manifest.parts:
        target = to / Path(name).name
        if name.startswith(f"{SECRETS}/") and not target.exists():
            to.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(backup / name, target)
            target.chmod(0o600)
