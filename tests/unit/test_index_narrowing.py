"""A search that is narrowed, or wants each segment or file once, finds what a look at every row would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_jobs.index.shard import Query, Shard
from services.core.index.embedding_log import LogRow

DIMENSIONS = 8
FILES = tuple(f"f{n}" for n in range(4))
SEGMENTS = tuple(f"s{n}" for n in range(6))


def vector(number: int) -> np.ndarray:
    values = np.random.default_rng(number).standard_normal(DIMENSIONS)
    return (values / np.linalg.norm(values)).astype("<f4")


def add(sequence: int, collection: str, file: str, segment: str, id: int, tenant: str = "t") -> LogRow:
    return LogRow(sequence, "add", tenant, collection, file, f"{file}-{segment}", id, vector(id).tobytes())


def remove(sequence: int, collection: str, file: str) -> LogRow:
    return LogRow(sequence, "remove", "t", collection, file, "", 0, None)


places = st.tuples(st.sampled_from(["c1", "c2"]), st.sampled_from(FILES), st.sampled_from(SEGMENTS))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(places, min_size=1, max_size=60),
    st.lists(st.tuples(st.sampled_from(["c1", "c2"]), st.sampled_from(FILES)), max_size=3),
    st.sets(st.sampled_from([*FILES, "unknown"]), max_size=3),
    st.sets(st.sampled_from([f"{file}-{segment}" for file in FILES for segment in SEGMENTS[:2]]), max_size=4),
    st.sampled_from(["embedding", "segment", "file"]),
    st.integers(1, 5),
)
def test_a_narrowed_search_is_exact(
    added: list[tuple[str, str, str]],
    removed: list[tuple[str, str]],
    file_ids: set[str],
    segment_ids: set[str],
    distinct: Any,
    limit: int,
) -> None:
    rows = [add(number, *place, number) for number, place in enumerate(added, 1)]
    rows += [remove(len(rows) + number, *place) for number, place in enumerate(removed, 1)]
    shard = Shard(DIMENSIONS)
    shard.apply(rows)
    query = Query("t", ("c1", "c2"), vector(0), limit, tuple(file_ids), tuple(segment_ids), distinct)
    others = [Query("t", ("c1",), vector(number), 3) for number in range(5)]
    (hits, *_) = shard.search_many([query, *others])

    best: dict[Any, tuple[float, int]] = {}
    for number, (collection, file, segment) in enumerate(added, 1):
        name = f"{file}-{segment}"
        is_kept = (not file_ids or file in file_ids) and (not segment_ids or name in segment_ids)
        if is_kept and (collection, file) not in removed:
            key = {"embedding": number, "segment": name, "file": file}[distinct]
            score = float(vector(number) @ vector(0))
            best[key] = max(best.get(key, (-2.0, 0)), (score, -number))
    expected = sorted(best.values(), reverse=True)[:limit]
    assert [hit.embedding_id for hit in hits] == [-number for _, number in expected]
    assert np.allclose([hit.score for hit in hits], [score for score, _ in expected], atol=1e-6)


@pytest.mark.parametrize("named", [{"file_ids": ("f1",)}, {"segment_ids": ("f1-s0",)}])
def test_naming_another_tenants_file_finds_nothing(named: dict[str, Any]) -> None:
    shard = Shard(DIMENSIONS)
    shard.apply([add(1, "c1", "f1", "s0", 1, tenant="first"), add(2, "c1", "f2", "s0", 2, tenant="second")])
    (hits,) = shard.search_many([Query("second", ("c1",), vector(1), 5, **named)])
    assert hits == []


def test_a_file_that_comes_back_is_found_again() -> None:
    shard = Shard(DIMENSIONS)
    shard.apply([add(1, "c1", "f1", "s0", 1), add(2, "c1", "f2", "s0", 2), remove(3, "c1", "f1")])
    shard.apply([add(4, "c1", "f1", "s0", 1), add(5, "c1", "f1", "s0", 1)])
    (hits,) = shard.search_many([Query("t", ("c1",), vector(1), 5, ("f1",), ("f1-s0",), "segment")])
    assert [hit.embedding_id for hit in hits] == [1] and shard.size == 2


def test_the_relevant_segment_of_one_file_of_a_thousand_is_found() -> None:
    """All others are nearer to the question, so that no depth short of everything would reach it."""
    near, far = vector(1), -vector(1)
    rows = [
        LogRow(n, "add", "t", "c", f"f{n % 1000}", f"s{n}", n, (far if n % 1000 == 7 else near).tobytes())
        for n in range(1, 20_001)
    ]
    shard = Shard(DIMENSIONS)
    shard.apply(rows)
    (hits,) = shard.search_many([Query("t", ("c",), near, 5, ("f7",))])
    assert [hit.embedding_id % 1000 for hit in hits] == [7] * 5
