"""Vectors and inverted lists on a GPU by FAISS, whose indexes there have no removal and ignore selectors: none is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ray_jobs.index.lists import Lists
from ray_jobs.index.vectors import Vectors

MOST_HITS = 2048  # of one search: what FAISS's GPU indexes can select
ToGpu = Callable[[Any], Any]  # moves a FAISS index to the GPU


class GpuVectors(Vectors):
    """Searched on the GPU; a copy in memory serves what the GPU cannot: narrowed searches, very deep ones, snapshots."""

    def __init__(self, dimensions: int, to_gpu: ToGpu) -> None:
        import faiss

        super().__init__(dimensions)
        self.drop_bytes()
        self._gpu = to_gpu(faiss.IndexFlatIP(dimensions))

    def add(self, vectors: np.ndarray) -> None:
        super().add(vectors)
        self._gpu.add(np.ascontiguousarray(vectors, np.float32))

    def make_bytes(self, limit: int) -> bool:
        return False

    def search(self, queries: np.ndarray, depth: int) -> list[tuple[np.ndarray, np.ndarray]]:
        depth = min(depth, self.count)
        if depth > MOST_HITS:
            return super().search(queries, depth)
        self.looked_at += self.count * len(queries)
        return list(zip(*self._gpu.search(np.ascontiguousarray(queries, np.float32), depth), strict=True))


class GpuLists(Lists):
    """Floats by list, on the GPU. Lists that were assigned before are found again: on a GPU that costs little."""

    def __init__(self, centroids: np.ndarray, to_gpu: ToGpu, probes: int = 1) -> None:
        import faiss

        super().__init__(centroids, probes)
        count, dimensions = centroids.shape
        trained = faiss.IndexIVFFlat(self._quantizer, dimensions, count, faiss.METRIC_INNER_PRODUCT)
        trained.is_trained = True
        self._gpu = to_gpu(trained)

    @property
    def count(self) -> int:
        return self._gpu.ntotal

    def add(self, vectors: np.ndarray, assigned: np.ndarray | None = None) -> None:
        floats = np.ascontiguousarray(vectors, np.float32)
        if assigned is None:
            assigned = self._quantizer.assign(floats, 1).reshape(-1)
        self._gpu.add(floats)
        self._sizes += np.bincount(assigned, minlength=len(self._sizes))
        self.assigned = np.concatenate([self.assigned, assigned.astype(np.int32)])

    def search(self, queries: np.ndarray, depth: int, probes: int | None = None) -> tuple[Sequence[np.ndarray], int]:
        found, looked_at = self._best(queries, depth, probes or self.probes)
        return [rows for _, rows in found], looked_at

    def nearest(
        self, queries: np.ndarray, depth: int, vectors: Vectors
    ) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
        """The lists hold floats: nothing is left to rank."""
        return self._best(queries, depth, self.probes)

    def _best(self, queries: np.ndarray, depth: int, probes: int) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
        probes = self._gpu.nprobe = min(probes, len(self._sizes))
        scores, rows = self._gpu.search(np.ascontiguousarray(queries, np.float32), min(depth, MOST_HITS, self.count))
        # Which lists were read stays on the GPU: their mean size stands for them.
        looked_at = len(queries) * (len(self._sizes) + round(probes * float(self._sizes.mean())))
        is_row = rows >= 0
        return [(scores[n][is_row[n]], rows[n][is_row[n]]) for n in range(len(queries))], looked_at
