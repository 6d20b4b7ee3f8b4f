"""The shard answers exactly what a brute-force search over the surviving rows of the log would."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_jobs.index.shard import Query, Shard
from services.core.index.embedding_log import LogRow
from tests.unit.index_rows import adds, clustered

DIMENSIONS = 4
TENANTS, COLLECTIONS, FILES = ("t1", "t2"), ("c1", "c2", "c3"), ("f1", "f2")


def vector(number: int) -> np.ndarray:
    """A different unit vector for every number."""
    values = np.random.default_rng(number).standard_normal(DIMENSIONS)
    return (values / np.linalg.norm(values)).astype("<f4")


def row(
    sequence: int,
    operation: str,
    tenant: str,
    collection: str,
    file: str,
    embedding_id: int = 0,
    *,
    is_gone: bool = False,
) -> LogRow:
    is_add = operation == "add" and not is_gone
    return LogRow(
        sequence,
        operation,  # type: ignore[arg-type]
        tenant,
        collection,
        file,
        "s",
        embedding_id,
        vector(embedding_id).tobytes() if is_add else None,
    )


changes = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "add", "gone", "remove", "drop"]),
        st.sampled_from(TENANTS),
        st.sampled_from(COLLECTIONS),
        st.sampled_from(FILES),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(
    changes,
    st.lists(st.integers(1, 20), min_size=1, max_size=5),
    st.sampled_from(TENANTS),
    st.lists(st.sampled_from(COLLECTIONS), max_size=3),
    st.integers(1, 8),
)
def test_a_search_finds_exactly_the_nearest_rows_that_are_left_of_this_tenant(
    log: list[tuple[str, str, str, str]], cuts: list[int], tenant: str, collections: list[str], limit: int
) -> None:
    rows: list[LogRow] = []
    alive: dict[int, tuple[str, str, str]] = {}
    for sequence, (kind, owner, collection, file) in enumerate(log, start=1):
        if kind in ("add", "gone"):
            rows.append(row(sequence, "add", owner, collection, file, sequence, is_gone=kind == "gone"))
            if kind == "add":
                alive[sequence] = (owner, collection, file)
        else:
            name = file if kind == "remove" else ""
            rows.append(row(sequence, "remove", owner, collection, name))
            alive = {
                id: place
                for id, place in alive.items()
                if place[:2] != (owner, collection) or (name and place[2] != name)
            }
    shard = Shard(DIMENSIONS)
    first = 0
    for size in [*cuts, len(rows)]:
        shard.apply(rows[first : first + size])
        first += size

    query = vector(10_000)
    hits = shard.search(tenant, collections, query, limit)

    expected = sorted(
        (-float(vector(id) @ query), id)
        for id, (owner, collection, _) in alive.items()
        if owner == tenant and collection in collections
    )[:limit]
    assert [hit.embedding_id for hit in hits] == [id for _, id in expected]
    assert np.allclose([hit.score for hit in hits], [-score for score, _ in expected], atol=1e-6)
    assert all(alive[hit.embedding_id][:2] == (tenant, hit.collection_id) for hit in hits)
    assert shard.size == len(alive)
    assert shard.sequence == len(rows)


def test_rows_that_were_applied_already_change_nothing() -> None:
    shard = Shard(DIMENSIONS)
    rows = [row(1, "add", "t1", "c1", "f1", 1), row(2, "remove", "t1", "c1", "f1"), row(3, "add", "t1", "c1", "f1", 3)]
    shard.apply(rows)
    shard.apply(rows)
    assert [hit.embedding_id for hit in shard.search("t1", ["c1"], vector(3), 5)] == [3]


def test_searches_answered_together_equal_searches_answered_alone() -> None:
    shard = Shard(DIMENSIONS)
    shard.apply(row(n, "add", TENANTS[n % 2], COLLECTIONS[n % 3], "f1", n) for n in range(1, 100))
    queries = [Query(TENANTS[n % 2], COLLECTIONS[: 1 + n % 3], vector(1000 + n), limit=1 + n % 7) for n in range(40)]
    together = shard.search_many(queries)
    for query, hits in zip(queries, together, strict=True):
        alone = shard.search(query.tenant_id, query.collection_ids, query.vector, query.limit)
        assert [hit.embedding_id for hit in hits] == [hit.embedding_id for hit in alone]


def test_a_segment_name_that_two_files_share_outlives_the_first() -> None:
    shard = Shard(DIMENSIONS)
    shard.apply([row(1, "add", "t1", "c1", "f1", 1), row(2, "add", "t1", "c1", "f2", 2)])
    shard.apply([row(3, "remove", "t1", "c1", "f1")])
    (hits,) = shard.search_many([Query("t1", ("c1",), vector(2), 5, distinct="segment")])
    assert [hit.embedding_id for hit in hits] == [2]
    shard.apply([row(4, "remove", "t1", "c1", "f2")])
    assert shard.size == 0


def test_pictures_are_found_in_their_own_space_and_leave_with_their_file() -> None:
    """Vectors of another length, of the same tenants, collections and files."""
    texts, pictures = clustered(60, DIMENSIONS), clustered(60, DIMENSIONS + 3, seed=2)
    shard = Shard(DIMENSIONS)
    shard.apply(adds(texts, per_file=150))
    shard.apply(adds(pictures, first=101, per_file=150, space="frame:a"))
    shard.apply(adds(pictures[::-1], first=201, per_file=150, tenant="other", space="frame:a"))

    def found(tenant: str, vector: np.ndarray, space: str) -> list[int]:
        return [hit.embedding_id for hit in shard.search_many([Query(tenant, ("c",), vector, 100, space=space)])[0]]

    assert found("t", texts[7], "")[0] == 8 and found("t", pictures[7], "frame:a")[0] == 108
    assert found("other", pictures[7], "frame:a")[0] == 253 and not found("other", texts[7], "")
    assert not found("t", pictures[7], "frame:b"), "another model's"
    together = [Query("t", ("c",), vector, 5, space="frame:a") for vector in (texts[0], pictures[7])]
    assert [len(hits) for hits in shard.search_many(together)] == [0, 5], "one of another length fails no other"
    shard.apply([row(301, "remove", "t", "c", "f0")])
    assert not found("t", texts[7], "") and set(found("t", pictures[7], "frame:a")) == set(range(150, 161))
    shard.apply([row(302, "remove", "t", "c", "")])
    assert not found("t", pictures[7], "frame:a")
    assert shard.size == 60 == len(found("other", pictures[7], "frame:a"))
