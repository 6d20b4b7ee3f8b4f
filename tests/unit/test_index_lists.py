"""Of what the lists give, as much is scored by its floats as it takes to tell the nearest, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from ray_jobs.index.lists import FIRST_CANDIDATES, Lists, candidate_count, train
from ray_jobs.index.shard import Query, Shard
from ray_jobs.index.vectors import Vectors
from tests.unit.index_rows import adds, clustered, library, removal, unit
from tests.unit.test_index_upkeep import keep_up

COUNT, DIMENSIONS = 12_000, 48
MANY = 384  # dimensions, of which none of a text's vector is beyond what a byte holds


class CountedVectors(Vectors):
    """`scored`: rows whose floats were read, of every query."""

    scored = calls = 0

    def scores(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        self.calls += 1
        self.scored += int((rows >= 0).sum())
        return super().scores(queries, rows)


def near(held: np.ndarray, count: int) -> np.ndarray:
    random = np.random.default_rng(6)
    return unit(held[:count] + 0.3 * random.standard_normal((count, held.shape[1])) / held.shape[1] ** 0.5)


@pytest.mark.parametrize("kind", ["spread", "alike", "clusters", "spikes"])
@pytest.mark.parametrize("depth", [1, 10, 300])
def test_the_nearest_of_all_candidates_are_found_best_first(kind: str, depth: int) -> None:
    held = library(kind, COUNT, DIMENSIONS)
    vectors, lists = Vectors(DIMENSIONS), Lists(train(held, 100), probes=8)
    for some in np.array_split(held, 3):
        vectors.add(some)
        lists.add(some)
    asked = near(held, 16)
    candidates, _ = lists.search(asked, candidate_count(depth))
    found, _ = lists.nearest(asked, depth, vectors)
    for query, rows, (scores, best) in zip(asked, candidates, found, strict=True):
        truth = np.sort(held[rows] @ query)[::-1]
        assert len(set(best.tolist())) == len(best) == min(depth, len(rows)) and set(best) <= set(rows)
        assert np.allclose(scores, held[best] @ query, atol=1e-5)
        assert np.allclose(scores, truth[:depth], atol=1e-5)


def test_few_of_the_candidates_are_read() -> None:
    held = clustered(COUNT, MANY, clusters=20)
    vectors, lists = CountedVectors(MANY), Lists(train(held, 100), probes=16)
    vectors.add(held)
    lists.add(held)
    asked = near(held, 50)
    candidates, _ = lists.search(asked, candidate_count(10))
    lists.nearest(asked, 10, vectors)
    assert vectors.scored < sum(map(len, candidates)) / 2
    assert vectors.calls <= 4, "of all queries together, the first candidates and then the others"


class CountedLists(Lists):
    """`looks`: how many queries each look at the lists was for, and how many candidates it asked for."""

    def __init__(self, centroids: np.ndarray, probes: int) -> None:
        super().__init__(centroids, probes)
        self.looks: list[tuple[int, int]] = []

    def _candidates(
        self, queries: np.ndarray, depth: int, near: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        self.looks.append((len(queries), depth))
        return super()._candidates(queries, depth, near)


@pytest.mark.parametrize(("clusters", "again"), [(400, 0), (20, 16)], ids=["few are near", "many are near"])
def test_all_candidates_are_asked_for_only_of_queries_whose_first_do_not_settle_it(clusters: int, again: int) -> None:
    held = clustered(COUNT, MANY, clusters=clusters)
    vectors, lists = Vectors(MANY), CountedLists(train(held, 100), probes=16)
    vectors.add(held)
    lists.add(held)
    asked = near(held, 16)
    found, _ = lists.nearest(asked, 10, vectors)
    assert lists.looks[0] == (16, FIRST_CANDIDATES)
    assert lists.looks[1:] == ([(again, candidate_count(10))] if again else [])
    all_candidates, _ = lists.search(asked, candidate_count(10))
    for query, rows, (scores, _) in zip(asked, all_candidates, found, strict=True):
        assert np.allclose(scores, np.sort(held[rows] @ query)[::-1][:10], atol=1e-5)


def test_a_look_again_is_at_the_lists_alone_of_the_queries_that_want_it() -> None:
    held = np.concatenate([clustered(COUNT, MANY, clusters=400), clustered(2_000, MANY, clusters=1)])
    vectors, lists = Vectors(MANY), CountedLists(train(held, 100), probes=16)
    vectors.add(held)
    lists.add(held)
    lists.nearest(np.concatenate([near(held[:COUNT], 5), near(held[COUNT:], 3)]), 10, vectors)
    assert lists.looks == [(8, FIRST_CANDIDATES), (3, candidate_count(10))]


def test_what_lists_found_too_little_of_is_looked_for_among_all_their_candidates() -> None:
    """Five files are wanted, each of which holds many of the nearest."""
    held = clustered(COUNT, DIMENSIONS, clusters=20)
    ordered = held[np.argsort(-(held @ held[0]))]
    shard = Shard(DIMENSIONS, lists_from=COUNT)
    shard.apply(adds(ordered))
    keep_up(shard)
    assert shard.sub_indexes["t", "c", ""].lists is not None
    shard.apply([removal(COUNT + 1, "f0"), removal(COUNT + 2, "f2")])
    before = shard.looked_at
    (hits,) = shard.search_many([Query("t", ("c",), ordered[0], 5, distinct="file")])
    assert [hit.embedding_id // 50 for hit in hits] == [1, 3, 4, 5, 6]
    assert shard.looked_at - before < COUNT


def test_how_much_a_search_will_look_at_is_told_before_it() -> None:
    held = clustered(COUNT, DIMENSIONS, clusters=20)
    shard = Shard(DIMENSIONS, lists_from=COUNT)
    shard.apply(adds(held))
    asked = [Query("t", ("c",), query, 10) for query in near(held, 50)]
    assert shard.vectors_to_look_at(asked) == COUNT * len(asked)
    keep_up(shard)
    told, before = shard.vectors_to_look_at(asked), shard.looked_at
    shard.search_many(asked)
    looked = shard.looked_at - before
    assert looked < COUNT * len(asked) / 2 and looked / 3 < told < looked * 3
    assert shard.vectors_to_look_at([asked[0]._replace(file_ids=("f",))]) == float("inf")
    assert shard.vectors_to_look_at([asked[0]._replace(tenant_id="other", file_ids=("f",))]) == 0
