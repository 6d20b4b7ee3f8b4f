"""Unit vectors in signed bytes: a quarter of the memory to read, and how far their scores may be off."""

from __future__ import annotations

import numpy as np

SCALE = 400  # bytes to one; MiniLM's vectors stay below 0.32, what lies beyond costs speed only
BLOCK_ROWS = 16_384  # which a processor's cache holds while all queries of a batch are scored against them
WIDER = 4


def to_bytes(vectors: np.ndarray) -> np.ndarray:
    """What FAISS's quantizer of signed bytes takes: whole numbers, as float32."""
    return np.clip(np.round(vectors * SCALE), -127, 127).astype(np.float32)


def greatest_error(vectors: np.ndarray, rounded: np.ndarray) -> float:
    """The length of the greatest rounding error of vectors [n, dimensions] and their bytes."""
    return float(np.linalg.norm(vectors - rounded / SCALE, axis=1).max(initial=0.0))


def rounded_queries(queries: np.ndarray, error: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit queries [n, dimensions] as whole numbers, as float32, as FAISS multiplies bytes with bytes; float32 [n] how much
    of such a product makes one; and float32 [n] how far off it may be where the vectors' rounding errors are `error` at most.
    """
    scales = 127 / np.maximum(np.abs(queries).max(1, keepdims=True), 1e-9)
    rounded = np.round(queries * scales).astype(np.float32)
    lost = np.linalg.norm(queries - rounded / scales, axis=1)
    return rounded, SCALE * scales[:, 0], error + lost * (1 + error)


class RoundedVectors:
    """Rows of dimension `dimensions`, in blocks; only ever appended to."""

    def __init__(self, dimensions: int, *, block_rows: int = BLOCK_ROWS) -> None:
        self._dimensions = dimensions
        self._block_rows = block_rows
        self._blocks: list = []
        self.count = 0
        self.error = 0.0  # the length of the greatest rounding error

    @property
    def blocks(self) -> int:
        return len(self._blocks)

    def add(self, vectors: np.ndarray) -> None:
        rounded = to_bytes(vectors)
        self.error = max(self.error, greatest_error(vectors, rounded))
        while len(rounded):
            room = -self.count % self._block_rows
            if not room:
                self._blocks.append(self._new_block())
                room = self._block_rows
            self._blocks[-1].add(rounded[:room])
            self.count += len(rounded[:room])
            rounded = rounded[room:]

    def look(self, queries: np.ndarray, wide: int) -> list[Look]:
        """The best `wide` rows of each block, for each unit query: float32 [n, dimensions]."""
        rounded, scales, errors = rounded_queries(queries, self.error)
        found = [block.search(rounded, min(wide, block.ntotal)) for block in self._blocks]
        looks = []
        for number, (scale, error) in enumerate(zip(scales.tolist(), errors.tolist(), strict=True)):
            look = Look(self._blocks, self._block_rows, rounded[number], scale, error)
            for block, (scores, rows) in enumerate(found):
                look.take(block, scores[number], rows[number])
            looks.append(look)
        return looks

    def _new_block(self):
        import faiss

        return faiss.IndexScalarQuantizer(
            self._dimensions, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        )


class Look:
    """What one query has seen of each block, and the most that any other row of it may score."""

    def __init__(self, blocks: list, block_rows: int, query: np.ndarray, scale: float, error: float) -> None:
        self._blocks = blocks
        self._block_rows = block_rows
        self._query = query
        self._scale = scale
        self._error = error
        self._seen: dict[int, np.ndarray] = {}
        self._most: dict[int, float] = {}

    @property
    def rows(self) -> np.ndarray:
        """int64 [n], of all blocks."""
        return np.concatenate(list(self._seen.values()))

    def take(self, block: int, scores: np.ndarray, rows: np.ndarray) -> None:
        is_whole = len(rows) == self._blocks[block].ntotal
        self._seen[block] = rows + block * self._block_rows
        self._most[block] = -np.inf if is_whole else float(scores[-1]) / self._scale + self._error

    def widen(self, score: float) -> bool:
        """Looks deeper where a row that was not seen may score as much. False where none may."""
        blocks = [block for block, most in self._most.items() if most >= score]
        for block in blocks:
            wide = min(len(self._seen[block]) * WIDER, self._blocks[block].ntotal)
            (scores,), (rows,) = self._blocks[block].search(self._query[None], wide)
            self.take(block, scores, rows)
        return bool(blocks)
