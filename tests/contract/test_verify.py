"""What `arcus verify` finds: nothing in what is whole, and each kind of harm by its name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import Table, delete, insert, select, text, update

from services.core.backup.findings import ADVICE, Finding, Kind
from services.core.backup.verification import Verification
from services.core.index.snapshots import Snapshots
from services.core.library import deletions
from services.core.library.thumbnails import NewThumbnail
from services.core.media import SegmentDescription
from services.core.search.full_text_index import words_table
from services.core.store.deletions import sweep
from services.core.store.limit_tables import tenant_totals
from services.core.store.objects import Objects
from services.core.store.schema import (
    collection_shards,
    collections,
    embeddings,
    files,
    index_log,
    index_snapshots,
    segment_descriptions,
    segments,
    shards,
    tenants,
    thumbnails,
)
from tests.contract.s3_server import S3Server
from tests.contract.store_steps import WORKER, Store, stream, vector

LONG_AGO = 1_000_000_000  # seconds of Unix time


@dataclass(frozen=True)
class Stored:
    """A file with two described segments and a picture, in a collection, and a snapshot of its shard."""

    store: Store
    object_key: str
    picture_key: str
    shard: int


@pytest.fixture
async def stored(store: Store) -> Stored:
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    job, parts = await store.begin(member.description_id)
    picture = f"{file.object_key.rsplit('/', 1)[0]}/thumbnails/{parts[0].id}.jpg"
    await store.objects.put(picture, b"a picture")
    for segment in parts:
        await store.descriptions.write_segment(
            job,
            WORKER,
            segment,
            SegmentDescription(title="tides"),
            "tides",
            [vector("tides")],
            NewThumbnail(1.0, 4, 3, picture) if segment is parts[0] else None,
        )
    await store.descriptions.finish(job, WORKER, title="A talk", summary="On tides.")
    await store.jobs.finish(job, WORKER)
    (place,) = await store.log.placements([collection.id])
    await Snapshots(store.database, store.objects).write(place.shard, place.last_sequence, stream([b"snapshot"]))
    return Stored(store, file.object_key, picture, place.shard)


async def findings(store: Store, **options) -> list[Finding]:
    return [finding async for finding in Verification(store.database, store.objects, **options).findings()]


async def test_what_is_whole_has_no_findings_also_while_it_is_written_and_deleted(stored: Stored) -> None:
    store = stored.store
    await store.upload("another.mp4", tenant=store.other)
    gone = await store.upload("gone.mp4")
    await store.files.delete(store.tenant, gone.id)
    await store.objects.put(f"tenants/{store.tenant}/files/{gone.id}/original", b"not swept yet")
    verification = Verification(store.database, store.objects, settled_ms=0)
    assert [finding async for finding in verification.findings()] == []
    assert verification.checked["files"] == 2 and verification.checked["bytes"] == 200 + len("snapshot")
    assert verification.checked["vectors"] == verification.checked["members"] * 2 == 2
    await sweep(store.database, store.objects)
    assert await findings(store, settled_ms=0) == []


@pytest.mark.parametrize("table", [files, collections], ids=str)
async def test_what_is_being_deleted_is_no_finding_after_any_step(stored: Stored, table: Table, monkeypatch) -> None:
    store = stored.store
    monkeypatch.setattr(deletions, "BEGUN_STEPS", 1)
    monkeypatch.setattr(deletions.Step.__init__, "__defaults__", (1,))  # row
    ((id,),) = await store.database.fetch(select(table.c.id))
    await (store.files if table is files else store.collections).delete(store.tenant, id)
    steps = 1
    while await store.database.fetch(select(table.c.id)):
        assert await findings(store) == []
        await deletions.Deletions(store.database).begin(table, id)
        steps += 1
    assert steps > 2 and await findings(store) == []


async def test_the_bytes_of_a_tenant_that_is_being_deleted_are_not_counted(stored: Stored) -> None:
    await _execute(stored, update(files).values(deleted_at=1))
    assert [finding.kind for finding in await findings(stored.store)] == [Kind.TOTAL_WRONG]
    await _execute(stored, update(tenants).where(tenants.c.id == stored.store.tenant).values(deleted_at=1))
    assert await findings(stored.store) == []


async def _execute(stored: Stored, statement) -> None:
    async with stored.store.database.write() as connection:
        await connection.execute(statement)


async def _without_keys(stored: Stored, statement) -> None:
    """As damage does it: the database's own foreign keys look away."""
    async with stored.store.database.write() as connection:
        if not stored.store.database.is_sqlite:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(statement)


async def lose(stored: Stored) -> None:
    await stored.store.objects.delete(stored.object_key)


async def cut(stored: Stored) -> None:
    await stored.store.objects.put(stored.object_key, b"short")


async def change(stored: Stored) -> None:
    await stored.store.objects.put(stored.object_key, b"y" * 100)


async def lose_picture(stored: Stored) -> None:
    await stored.store.objects.delete(stored.picture_key)


async def leave_picture(stored: Stored) -> None:
    await _execute(stored, delete(thumbnails))


async def leave_folder(stored: Stored) -> None:
    await stored.store.objects.put("tenants/nobody/files/nothing/original", b"left")


async def lose_snapshot(stored: Stored) -> None:
    await stored.store.objects.delete_prefix("index")


