"""A snapshot holds a shard as it was at one row, and a replica that starts from it is as good as any."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ray_jobs.index.shard import Query, Shard
from ray_jobs.index.snapshot import Capture, UnreadableError, restore
from tests.unit.index_rows import adds, clustered, removal
from tests.unit.test_index_upkeep import COUNT, DIMENSIONS, KEY, found, keep_up, near, without


@pytest.fixture
def vectors() -> np.ndarray:
    return clustered(COUNT, DIMENSIONS)


async def stored(shard: Shard, path: Path, between: Callable[[], None] = lambda: None) -> str:
    """Writes a snapshot, with something between its pieces; returns its checksum."""

    async def in_thread(call: Callable[[], Any]) -> Any:
        between()
        return call()

    chunks: AsyncIterator[bytes] = Capture.of(shard).chunks(in_thread)
    whole = b"".join([chunk async for chunk in chunks])
    await asyncio.to_thread(path.write_bytes, whole)
    return hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("lists_from", [COUNT, 10 * COUNT])
async def test_a_restored_shard_answers_as_the_one_that_was_stored(vectors, lists_from, tmp_path):
    shard = Shard(DIMENSIONS, lists_from=lists_from)
    shard.apply(adds(vectors))
    shard.apply(adds(vectors[:300], first=COUNT + 1, tenant="other", collection="d"))
    await asyncio.to_thread(keep_up, shard)
    without(shard, range(3, 9))
    shard.apply([removal(shard.sequence + 1, "f1", operation="move")])
    fresh = shard.emptied()
    restore(fresh, tmp_path / "one", await stored(shard, tmp_path / "one"))
    assert (fresh.sequence, fresh.moved_sequence, fresh.size) == (shard.sequence, shard.sequence, shard.size)
    assert (fresh.sub_indexes[KEY].lists is None) == (shard.sub_indexes[KEY].lists is None) == (lists_from > COUNT)
    assert keep_up(fresh) == 0, "lists that were stored are not made again"
    queries = near(vectors)
    for named in ({}, {"file_ids": ("f20", "f4")}, {"distinct": "file"}, {"segment_ids": ("s700",)}):
        assert found(fresh, queries, **named) == found(shard, queries, **named)
    both = adds(vectors[:100], first=COUNT + 1000)
    for each in (shard, fresh):
        each.apply([*both, removal(COUNT + 2000, "f20"), *adds(vectors[:1], first=COUNT + 2001)])
    assert found(fresh, queries) == found(shard, queries)


async def test_pictures_are_restored_beside_texts_in_a_format_that_earlier_versions_do_not_read(vectors, tmp_path):
    pictures = clustered(COUNT, DIMENSIONS * 2, seed=3)
    shard = Shard(DIMENSIONS, lists_from=COUNT)
    shard.apply(adds(vectors))
    await stored(shard, tmp_path / "one")
    assert b'"format": 1,' in (tmp_path / "one").read_bytes()[:100]
    shard.apply(adds(pictures, first=COUNT + 1, space="frame:a"))
    await asyncio.to_thread(keep_up, shard)
    fresh = shard.emptied()
    digest = await stored(shard, tmp_path / "one")
    assert b'"format": 2,' in (tmp_path / "one").read_bytes()[:100]
    restore(fresh, tmp_path / "one", digest)
    queries, seen = near(vectors), Query("t", ("c",), pictures[5], 10, space="frame:a")
    for each in (shard, fresh):
        assert each.sub_indexes[*KEY[:2], "frame:a"].lists is not None
    assert found(fresh, queries) == found(shard, queries)
    assert fresh.search_many([seen]) == shard.search_many([seen]) and fresh.search_many([seen])[0][0].score > 0.99
    fresh.apply([removal(fresh.sequence + 1, "")])
    assert fresh.size == 0


async def test_what_changes_while_it_is_written_is_not_in_it(vectors, tmp_path):
    shard = Shard(DIMENSIONS)
    shard.apply(adds(vectors))
    queries = near(vectors)
    before, size, sequence = found(shard, queries), shard.size, shard.sequence
    files = iter(range(100))

    def change() -> None:
        without(shard, range(file := next(files), file + 1))
        shard.apply(adds(vectors[:5], first=shard.sequence + 1))
        if file == 2:
            keep_up(shard)

    digest = await stored(shard, tmp_path / "one", change)
    fresh = shard.emptied()
    restore(fresh, tmp_path / "one", digest)
    assert (found(fresh, queries), fresh.size, fresh.sequence) == (before, size, sequence)


async def test_a_snapshot_without_anything_is_one_too(tmp_path):
    shard = Shard(DIMENSIONS)
    shard.apply([removal(7, "f1")])
    fresh = shard.emptied()
    restore(fresh, tmp_path / "one", await stored(shard, tmp_path / "one"))
    assert (fresh.size, fresh.sequence) == (0, 7)


async def test_a_damaged_or_foreign_snapshot_is_not_read(vectors, tmp_path):
    shard = Shard(DIMENSIONS)
    shard.apply(adds(vectors[:100]))
    path = tmp_path / "one"
    digest = await stored(shard, path)
    whole = path.read_bytes()
    with pytest.raises(UnreadableError):
        restore(Shard(DIMENSIONS * 2), path, digest)
    for damaged in (whole[:-1], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:], b"", whole[:100]):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableError, match="checksum"):
            restore(shard.emptied(), path, digest)
    for cut in (0, 4, 100, len(whole) - 1):  # one that was stored so
        path.write_bytes(whole[:cut])
        with pytest.raises(UnreadableError):
            restore(shard.emptied(), path, hashlib.sha256(whole[:cut]).hexdigest())
