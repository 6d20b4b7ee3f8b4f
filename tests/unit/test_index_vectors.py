"""The search that reads bytes first finds exactly what a look at every float does."""

from __future__ import annotations

import numpy as np
import pytest

from ray_jobs.index.vectors import COARSE_FROM, PRODUCT_QUERIES, Vectors

DIMENSIONS = 32
COUNT = COARSE_FROM * 12


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def library(kind: str) -> np.ndarray:
    random = np.random.default_rng(5)
    spread = random.standard_normal((COUNT, DIMENSIONS))
    if kind == "alike":  # far nearer to each other than a byte can tell
        spread = np.ones(DIMENSIONS) + 1e-3 * spread
    if kind == "clusters":  # one after the other, as the segments of a file are
        spread = spread[np.sort(random.integers(0, 50, COUNT))] + 0.02 * random.standard_normal((COUNT, DIMENSIONS))
    if kind == "spikes":  # what the bytes cut off
        spread[:, 0] *= 30
    return unit(spread)


@pytest.mark.parametrize("kind", ["spread", "alike", "clusters", "spikes"])
@pytest.mark.parametrize("queries", [1, 3, PRODUCT_QUERIES])
@pytest.mark.parametrize("block_rows", [1_000, COUNT])
def test_nothing_nearer_is_missed(kind: str, queries: int, block_rows: int) -> None:
    held = library(kind)
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
    held = library("spread")
    vectors = Vectors(DIMENSIONS)
    vectors.add(held)
    kept = np.zeros(COUNT, bool)
    kept[[3, 500, COUNT - 1]] = True
    _, rows = vectors.search_some(held[7], 3, kept)
    assert set(rows.tolist()) == {3, 500, COUNT - 1}
