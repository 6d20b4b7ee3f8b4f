"""Compaction and inverted lists change how a sub-index is searched, and not what is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ray_jobs.index.shard import Query, Shard
from ray_jobs.index.upkeep import RECALL_WANTED
from tests.unit.index_rows import adds, clustered, removal, unit

DIMENSIONS = 32
COUNT = 6000
KEY = ("t", "c", "")


def no_work() -> None:
    return None


def keep_up(shard: Shard, between: Callable[[], None] = no_work) -> int:
    """Does all upkeep that is due, with something between its steps; returns how many steps it took."""
    steps, sent, count = shard.upkeep(), None, 0
    while True:
        try:
            call = steps.send(sent)
        except StopIteration:
            return count
        sent = call() if call is not None else None
        between()
        count += 1


def found(shard: Shard, queries: np.ndarray, limit: int = 10, **rest: Any) -> list[list[int]]:
    asked = [Query("t", ("c",), query, limit, **rest) for query in queries]
    return [[hit.embedding_id for hit in hits] for hits in shard.search_many(asked)]


def truth(vectors: dict[int, np.ndarray], queries: np.ndarray, limit: int = 10) -> list[list[int]]:
    ids = np.array(list(vectors))
    scores = queries @ np.stack(list(vectors.values())).T
    return [ids[np.argsort(-row, kind="stable")[:limit]].tolist() for row in scores]


def recall(found: list[list[int]], expected: list[list[int]]) -> float:
    hits = sum(len(set(one) & set(other)) for one, other in zip(found, expected, strict=True))
    return hits / sum(map(len, expected))


def near(vectors: np.ndarray, count: int = 50) -> np.ndarray:
    random = np.random.default_rng(7)
    return unit(vectors[random.choice(len(vectors), count)] + random.standard_normal((count, DIMENSIONS)) * 0.05)


@pytest.fixture
def vectors() -> np.ndarray:
    return clustered(COUNT, DIMENSIONS)


def held(vectors: np.ndarray, gone: range = range(0)) -> dict[int, np.ndarray]:
    """By embedding id, less those of some files."""
    return {id: vector for id, vector in enumerate(vectors, 1) if id // 50 not in gone}


def without(shard: Shard, files: range) -> None:
    shard.apply([removal(shard.sequence + 1 + number, f"f{file}") for number, file in enumerate(files)])


def test_a_removal_shows_at_once_and_compaction_later_gives_its_room_back(vectors: np.ndarray) -> None:
    shard = Shard(DIMENSIONS)
    shard.apply(adds(vectors))
    gone = range(0, 60)
    without(shard, gone)
    queries, left = near(vectors), held(vectors, gone)
    assert found(shard, queries) == truth(left, queries)
    assert shard.size == len(left) and shard.sub_indexes[KEY].vectors.count == COUNT
    assert keep_up(shard) > 0
    assert shard.sub_indexes[KEY].vectors.count == len(left)
    assert found(shard, queries) == truth(left, queries)
    assert keep_up(shard) == 0


def test_a_search_that_meets_only_removed_rows_looks_past_them(vectors: np.ndarray) -> None:
    """All that is nearest goes: more rows than a search looks past at first."""
    shard = Shard(DIMENSIONS)
    ordered = vectors[np.argsort(-(vectors @ vectors[0]))]
    shard.apply(adds(ordered))
    gone = range(0, 20)
    without(shard, gone)
    assert found(shard, vectors[:1]) == truth(held(ordered, gone), vectors[:1])


def test_what_changes_during_a_compaction_is_in_its_outcome(vectors: np.ndarray) -> None:
    shard = Shard(DIMENSIONS)
    half = COUNT // 2
    shard.apply(adds(vectors[:half]))
    without(shard, range(0, 40))
    state = {"files": 40, "added": half}

    def change() -> None:
        if state["files"] < 44:
            without(shard, range(state["files"], state["files"] + 1))
            state["files"] += 1
            shard.apply(
                [
                    row
                    for row in adds(vectors[state["added"] : state["added"] + 100], first=shard.sequence + 1)
                    if int(row.file_id[1:]) >= 44
                ]
            )

    keep_up(shard, change)
    sub_index = shard.sub_indexes[KEY]
    assert sub_index.rows.alive_count == shard.size
    alive = set(sub_index.rows.ids[sub_index.rows.alive].tolist())
    ids = found(shard, near(vectors), limit=2000)
    assert all(set(hits) <= alive and len(hits) == min(2000, len(alive)) for hits in ids)
    for row, id in zip(np.flatnonzero(sub_index.rows.alive), sub_index.rows.ids[sub_index.rows.alive], strict=True):
        if id <= half:
            assert np.array_equal(sub_index.vectors.at(np.array([row]))[0], vectors[id - 1])


def test_a_collection_that_is_deleted_during_upkeep_stays_deleted(vectors: np.ndarray) -> None:
    shard = Shard(DIMENSIONS, lists_from=1000)
    shard.apply(adds(vectors))
    without(shard, range(0, 60))
    keep_up(shard, lambda: shard.apply([removal(shard.sequence + 1, "")]))
    assert shard.size == 0 and found(shard, vectors[:1]) == [[]]


def test_lists_find_what_a_look_at_everything_does_and_look_at_less(vectors: np.ndarray) -> None:
    shard = Shard(DIMENSIONS, lists_from=COUNT)
    shard.apply(adds(vectors))
    keep_up(shard)
    assert shard.sub_indexes[KEY].lists is not None
    queries = near(vectors, 200)
    before = shard.looked_at
    assert recall(found(shard, queries), truth(held(vectors), queries)) >= 0.95
    assert shard.looked_at - before < 200 * COUNT / 4


def test_lists_go_on_with_what_is_added_removed_and_compacted(vectors: np.ndarray) -> None:
    shard = Shard(DIMENSIONS, lists_from=COUNT // 2)
    shard.apply(adds(vectors[: COUNT // 2]))
    keep_up(shard)
    shard.apply(adds(vectors[COUNT // 2 :], first=COUNT // 2 + 1)[:-100])
    gone = range(0, 40)
    without(shard, gone)
    left = held(vectors[: COUNT - 100], gone)
    queries = near(vectors, 200)
    for _ in range(2):
        assert shard.sub_indexes[KEY].lists is not None
        ids = found(shard, queries)
        assert recall(ids, truth(left, queries)) >= 0.95
        assert all(set(hits) <= set(left) and len(hits) == 10 for hits in ids)
        keep_up(shard)
    assert shard.sub_indexes[KEY].vectors.count == len(left)


def test_what_is_added_while_lists_are_made_is_in_them(vectors: np.ndarray) -> None:
    shard = Shard(DIMENSIONS, lists_from=COUNT // 2)
    shard.apply(adds(vectors[: COUNT // 2]))

    def add_some() -> None:
        if shard.sequence < COUNT:
            first = shard.sequence
            shard.apply(adds(vectors[first : first + 70], first=first + 1))

    keep_up(shard, add_some)
    lists = shard.sub_indexes[KEY].lists
    assert lists is not None and lists.count == shard.sub_indexes[KEY].vectors.count == shard.sequence
    queries = near(vectors, 200)
    assert recall(found(shard, queries), truth(held(vectors[: shard.sequence]), queries)) >= 0.95


def test_lists_that_would_miss_too_much_are_not_used(vectors: np.ndarray) -> None:
    """Vectors without any structure: the nearest are in lists all over."""
    shard = Shard(DIMENSIONS, lists_from=COUNT)
    spread = unit(np.random.default_rng(3).standard_normal((COUNT, DIMENSIONS)))
    shard.apply(adds(spread))
    keep_up(shard)
    assert shard.sub_indexes[KEY].lists is None
    assert keep_up(shard) == 0, "they are tried again when there are more"
    queries = near(spread)
    assert found(shard, queries) == truth(held(spread), queries)
    assert RECALL_WANTED > 0.95


def test_narrowed_and_distinct_searches_stay_exact_beside_lists(vectors: np.ndarray) -> None:
    shard = Shard(DIMENSIONS, lists_from=COUNT)
    shard.apply(adds(vectors))
    keep_up(shard)
    queries = near(vectors, 10)
    only = {id: vector for id, vector in held(vectors).items() if id // 50 == 7}
    assert found(shard, queries, file_ids=("f7",)) == truth(only, queries)
    for hits in found(shard, queries, limit=100, distinct="file"):
        assert len({id // 50 for id in hits}) == 100


def test_a_search_looks_at_no_vector_of_another_collection(vectors: np.ndarray) -> None:
    shard = Shard(DIMENSIONS)
    shard.apply(adds(vectors[:200]))
    shard.apply(adds(vectors, first=201, collection="large"))
    shard.apply(adds(vectors[:100], first=201 + COUNT, tenant="other"))
    found(shard, vectors[:3])
    assert shard.looked_at == 3 * 200


def test_the_work_of_a_search_grows_slower_than_what_is_held() -> None:
    """Four times the vectors, twice the lists: each search looks at about as large a share of fewer."""
    looked_at = []
    for count in (3000, 12000):
        shard = Shard(DIMENSIONS, lists_from=count)
        vectors = clustered(count, DIMENSIONS, clusters=100)
        shard.apply(adds(vectors))
        keep_up(shard)
        assert shard.sub_indexes[KEY].lists is not None
        before = shard.looked_at
        found(shard, near(vectors, 50))
        looked_at.append((shard.looked_at - before) / 50)
    assert looked_at[1] <= 4 * looked_at[0]
    assert looked_at[1] < 12000 / 4
