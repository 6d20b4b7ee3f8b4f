"""Exact searches per second through the index's vectors, beside FAISS alone and what the device takes to multiply and to read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from loadtests.on_gpu.rows import BESIDE, Case, Options, Row, best_seconds, lacking, settle_gpu, settle_nothing

DEPTH = 10
CHECKED = 100  # queries
ROUNDING = 1e-6  # of a score in float32
PRODUCT, READING, READING_HALF = "the float16 product alone", "reading the vectors once", "reading them in float16 once"
CHUNK_ROWS = 65_536  # whose scores are written over each other while the product is measured


def cases(options: Options) -> Iterator[Case]:
    device = "gpu" if options.on_gpu else "cpu"
    sizes = [(20_000, 384, 64)] if options.small else [(1_000_000, 128, 8192), (1_000_000, 384, 8192)]
    for count, dimensions, batch in sizes:
        for queries in (batch, 1):
            goals = {PRODUCT: 0.25} if queries > 1 else {READING: 0.5}
            row = Row(
                "search",
                f"{count:,} x {dimensions} on the {device}, top {DEPTH}, {queries} quer{'y' if queries == 1 else 'ies'} at once",
                "queries/s",
                "FAISS flat index alone",
                {BESIDE: 1.0} | (goals if options.on_gpu else {}),
            )
            measure = partial(_measure, count=count, dimensions=dimensions, queries=queries, options=options)
            yield Case(row, measure, partial(_missing, options), rank=0)


def _missing(options: Options) -> str:
    return lacking("faiss", "torch", "ray_jobs.index.vectors") or (_gpu_missing() if options.on_gpu else "")


def _gpu_missing() -> str:
    import faiss

    if not getattr(faiss, "get_num_gpus", lambda: 0)():
        return "this build of faiss sees no GPU; it takes faiss-gpu 1.15.1"
    return lacking("ray_jobs.index.device")


def _measure(row: Row, count: int, dimensions: int, queries: int, options: Options) -> None:
    import faiss
    import numpy as np

    from ray_jobs.index.device import device

    random = np.random.default_rng(0)
    vectors = _unit(random.standard_normal((count, dimensions), np.float32))
    asked = _unit(random.standard_normal((max(queries, CHECKED), dimensions), np.float32))
    index = device("gpu" if options.on_gpu else "cpu", dimensions).vectors()
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
    recall = _recall(vectors, asked[:CHECKED], index.search(asked[:CHECKED], DEPTH), options)
    row.check(f"recall@{DEPTH} of {CHECKED} queries, against float64", recall, recall == 1.0)
    if options.on_gpu:
        row.ceilings = _ceilings(vectors, asked[:queries], options)


def _recall(vectors: Any, asked: Any, found: Any, options: Options) -> float:
    """A hit counts if it scores what the tenth best scores, give or take float32: equals may stand in for each other."""
    import numpy as np
    import torch

    where = "cuda" if options.on_gpu else "cpu"
    scores = torch.from_numpy(asked).to(where).double() @ torch.from_numpy(vectors).to(where).double().T
    least = scores.topk(DEPTH).values[:, -1:]
    rows = np.stack([rows for _, rows in found])
    hits = scores.gather(1, torch.from_numpy(rows.astype(np.int64)).to(where)) >= least - ROUNDING
    distinct = sum(len(set(each)) for each in rows.tolist())
    return min(float(hits.double().mean()), distinct / rows.size)


def _ceilings(vectors: Any, asked: Any, options: Options) -> dict[str, float]:
    """Queries/s of the product by itself, nothing selected; for one query, those that reading allows, from a copy's rate."""
    import torch

    held = torch.from_numpy(vectors).cuda()
    if len(asked) == 1:
        other = torch.empty_like(held)
        (seconds,) = best_seconds([lambda: other.copy_(held)], 10, settle_gpu)
        return {READING: 2 / seconds, READING_HALF: 4 / seconds}  # a copy reads and writes
    half, queries = held.half(), torch.from_numpy(asked).cuda().half()
    scores = torch.empty(len(queries), CHUNK_ROWS, dtype=torch.float16, device="cuda")

    def product() -> None:
        for chunk in half.split(CHUNK_ROWS):
            torch.mm(queries, chunk.T, out=scores[:, : len(chunk)] if len(chunk) < CHUNK_ROWS else scores)

    (seconds,) = best_seconds([product], options.rounds, settle_gpu)
    return {PRODUCT: len(queries) / seconds}


def _unit(vectors: Any) -> Any:
    import numpy as np

    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