async def run_ahead(stored: Stored) -> None:
    await _execute(stored, update(index_snapshots).values(sequence=99))


async def fall_behind(stored: Stored) -> None:
    await _execute(stored, update(shards).where(shards.c.shard == stored.shard).values(trimmed_sequence=99))


async def lose_log(stored: Stored) -> None:
    await _execute(stored, update(shards).where(shards.c.shard == stored.shard).values(last_sequence=99))


async def miscount(stored: Stored) -> None:
    await _execute(stored, update(collection_shards).values(vectors=99))


async def repeat_vectors(stored: Stored) -> None:
    of_shard = shards.c.shard == stored.shard
    await _execute(stored, update(shards).where(of_shard).values(last_sequence=shards.c.last_sequence + 1))
    row = {"shard": stored.shard, "sequence": 3, "operation": "add", "collection_id": "c", "file_id": "f"}
    await _execute(stored, insert(index_log).values(**row, tenant_id=stored.store.other, embedding_id=1))


async def lose_description(stored: Stored) -> None:
    await _execute(stored, delete(segment_descriptions))


async def lose_words(stored: Stored) -> None:
    ((id,),) = await stored.store.database.fetch(select(segment_descriptions.c.id).limit(1))
    if stored.store.database.is_sqlite:
        await _execute(stored, text(f"DELETE FROM {words_table(stored.store.tenant)} WHERE rowid = {id}"))
    else:
        await _execute(stored, text(f"UPDATE segment_descriptions SET text_vector = NULL WHERE id = {id}"))


async def dangle(stored: Stored) -> None:
    await _without_keys(stored, update(thumbnails).values(segment_id="nothing"))


async def forget_bytes(stored: Stored) -> None:
    await _execute(stored, update(tenant_totals).values(stored_bytes=7))


Harm = Callable[[Stored], Awaitable[None]]


@pytest.mark.parametrize(
    "harms",
    [
        {
            change: Kind.OBJECT_CHANGED,
            lose_picture: Kind.PICTURE_MISSING,
            leave_folder: Kind.OBJECT_ORPHANED,
            lose_snapshot: Kind.SNAPSHOT_UNREADABLE,
            miscount: Kind.INDEX_COUNT_WRONG,
            lose_description: Kind.DESCRIPTION_INCOMPLETE,
            forget_bytes: Kind.TOTAL_WRONG,
        },
        {
            cut: Kind.OBJECT_CHANGED,
            leave_picture: Kind.OBJECT_ORPHANED,
            repeat_vectors: Kind.LOG_DANGLING,
            lose_log: Kind.LOG_INCOMPLETE,
            fall_behind: Kind.SNAPSHOT_BEHIND,
        },
        {
            lose: Kind.OBJECT_MISSING,
            lose_words: Kind.WORDS_MISSING,
            dangle: Kind.ROW_DANGLING,
            run_ahead: Kind.SNAPSHOT_AHEAD,
        },
    ],
)
async def test_each_kind_of_harm_is_found_once_by_its_name(stored: Stored, harms: dict[Harm, Kind]) -> None:
    for harm in harms:
        await harm(stored)
    found = await findings(stored.store, settled_ms=-1000)
    assert Counter(finding.kind for finding in found) == Counter(harms.values()), found


async def test_every_row_that_names_one_of_another_tenant_is_found(stored: Stored) -> None:
    await _execute(stored, update(segments).values(tenant_id=stored.store.other))
    found = await findings(stored.store)
    assert Counter(finding.kind for finding in found) == {Kind.ROW_DANGLING: 9}
    assert {finding.subject.split()[0] for finding in found} == {
        "segments",
        "segment_descriptions",
        "embeddings",
        "thumbnails",
    }


async def test_vectors_that_are_gone_are_missing_in_the_log_and_in_the_count(stored: Stored) -> None:
    await _execute(stored, delete(embeddings))
    found = Counter(finding.kind for finding in await findings(stored.store))
    assert found == {Kind.INDEX_COUNT_WRONG: 1, Kind.LOG_DANGLING: 2}


async def test_what_is_new_may_still_get_its_row(stored: Stored) -> None:
    await leave_folder(stored)
    await leave_picture(stored)
    assert await findings(stored.store) == []
    for path in stored.store.stored():
        os.utime(path, (LONG_AGO, LONG_AGO))
    assert {finding.kind for finding in await findings(stored.store)} == {Kind.OBJECT_ORPHANED}


async def test_sizes_alone_are_compared_where_that_is_asked_for(stored: Stored) -> None:
    await change(stored)
    assert await findings(stored.store, reads_objects=False) == []


async def test_a_remote_store_is_read_as_a_folder_is(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    async def chunks(path) -> AsyncIterator[bytes]:
        yield path.read_bytes()

    with S3Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        objects = Objects("s3://bucket")
        for path in stored.store.stored():
            await objects.put_stream(str(path.relative_to(stored.store.folder)), chunks(path), max_bytes=1000)
        verification = Verification(stored.store.database, objects)
        assert [finding async for finding in verification.findings()] == []
        server.objects[stored.object_key] = b"y" * 100
        assert [finding.kind async for finding in verification.findings()] == [Kind.OBJECT_CHANGED]


def test_every_kind_says_what_to_do() -> None:
    assert set(ADVICE) == set(Kind)
