"""A remote object is read over the network once for all who work on it at a time, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from services.core.errors import ArcusError, Reason
from services.core.store.local_copies import LocalCopies
from services.core.store.objects import Objects
from tests.waiting import async_until


class Store:
    """Objects of ten bytes; loads may be held up, or fail."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.files: list[IO[bytes]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.failures = 0
        self.cancelled = 0

    @property
    def open_count(self) -> int:
        return sum(not file.closed for file in self.files)

    async def load(self, key: str, file: IO[bytes]) -> None:
        self.loads.append(key)
        self.files.append(file)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failures:
            self.failures -= 1
            raise ArcusError(Reason.STORAGE_UNAVAILABLE)
        file.write(key.encode().ljust(10))


async def read(copies: LocalCopies, key: str) -> bytes:
    async with copies.opened(key) as path:
        return path.read_bytes().strip()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_who_work_on_an_object_share_one_copy():
    store = Store()
    copies = LocalCopies(store.load)
    store.go.clear()
    reading = [asyncio.create_task(read(copies, "a")) for _ in range(5)]
    await settled()
    store.go.set()
    assert await asyncio.gather(*reading) == [b"a"] * 5 and await read(copies, "a") == b"a"
    assert store.loads == ["a"]


async def test_those_used_last_are_kept_within_the_bound_and_what_is_in_use_stays():
    store = Store()
    copies = LocalCopies(store.load, max_bytes=20)
    async with copies.opened("a") as used:
        for key in "bcdb":
            await read(copies, key)
        assert used.read_bytes().strip() == b"a"
    assert store.loads == ["a", "b", "c", "d", "b"] and store.open_count == 2
    assert await read(copies, "a") == b"a" and len(store.loads) == 5, "it was used last"


async def test_no_more_copies_are_kept_than_the_bound_however_small():
    store = Store()
    copies = LocalCopies(store.load, max_copies=1)
    for key in "aba":
        await read(copies, key)
    assert store.loads == ["a", "b", "a"] and store.open_count == 1


async def test_a_copy_that_nobody_uses_goes_in_time():
    store = Store()
    copies = LocalCopies(store.load, idle_seconds=0.02)
    async with copies.opened("a") as path:
        await read(copies, "b")
        await async_until(lambda: store.open_count == 1, "the copy goes that nobody uses any more")
        assert path.read_bytes().strip() == b"a"
    await async_until(lambda: store.open_count == 0, "this one too")
    assert await read(copies, "a") == b"a" and store.loads == ["a", "b", "a"]


async def test_a_copy_that_failed_is_tried_anew():
    store = Store()
    store.failures = 1
    copies = LocalCopies(store.load)
    failed = await asyncio.gather(read(copies, "a"), read(copies, "a"), return_exceptions=True)
    assert [type(error) for error in failed] == [ArcusError] * 2
    await settled()
    assert store.open_count == 0
    assert await read(copies, "a") == b"a"


async def test_a_copy_is_given_up_once_nobody_waits_for_it():
    store = Store()
    store.go.clear()
    copies = LocalCopies(store.load)
    first, second = (asyncio.create_task(read(copies, "a")) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    assert store.cancelled == 0
    second.cancel()
    await settled()
    assert store.cancelled == 1 and store.open_count == 0
    store.go.set()
    assert await read(copies, "a") == b"a"


async def test_the_path_of_a_copy_that_is_gone_leads_nowhere_though_its_descriptor_is_used_again():
    store = Store()
    copies = LocalCopies(store.load, max_copies=0)
    async with copies.opened("a") as path:
        number = store.files[0].fileno()
    gc.collect()  # what it closes later would free a lower one
    with descriptors_below(number):
        async with copies.opened("b") as other:
            assert store.files[1].fileno() == number and other != path
            assert not path.exists()


@contextmanager
def descriptors_below(number: int) -> Iterator[None]:
    """Hold every free descriptor below `number`, so that the next file opened gets that one."""
    held = []
    try:
        while (descriptor := os.dup(0)) < number:
            held.append(descriptor)
        os.close(descriptor)
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


async def test_the_links_to_copies_go_with_them():
    copies = LocalCopies(Store().load, max_copies=0)
    async with copies.opened("a") as path:
        pass
    assert list(path.parent.iterdir()) == []
    del copies
    gc.collect()
    assert not path.parent.exists()


@pytest.mark.parametrize("kind", ["folder", "memory"])
async def test_an_object_is_a_file_wherever_it_is_stored(kind: str, tmp_path: Path):
    objects = Objects(f"file://{tmp_path}" if kind == "folder" else "memory:///")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(1024**2)

    stored = await objects.put_stream("tenants/a/original", chunks(), max_bytes=20 * 1024**2)
    async with objects.local_path("tenants/a/original") as path:
        assert path.stat().st_size == stored.size_bytes == 20 * 1024**2
    with pytest.raises(ArcusError, match="larger than the limit"):
        await objects.put_stream("tenants/b/original", chunks(), max_bytes=1024**2)
    await objects.delete_prefix("tenants/a")
    for key in ("tenants/b/original", "tenants/c/original"):
        with pytest.raises(ArcusError, match="is gone"):
            async with objects.local_path(key):
                pass
