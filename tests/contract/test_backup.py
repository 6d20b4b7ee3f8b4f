"""Backups taken under writes, restored beside: nothing is missing, and a backup that is not whole is refused."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import text

from services.core.backup.backups import back_up
from services.core.backup.dumps import FILES, kind_of
from services.core.backup.manifest import NAME, Manifest
from services.core.backup.pool import LIST
from services.core.backup.pruning import prune
from services.core.backup.restore import restore
from services.core.backup.verification import Verification
from services.core.errors import ArcusError, Reason
from services.core.library.files import Files
from services.core.search.full_text import FullText
from services.core.store.database import Database
from services.core.store.deletions import sweep
from services.core.store.objects import Objects
from services.core.tenants.keys import Keys
from tests.contract.s3_server import S3Server
from tests.contract.store_steps import Store, stream
from tests.contract.test_store_migrations import _go
from tests.migrated import copy_migrated


@pytest.fixture
async def empty_url(database_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database like the other, with nothing in it."""
    if database_url.startswith("sqlite"):
        (tmp_path / "restored").mkdir()
        yield f"sqlite+aiosqlite:///{tmp_path / 'restored' / 'arcus.db'}"
        return
    server = request.getfixturevalue("postgres")
    name = f"test_{uuid4().hex}"
    await server.create(name, template="template0")
    yield server.url(name)
    await server.drop(name)


async def described(store: Store) -> None:
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    await store.objects.put(f"{file.object_key.rsplit('/', 1)[0]}/thumbnails/default.jpg", b"no row yet")


@asynccontextmanager
async def restored(backup: Path, url: str, folder: Path) -> AsyncIterator[tuple[Database, Objects, Manifest]]:
    objects = Objects(f"file://{folder}")
    manifest = await restore(backup, url, objects, secrets_to=folder.parent)
    database = Database(url)
    yield database, objects, manifest
    await database.close()


async def findings(database: Database, objects: Objects) -> list[Any]:
    return [finding async for finding in Verification(database, objects, settled_ms=-1000).findings()]


