"""Exact searches per second through the index's vectors, beside FAISS alone on the same device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loadtests.on_gpu.rows import Options, Row, best_seconds, lacking, settle_gpu, settle_nothing

DEPTH = 10
CHECKED = 100  # queries
GOAL = 240_000  # ten times what faiss-gpu's wiki gives for flat search of SIFT1M, 1M x 128


def rows(options: Options) -> Iterator[Row]:
    device = "gpu" if options.on_gpu else "cpu"
    sizes = [(20_000, 384, 64)] if options.small else [(1_000_000, 128, 8192), (1_000_000, 384, 8192)]
    for count, dimensions, batch in sizes:
        for queries in (1, batch):
            goal = GOAL if options.on_gpu and (dimensions, queries) == (128, 8192) else None
            row = Row(
                "search",
                f"{count:,} x {dimensions} on the {device}, top {DEPTH}, {queries} quer{'y' if queries == 1 else 'ies'} at once",
                "queries/s",
                "FAISS flat index alone",
                goal,
            )
            row.missing = lacking("faiss", "ray_jobs.index.vectors") or (_gpu_missing() if options.on_gpu else "")
            if not row.missing:
                try:
                    _measure(row, count, dimensions, queries, options)
                except Exception as error:
                    row.failed = f"{type(error).__name__}: {error}"[:300]
            yield row


def _gpu_missing() -> str:
    import faiss

    if not getattr(faiss, "get_num_gpus", lambda: 0)():
        return "this build of faiss sees no GPU; it takes faiss-gpu"
    return lacking("ray_jobs.index.device")


def _measure(row: Row, count: int, dimensions: int, queries: int, options: Options) -> None:
    import faiss
    import numpy as np

    random = np.random.default_rng(0)
    vectors = _unit(random.standard_normal((count, dimensions), np.float32))
    asked = _unit(random.standard_normal((max(queries, CHECKED), dimensions), np.float32))
    index = _index(dimensions, options.on_gpu)
    index.add(vectors)
    bare = faiss.IndexFlatIP(dimensions)
    if options.on_gpu:
        resources = faiss.StandardGpuResources()
        bare = faiss.index_cpu_to_gpu(resources, 0, bare)
    bare.add(vectors)
    calls = 50 if queries == 1 else 1

    def ours() -> None:
        for call in range(calls):
            index.search(asked[call : call + queries], DEPTH)

    def beside() -> None:
        for call in range(calls):
            bare.search(asked[call : call + queries], DEPTH)

    settle = settle_gpu if options.on_gpu else settle_nothing
    our_seconds, bare_seconds = best_seconds([ours, beside], options.rounds, settle)
    row.ours, row.beside = calls * queries / our_seconds, calls * queries / bare_seconds
    checked = asked[:CHECKED]
    found = index.search(checked, DEPTH)
    least = np.sort(checked @ vectors.T, axis=1)[:, -DEPTH]
    # A hit counts if it scores what the tenth best scores, give or take float32: equals may stand in for each other.
    hits = [
        float(vectors[number] @ query) >= limit - 1e-5
        for query, limit, (_, numbers) in zip(checked, least, found, strict=True)
        for number in set(map(int, numbers))
    ]
    recall = sum(hits) / (CHECKED * DEPTH)
    row.check(f"recall@{DEPTH} of {CHECKED} queries", recall, recall == 1.0)


def _index(dimensions: int, on_gpu: bool) -> Any:
    if on_gpu:
        from ray_jobs.index.device import device

        return device("gpu", dimensions).vectors()
    from ray_jobs.index.vectors import Vectors

    return Vectors(dimensions)


def _unit(vectors: Any) -> Any:
    import numpy as np

    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
