"""The search that reads bytes first finds exactly what a look at every float does."""

from __future__ import annotations

import numpy as np
import pytest

from ray_jobs.index.vectors import COARSE_FROM, FEW_PRODUCT_QUERIES, PRODUCT_QUERIES, Vectors
from tests.unit.index_rows import library, unit

DIMENSIONS = 32
COUNT = COARSE_FROM * 12


@pytest.mark.parametrize("kind", ["spread", "alike", "clusters", "spikes"])
@pytest.mark.parametrize("queries", [1, 3, FEW_PRODUCT_QUERIES, PRODUCT_QUERIES])
@pytest.mark.parametrize("block_rows", [1_000, COUNT])
def test_nothing_nearer_is_missed(kind: str, queries: int, block_rows: int) -> None:
    held = library(kind, COUNT, DIMENSIONS)
    vectors = Vectors(DIMENSIONS, block_rows=block_rows)
    for some in np.array_split(held, 7):
        vectors.add(some)
    assert vectors.count == len(held)
    asked = unit(held[:queries] + 0.05 * np.random.default_rng(6).standard_normal((queries, DIMENSIONS)))
    for depth in (1, 10, 400):
        for query, (scores, rows) in zip(asked, vectors.search(asked, depth), strict=True):
            truth = held @ query
            least = np.sort(truth)[-depth]
            assert len(set(rows.tolist())) == depth and (np.diff(scores) <= 1e-6).all()
            assert np.allclose(scores, truth[rows], atol=1e-5)
            assert truth[rows].min() >= least - 1e-5


def test_no_row_that_is_not_kept_is_found() -> None:
    held = library("spread", COUNT, DIMENSIONS)
    vectors = Vectors(DIMENSIONS)
    vectors.add(held)
    kept = np.zeros(COUNT, bool)
    kept[[3, 500, COUNT - 1]] = True
    _, rows = vectors.search_some(held[7], 3, kept)
    assert set(rows.tolist()) == {3, 500, COUNT - 1}
