"""An object that was cut short, changed or lost ends its job with a reason, and no path is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.store.objects import LostObjectError, Objects
from tests.contract.store_steps import Store, stream
from tests.contract.test_job_tries import ended

CONTENT = b"a video" * 1000


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def change(path: Path) -> None:
    path.write_bytes(b"y" * path.stat().st_size)


@pytest.mark.parametrize(
    ("harm", "reason"), [(cut, "40 bytes of 100"), (change, "changed or damaged"), (Path.unlink, "is gone")]
)
async def test_a_file_whose_object_was_harmed_is_not_described_and_says_why(
    store: Store, database_url: str, harm, reason: str
) -> None:
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    harm(store.folder / file.object_key)
    description = await ended(store, database_url, member.description_id)
    assert description.status == "failed" and reason in description.error
    assert "upload it again" in description.error
    assert store.tenant not in description.error and "/" not in description.error


@pytest.mark.parametrize("kind", ["folder", "remote"])
async def test_an_object_is_told_from_what_is_left_of_it(tmp_path: Path, kind: str) -> None:
    objects = Objects(f"file://{tmp_path}" if kind == "folder" else "memory:///")
    stored = await objects.put_stream("a/original", stream([CONTENT]), max_bytes=10**6)
    await objects.check("a/original", stored.size_bytes, stored.sha256)
    with pytest.raises(LostObjectError, match="7000 bytes of 8000"):
        await objects.check("a/original", 8000, stored.sha256)
    await objects.delete("a/original")
    with pytest.raises(LostObjectError, match="gone"):
        await objects.check("a/original", stored.size_bytes, stored.sha256)
    with pytest.raises(LostObjectError, match="gone"):
        async with objects.local_path("a/original"):
            pass
