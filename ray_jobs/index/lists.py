"""Inverted lists (IVF): vectors by nearest centroid, so that a search looks at the nearest lists only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ray_jobs.index.rounded import WIDER, greatest_error, rounded_queries, to_bytes
from ray_jobs.index.vectors import Vectors

LISTS_PER_ROOT = 2  # lists are this many times the root of the number of vectors
SAMPLE_PER_LIST = 32  # vectors that a centroid is trained on; FAISS asks for 39 at least to be sure, and warns below
ITERATIONS = 10
CANDIDATES = 512  # rows of the lists, the best by their bytes, among which the nearest are told exactly, at least
FIRST_CANDIDATES = 128  # that are asked for first: keeping the best 512 in order costs more than scoring them
SURE = 2  # times as many as are wanted are scored exactly at first
PRODUCT_QUERIES = 4  # from which centroids are scored by a matrix product


def list_count(vectors: int) -> int:
    return max(4, round(LISTS_PER_ROOT * vectors**0.5))


def candidate_count(depth: int) -> int:
    return max(depth * WIDER, CANDIDATES)


def train(sample: np.ndarray, lists: int, *, seed: int = 1, threads: int = 1) -> np.ndarray:
    """Centroids by spherical k-means: float32 [lists, dimensions]. Takes seconds for large samples; any thread may."""
    import faiss

    faiss.omp_set_num_threads(threads)
    kmeans = faiss.Kmeans(
        sample.shape[1],
        lists,
        niter=ITERATIONS,
        spherical=True,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=SAMPLE_PER_LIST * 8,
    )
    kmeans.train(np.ascontiguousarray(sample, np.float32))
    return np.asarray(kmeans.centroids)


class Lists:
    """Signed bytes of every vector, on the CPU. `search` gives candidates, to be scored by the floats.

    assigned: int32 [n], the list of each vector; adding again with it needs no search for the nearest centroid.
    """

    def __init__(self, centroids: np.ndarray, probes: int = 1) -> None:
        import faiss

        self.centroids = np.ascontiguousarray(centroids, np.float32)
        self.probes = probes
        count, dimensions = centroids.shape
        self._quantizer: Any = faiss.IndexFlatIP(dimensions)
        self._quantizer.add(self.centroids)
        self._index: Any = faiss.IndexIVFScalarQuantizer(
            self._quantizer,
            dimensions,
            count,
            faiss.ScalarQuantizer.QT_8bit_direct_signed,
            faiss.METRIC_INNER_PRODUCT,
            False,
        )
        self._index.is_trained = True  # bytes are taken as they are
        self._sizes = np.zeros(count, np.int64)
        self._error = 0.0
        self.assigned = np.empty(0, np.int32)

    @property
    def count(self) -> int:
        return self._index.ntotal

    @property
    def to_look_at(self) -> float:
        """Centroids and vectors that a search scores, about."""
        return len(self._sizes) + self.probes * self.count / len(self._sizes)

    def add(self, vectors: np.ndarray, assigned: np.ndarray | None = None) -> None:
        import faiss

        if assigned is None:
            assigned = self._quantizer.assign(np.ascontiguousarray(vectors, np.float32), 1).reshape(-1)
        numbers = np.ascontiguousarray(assigned, np.int64)
        rounded = to_bytes(vectors)
        self._error = max(self._error, greatest_error(vectors, rounded))
        self._index.add_core(len(rounded), faiss.swig_ptr(rounded), None, faiss.swig_ptr(numbers))
        self._sizes += np.bincount(numbers, minlength=len(self._sizes))
        self.assigned = np.concatenate([self.assigned, numbers.astype(np.int32)])

    def search(self, queries: np.ndarray, depth: int, probes: int | None = None) -> tuple[Sequence[np.ndarray], int]:
        """(rows that may be the `depth` nearest, for each query, in no order; centroids and vectors that were scored)."""
        near, looked_at = self._near(queries, probes or self.probes)
        found, _ = self._candidates(queries, depth, near)
        return [rows[rows >= 0] for rows in found], looked_at

    def nearest(
        self, queries: np.ndarray, depth: int, vectors: Vectors
    ) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
        """((scores, rows) of the `depth` nearest candidates of each query, best first; what was scored)."""
        near, looked_at = self._near(queries, self.probes)
        first, most = max(depth * WIDER, FIRST_CANDIDATES), candidate_count(depth)
        is_last = first == most
        found, is_sure = _ranked(queries, *self._candidates(queries, first, near), depth, vectors, is_last=is_last)
        unsure = np.flatnonzero(~is_sure)
        if len(unsure) and not is_last:
            again = near[0][unsure], near[1][unsure]
            looked_at += int(self._sizes[again[1]].sum())
            candidates = self._candidates(queries[unsure], most, again)
            deeper, _ = _ranked(queries[unsure], *candidates, depth, vectors, is_last=True)
            for number, answer in zip(unsure.tolist(), deeper, strict=True):
                found[number] = answer
        return found, looked_at

    def _near(self, queries: np.ndarray, probes: int) -> tuple[tuple[np.ndarray, np.ndarray], int]:
        """((scores, lists) of the nearest `probes` centroids of each query; centroids and vectors that are scored)."""
        import faiss

        faiss.cvar.distance_compute_blas_threshold = PRODUCT_QUERIES
        scores, near = self._quantizer.search(queries, min(probes, len(self._sizes)))
        return (scores, near), len(queries) * len(self._sizes) + int(self._sizes[near].sum())

    def _candidates(
        self, queries: np.ndarray, depth: int, near: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """(rows int64 [queries, depth], best first by their bytes, -1 where there are too few; float32 of the same shape,
        what their scores can be at most).
        """
        near_scores, lists = near
        self._index.nprobe = lists.shape[1]
        rounded, scales, errors = rounded_queries(queries, self._error)
        scores, rows = self._index.search_preassigned(rounded, min(depth, self.count), lists, near_scores)
        return rows, np.where(rows >= 0, scores / scales[:, None] + errors[:, None], -np.inf)


def _ranked(
    queries: np.ndarray, rows: np.ndarray, most: np.ndarray, depth: int, vectors: Vectors, *, is_last: bool
) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """((scores, rows) of the `depth` nearest of each query; bool [queries], whether no row after the last can be nearer).

    Only those are scored exactly that may be among the nearest, and few of a query for which this look is not the last.
    """
    sure = min(SURE * depth, rows.shape[1])
    scores = vectors.scores(queries, rows[:, :sure])
    least = np.partition(scores, -depth, 1)[:, -depth] if depth <= sure else np.full(len(rows), -np.inf)
    is_sure = (rows[:, -1] < 0) | (most[:, -1] < least)
    if sure < rows.shape[1]:
        may_be_nearer = (most[:, sure:] >= least[:, None]) & (is_last | is_sure[:, None])
        wide = sure + int(may_be_nearer.sum(1).max())  # as `most` falls
        others = np.where(may_be_nearer, rows[:, sure:], -1)[:, : wide - sure]
        scores = np.concatenate([scores, vectors.scores(queries, others)], 1)
    best = np.argsort(-scores, 1, kind="stable")[:, :depth]
    scores, rows = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
    if (rows[:, -1] >= 0).all():
        return list(zip(scores, rows, strict=True)), is_sure
    return [(one[some >= 0], some[some >= 0]) for one, some in zip(scores, rows, strict=True)], is_sure
