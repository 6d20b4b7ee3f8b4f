"""Unit vectors, searched by inner product: exactly, though mostly a quarter of their bytes is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from ray_jobs.index.rounded import BLOCK_ROWS, WIDER, Look, RoundedVectors

COARSE_FROM = 2_000  # vectors; fewer are read as they are
BLOCK_CANDIDATES = 64  # of each block, scored exactly at first, at least
PRODUCT_QUERIES, FEW_PRODUCT_QUERIES = 16, 8  # from which a matrix product is quicker; the second of one block
LOOP_THRESHOLD = 1 << 30


class Vectors:
    """float32 [n, dimensions] with a copy in signed bytes. Only ever appended to. `looked_at` counts vectors scored.

    A search scores the bytes first, then exactly as many of the best as it takes for no other to belong among them: a
    score is off by no more than the lengths of the two rounding errors. 100k x 384 on one thread of an EPYC takes 3.6 ms
    for a query where FAISS's loop over floats takes 12; many queries share a matrix product (loadtests/RESULTS.md).
    """

    def __init__(self, dimensions: int, *, block_rows: int = BLOCK_ROWS) -> None:
        import faiss

        self._floats = faiss.IndexFlatIP(dimensions)
        self._dimensions = dimensions
        self._block_rows = block_rows
        self._rounded = RoundedVectors(dimensions, block_rows=block_rows)
        self._keeps_rounded = True
        self.looked_at = 0

    @property
    def count(self) -> int:
        return self._floats.ntotal

    def add(self, vectors: np.ndarray) -> None:
        self._floats.add(np.ascontiguousarray(vectors, np.float32))
        if self._keeps_rounded and self._rounded.count + len(vectors) == self.count:
            self._rounded.add(vectors)

    def drop_bytes(self) -> None:
        """Searches read every float from now on."""
        self._keeps_rounded = False
        self._rounded = RoundedVectors(self._dimensions, block_rows=self._block_rows)

    def make_bytes(self, limit: int) -> bool:
        """Makes at most `limit` of the bytes that are missing. Whether any still are."""
        self._keeps_rounded = True
        first = self._rounded.count
        if first < self.count:
            self._rounded.add(self.floats(first, min(first + limit, self.count)))
        return self._rounded.count < self.count

    def floats(self, first: int, last: int) -> np.ndarray:
        """A copy of rows `first` to `last`."""
        return self._view()[first:last].copy()

    def at(self, rows: np.ndarray) -> np.ndarray:
        """A copy of some rows: float32 [len(rows), dimensions]."""
        return self._view()[rows]

    def search(self, queries: np.ndarray, depth: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """(scores, rows) of the `depth` nearest of each unit query, best first, or of all where there are fewer."""
        import faiss

        depth = min(depth, self.count)
        self.looked_at += self.count * len(queries)
        is_product = len(queries) >= (PRODUCT_QUERIES if self.count > BLOCK_ROWS else FEW_PRODUCT_QUERIES)
        if self.count >= COARSE_FROM and self._rounded.count == self.count and not is_product:
            return self._coarse(queries, depth)
        faiss.cvar.distance_compute_blas_threshold = 1 if is_product else LOOP_THRESHOLD
        return list(zip(*self._floats.search(queries, depth), strict=True))

    def search_some(self, query: np.ndarray, depth: int, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same among the rows that `kept`, bool [n], names; no other row is scored.

        A selector is for indexes on the CPU: classic GPU indexes accept one and ignore it.
        """
        import faiss

        self.looked_at += int(kept.sum())
        faiss.cvar.distance_compute_blas_threshold = LOOP_THRESHOLD
        selector = faiss.IDSelectorBitmap(np.packbits(kept, bitorder="little"))  # type: ignore
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        scores, rows = self._floats.search(query[None], depth, params=parameters)
        return scores[0], rows[0]

    def rank(self, query: np.ndarray, rows: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
        """(scores, rows) of the `depth` nearest among `rows`, best first."""
        (scores,) = self.scores(query[None], rows[None])
        best = np.argsort(-scores, kind="stable")[:depth]
        return scores[best], rows[best]

    def scores(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """float32 [queries, m]: of rows int64 [queries, m], read where they lie; -inf of a row -1."""
        import faiss

        scores = np.empty(rows.shape, np.float32)
        queries, rows = np.ascontiguousarray(queries, np.float32), np.ascontiguousarray(rows, np.int64)
        products: Any = faiss.fvec_inner_products_by_idx  # type: ignore[attr-defined]
        out, asked, wanted = map(faiss.swig_ptr, (scores, queries, rows))
        products(out, asked, self._floats.get_xb(), wanted, self._dimensions, *rows.shape)
        return scores

    def _view(self) -> np.ndarray:
        import faiss

        floats = faiss.rev_swig_ptr(self._floats.get_xb(), self.count * self._dimensions)
        return floats.reshape(self.count, self._dimensions)

    def _coarse(self, queries: np.ndarray, depth: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """From the bytes; a query that they leave too many rows for reads the floats."""
        wide = max(BLOCK_CANDIDATES, depth * WIDER // self._rounded.blocks)
        return [
            self._settled(query, depth, look)
            for query, look in zip(queries, self._rounded.look(queries, wide), strict=True)
        ]

    def _settled(self, query: np.ndarray, depth: int, look: Look) -> tuple[np.ndarray, np.ndarray]:
        import faiss

        while len(seen := look.rows) * WIDER < self.count:
            scores, rows = self.rank(query, seen, depth)
            if not look.widen(scores[-1] if len(rows) == depth else -np.inf):
                return scores, rows
        faiss.cvar.distance_compute_blas_threshold = LOOP_THRESHOLD
        (scores,), (rows,) = self._floats.search(query[None], depth)
        return scores, rows