async def test_a_backup_under_writes_and_deletions_is_restored_whole_beside(
    store: Store, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    await described(store)
    key = await store.keys.create("first")
    before = [await store.upload(f"before-{number}.mp4") for number in range(10)]
    stopped = asyncio.Event()

    async def write() -> None:
        number = 0
        while not stopped.is_set():
            await store.upload(f"during-{number}.mp4", size=number + 1)
            number += 1

    async def remove() -> None:
        for file in before:
            await store.files.delete(store.tenant, file.id)
            await sweep(store.database, store.objects)
            await asyncio.sleep(0)

    writing, removing = asyncio.create_task(write()), asyncio.create_task(remove())
    backup, manifest = await back_up(database_url, store.database, store.objects, tmp_path / "backups")
    await removing
    stopped.set()
    await writing
    assert manifest.lost == 0
    being_made = backup.parent / "objects" / ".partial-of-another-backup"
    being_made.touch()
    async with restored(backup, empty_url, tmp_path / "restored-objects") as (database, objects, told):
        assert told == manifest
        assert await findings(database, objects) == []
        assert (await Keys(database).authenticate(key)).tenant_id == store.tenant
        found = await FullText(database).search(store.tenant, await collections_of(database), ["tide", "moon"], 10)
        assert found == await store.full_text.search(
            store.tenant, await collections_of(store.database), ["tide", "moon"], 10
        )
        assert found and being_made.exists()


async def collections_of(database: Database) -> list[str]:
    return list((await database.fetch(text("SELECT id FROM collections")))[0])


async def test_what_is_deleted_between_the_databases_copy_and_its_objects_is_deleted_in_the_restored_one(
    store: Store, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    kept, gone = await store.upload("kept.mp4"), await store.upload("gone.mp4")

    class Deleting(Objects):
        """Whose objects are read once the file is deleted and swept."""

        async def chunks(self, key: str) -> AsyncIterator[bytes]:
            if key == gone.object_key:
                await store.files.delete(store.tenant, gone.id)
                await sweep(store.database, store.objects)
            async for chunk in super().chunks(key):
                yield chunk

    objects = Deleting(f"file://{store.folder}")
    backup, manifest = await back_up(database_url, store.database, objects, tmp_path / "backups")
    assert (manifest.rows["files"], manifest.objects, manifest.lost) == (2, 1, 0)
    async with restored(backup, empty_url, tmp_path / "restored-objects") as (database, objects, _):
        listed = Files(database, objects, max_upload_bytes=1)
        assert await listed.find(gone.id) is None and await listed.find(kept.id) is not None
        assert await findings(database, objects) == []


async def test_an_object_that_is_lost_is_told_and_all_else_is_kept(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    lost, changed, _ = [await store.upload(name) for name in ("a.mp4", "b.mp4", "c.mp4")]
    await store.objects.delete(lost.object_key)
    await store.objects.put(changed.object_key, b"y" * 100)
    _, manifest = await back_up(database_url, store.database, store.objects, tmp_path / "backups")
    assert (manifest.objects, manifest.lost) == (1, 2)


async def test_what_an_earlier_backup_holds_is_not_copied_again(
    store: Store, tmp_path: Path, database_url: str
) -> None:
    read: list[str] = []

    class Counting(Objects):
        def chunks(self, key: str) -> AsyncIterator[bytes]:
            read.append(key)
            return super().chunks(key)

    objects = Counting(f"file://{store.folder}")
    await described(store)
    for expected in (1, 0):
        read.clear()
        await back_up(database_url, store.database, objects, tmp_path / "backups")
        assert len(read) == expected
    await store.upload("new.mp4", size=7)
    _, manifest = await back_up(database_url, store.database, objects, tmp_path / "backups")
    assert len(read) == 1 and manifest.objects == 2 and manifest.object_bytes == 107
    assert len(list((tmp_path / "backups").glob("2*"))) == 3


async def test_what_is_deleted_is_gone_from_the_backups_after_as_many_as_are_kept(
    store: Store, tmp_path: Path, database_url: str, empty_url: str
) -> None:
    folder = tmp_path / "backups"

    async def backed_up() -> Path:
        return (await back_up(database_url, store.database, store.objects, folder, keep=2))[0]

    def kept() -> set[str]:
        return {path.name for path in (folder / "objects").glob("*/*")}

    gone, stays = await store.upload("gone.mp4", size=11), await store.upload("stays.mp4", size=12)
    first = await backed_up()
    await store.files.delete(store.tenant, gone.id)
    await sweep(store.database, store.objects)
    second = await backed_up()
    assert sorted(folder.glob("2*")) == [first, second] and kept() == {gone.sha256, stays.sha256}
    (folder / "objects" / "00").mkdir(exist_ok=True)
    (folder / "objects" / "00" / ("0" * 64)).write_bytes(b"of a backup that somebody deleted")
    third = await backed_up()
    assert sorted(folder.glob("2*")) == [second, third] and kept() == {stays.sha256}
    async with restored(second, empty_url, tmp_path / "restored-objects") as (database, objects, _):
        assert await findings(database, objects) == []


async def test_no_object_goes_where_a_backup_that_is_kept_does_not_say_which_are_its_own(
    store: Store, tmp_path: Path, database_url: str
) -> None:
    folder = tmp_path / "backups"
    await store.upload("one.mp4")
    first, _ = await back_up(database_url, store.database, store.objects, folder)
    second, _ = await back_up(database_url, store.database, store.objects, folder)
    (second / LIST).write_bytes(b"no list any more" * 100)
    with pytest.raises(ArcusError, match="is damaged") as raised:
        prune(folder, keep=1)
    assert raised.value.reason is Reason.INVALID_ARGUMENT
    assert first.exists() and list((folder / "objects").glob("*/*"))


async def test_a_damaged_or_foreign_backup_is_refused_by_the_file_and_leaves_nothing(
    store: Store, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    file = await store.upload()
    backup, manifest = await back_up(database_url, store.database, store.objects, tmp_path / "backups")
    (pooled,) = (tmp_path / "backups" / "objects").glob("*/*")
    folder = tmp_path / "restored-objects"

    async def refused(match: str) -> None:
        with pytest.raises(ArcusError, match=match) as caught:
            await restore(backup, empty_url, Objects(f"file://{folder}"), secrets_to=tmp_path)
        assert caught.value.reason is Reason.INVALID_ARGUMENT
        assert not [path for path in folder.rglob("*") if path.is_file()]

    for path in (backup / FILES[kind_of(database_url)], backup / LIST, pooled):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        await refused(f"{path.name} is damaged: its checksum is another")
        path.write_bytes(whole)
    pooled.write_bytes(pooled.read_bytes() + b"x")
    await refused(f"{pooled.name} is damaged: it has another size")
    pooled.write_bytes(pooled.read_bytes()[:-1])
    whole = (backup / NAME).read_text()
    (backup / NAME).write_text(whole[:40])
    await refused(f"{NAME} is damaged")
    (backup / NAME).write_text(whole.replace(f'"{manifest.schema}"', '"9999"'))
    await refused("newer Arcus: its tables have version 9999")
    (backup / NAME).write_text(whole.replace('"files": 1', '"files": 2'))
    if not database_url.startswith("sqlite"):  # its file is held by its checksum
        await refused("other rows than the manifest says")
        return
    (backup / NAME).unlink()
    await refused("it has no manifest.json")
    assert file


async def test_what_is_not_empty_is_not_restored_into(store: Store, database_url: str, tmp_path: Path) -> None:
    await store.upload()
    backup, _ = await back_up(database_url, store.database, store.objects, tmp_path / "backups")
    with pytest.raises(ArcusError, match="already; restore into an empty database"):
        await restore(backup, database_url, Objects(f"file://{tmp_path / 'new'}"), secrets_to=tmp_path)
    assert await findings(store.database, store.objects) == []


async def test_objects_of_s3_are_backed_up_and_restored_as_those_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_migrated(tmp_path / "arcus.db")
    url = f"sqlite+aiosqlite:///{tmp_path / 'arcus.db'}"
    database = Database(url)
    tenant = (await (keys := Keys(database)).authenticate(await keys.create("first"))).tenant_id
    with S3Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        objects = Objects("s3://bucket")
        await Files(database, objects, max_upload_bytes=100).upload(tenant, "a.mp4", stream([b"a video"]))
        backup, _ = await back_up(url, database, objects, tmp_path / "backups")
        held = dict(server.objects)
        server.objects.clear()
        (tmp_path / "new").mkdir()
        url = f"sqlite+aiosqlite:///{tmp_path / 'new' / 'arcus.db'}"
        await restore(backup, url, objects, secrets_to=tmp_path / "new")
        assert server.objects == held and b"a video" in held.values()
        again = Database(url)
        assert await findings(again, objects) == []
        await again.close()
    await database.close()


KILLED = """
import asyncio, sys
from pathlib import Path
from services.core.backup import backups, manifest
from services.core.store.database import Database
from services.core.store.objects import Objects

class Slow(Objects):
    async def chunks(self, key):
        print("copying", flush=True)
        await asyncio.sleep(600)
        yield b""

async def run():
    await backups.back_up(sys.argv[1], Database(sys.argv[1]), Slow("file://" + sys.argv[2]), Path(sys.argv[3]))

asyncio.run(run())
"""


async def test_one_that_is_killed_leaves_nothing_that_looks_like_a_backup_and_the_next_one_clears_it_away(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    await store.upload()
    to = tmp_path / "backups"
    arguments = [sys.executable, "-c", KILLED, database_url, str(store.folder), str(to)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None and await process.stdout.readline() == b"copying\n"
    with pytest.raises(ArcusError, match="Another backup is being made"):
        await back_up(database_url, store.database, store.objects, to)
    process.kill()
    await process.wait()
    (left,) = to.glob(".partial-*")
    assert not list(to.glob("2*"))
    with pytest.raises(ArcusError, match="it has no manifest"):
        Manifest.read(left)
    backup, manifest = await back_up(database_url, store.database, store.objects, to)
    assert manifest.objects == 1 and list(to.glob(".partial-*")) == [] and Manifest.read(backup) == manifest


async def test_a_backup_of_older_tables_is_brought_to_this_version(
    store: Store, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    file = await store.upload()
    async with store.database.write() as connection:
        await connection.run_sync(_go, command.downgrade, "0019")
    backup, manifest = await back_up(database_url, store.database, store.objects, tmp_path / "backups")
    assert manifest.schema == "0019"
    async with restored(backup, empty_url, tmp_path / "restored-objects") as (database, objects, _):
        await database.await_schema()
        assert await Files(database, objects, max_upload_bytes=1).find(file.id) == file
