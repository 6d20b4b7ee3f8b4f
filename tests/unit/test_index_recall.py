"""Inverted lists keep finding nearly everything, whatever happens to what they hold."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_jobs.index.shard import Shard
from ray_jobs.index.snapshot import restore
from tests.unit.index_rows import adds, clustered, removal
from tests.unit.test_index_snapshot import stored
from tests.unit.test_index_upkeep import DIMENSIONS, KEY, found, keep_up, near, recall, truth

STARTS, BLOCK = 3000, 500
POOL = clustered(30_000, DIMENSIONS, clusters=60, seed=9)

steps = st.lists(
    st.tuples(st.sampled_from(["add", "add", "remove", "update", "upkeep", "restart"]), st.integers(0, 1000)),
    min_size=3,
    max_size=10,
)


@settings(max_examples=12, deadline=None)
@given(steps)
def test_lists_find_95_of_100_and_nothing_that_was_removed(changes: list[tuple[str, int]]) -> None:
    shard = Shard(DIMENSIONS, lists_from=STARTS)
    shard.apply(adds(POOL[:STARTS]))
    keep_up(shard)
    assert shard.sub_indexes[KEY].lists is not None
    alive = {id: POOL[id - 1] for id in range(1, STARTS + 1)}
    for what, number in changes:
        first = shard.sequence + 1
        if what in ("remove", "update"):
            file = sorted({id // 50 for id in alive})[number % len({id // 50 for id in alive})]
            gone = [id for id in alive if id // 50 == file]
            shard.apply([removal(first, f"f{file}")])
            for id in gone:
                del alive[id]
        if what in ("add", "update"):
            first = (shard.sequence // 50 + 1) * 50
            count = BLOCK if what == "add" else 50
            new = POOL[first - 1 : first - 1 + count]
            shard.apply(adds(new, first=first))
            alive.update(enumerate(new, first))
        if what == "upkeep":
            keep_up(shard)
        if what == "restart":
            shard = _restarted(shard)
    queries = near(np.stack(list(alive.values())), 100)
    ids = found(shard, queries)
    assert recall(ids, truth(alive, queries)) >= 0.95
    assert all(set(hits) <= set(alive) and len(hits) == 10 for hits in ids)


def _restarted(shard: Shard) -> Shard:
    fresh = shard.emptied()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot"
        restore(fresh, path, asyncio.run(stored(shard, path)))
    return fresh
