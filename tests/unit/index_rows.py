"""Rows of an embedding log and the vectors in them, for the tests of the index."""

from __future__ import annotations

import numpy as np

from services.core.index.embedding_log import LogRow


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype("<f4")


def clustered(count: int, dimensions: int, *, clusters: int = 40, spread: float = 0.5, seed: int = 1) -> np.ndarray:
    """float32 [count, dimensions], of unit length, around centres: as the vectors of texts lie."""
    random = np.random.default_rng(seed)
    centres = unit(random.standard_normal((clusters, dimensions)))
    noise = random.standard_normal((count, dimensions)) * spread / dimensions**0.5
    return unit(centres[random.integers(0, clusters, count)] + noise)


def library(kind: str, count: int, dimensions: int) -> np.ndarray:
    """float32 [count, dimensions], of unit length: what rounding to few bits tells apart easily, or badly."""
    random = np.random.default_rng(5)
    spread = random.standard_normal((count, dimensions))
    if kind == "alike":  # far nearer to each other than a byte can tell
        spread = np.ones(dimensions) + 1e-3 * spread
    if kind == "clusters":  # one after the other, as the segments of a file are
        spread = spread[np.sort(random.integers(0, 50, count))] + 0.02 * random.standard_normal((count, dimensions))
    if kind == "spikes":  # what the bytes cut off
        spread[:, 0] *= 30
    return unit(spread)


def adds(
    vectors: np.ndarray,
    *,
    first: int = 1,
    per_file: int = 50,
    tenant: str = "t",
    collection: str = "c",
    space: str = "",
) -> list[LogRow]:
    """One row for each vector; its sequence is its embedding's id too."""
    return [
        LogRow(n, "add", tenant, collection, f"f{n // per_file}", f"s{n // 2}", n, vector.tobytes(), space)
        for n, vector in enumerate(vectors, first)
    ]


def removal(sequence: int, file: str, *, tenant: str = "t", collection: str = "c", operation: str = "remove") -> LogRow:
    return LogRow(sequence, operation, tenant, collection, file, "", 0, None)  # type: ignore[arg-type]
