"""Exact searches per second through the index's vectors, beside FAISS alone and what the device takes to multiply and to read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from loadtests.on_gpu.rows import BESIDE, Case, Options, Row, best_seconds, lacking, settle_gpu, settle_nothing

DEPTH = 10
CHECKED = 100  # queries
ROUNDING = 1e-6  # of a score in float32
PRODUCT, READING, READING_HALF = "the float16 product alone", "reading the vectors once", "reading them in float16 once"
LISTS_DIMENSIONS, PROBES = 384, 16
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
            if not options.on_gpu:  # the classes that a GPU has, where PyTorch computes without one
                there = replace(row, what=f"{row.what}, by PyTorch", goals={}, ceilings={}, checks={}, drawings={})
                yield Case(there, partial(measure, by_torch=True), partial(_missing, options))
    count, batch = (20_000, 64) if options.small else (1_000_000, 1024)
    row = Row(
        "search",
        f"inverted lists of {count:,} x {LISTS_DIMENSIONS} on the {device}, top {DEPTH}, {batch} queries at once",
        "queries/s",
        "FAISS inverted lists alone, as many read",
        {BESIDE: 0.9} if options.on_gpu else {},
    )
    yield Case(row, partial(_lists, count=count, batch=batch, options=options), partial(_missing, options))


def _missing(options: Options) -> str:
    return lacking("faiss", "torch", "ray_jobs.index.vectors") or (_gpu_missing() if options.on_gpu else "")


def _gpu_missing() -> str:
    import faiss

    if not getattr(faiss, "get_num_gpus", lambda: 0)():
        return "this build of faiss sees no GPU; it takes faiss-gpu 1.15.1"
    return lacking("ray_jobs.index.device")


def _measure(row: Row, count: int, dimensions: int, queries: int, options: Options, *, by_torch: bool = False) -> None:
    import faiss
    import numpy as np

    from ray_jobs.index.device import TorchDevice, device

    random = np.random.default_rng(0)
    vectors = _unit(random.standard_normal((count, dimensions), np.float32))
    asked = _unit(random.standard_normal((max(queries, CHECKED), dimensions), np.float32))
    where = TorchDevice(dimensions, "cpu") if by_torch else device("gpu" if options.on_gpu else "cpu", dimensions)
    index = where.vectors()
    index.add(vectors)
    bare: Any = faiss.IndexFlatIP(dimensions)
    if options.on_gpu:
        resources = faiss.StandardGpuResources()
        bare = faiss.index_cpu_to_gpu(resources, 0, bare)
    bare.add(vectors)
    calls = 1 if queries > 1 else 50 if options.small else 200

    def ours() -> None:
        for call in range(calls):
            index.search(asked[call % CHECKED : call % CHECKED + queries], DEPTH)

    def beside() -> None:
        for call in range(calls):
            bare.search(asked[call % CHECKED : call % CHECKED + queries], DEPTH)

    settle = settle_gpu if options.on_gpu else settle_nothing
    our_seconds, bare_seconds = best_seconds([ours, beside], options.rounds, settle)
    row.ours, row.beside = calls * queries / our_seconds, calls * queries / bare_seconds
    recall = _recall(vectors, asked[:CHECKED], index.search(asked[:CHECKED], DEPTH), options)
    row.check(f"recall@{DEPTH} of {CHECKED} queries, against float64", recall, recall == 1.0)
    if options.on_gpu:
        row.ceilings = _ceilings(vectors, asked[:queries], options)


def _lists(row: Row, count: int, batch: int, options: Options) -> None:
    import faiss
    import numpy as np

    from ray_jobs.index.device import device
    from ray_jobs.index.lists import list_count, train

    random = np.random.default_rng(0)
    centres = random.standard_normal((count // 100, LISTS_DIMENSIONS), np.float32)
    spread = 0.7 * random.standard_normal((count, LISTS_DIMENSIONS), np.float32)
    vectors = _unit(centres[random.integers(0, len(centres), count)] + spread)
    beside_held = 0.5 / LISTS_DIMENSIONS**0.5 * random.standard_normal((batch, LISTS_DIMENSIONS), np.float32)
    asked = _unit(vectors[random.integers(0, count, batch)] + beside_held)
    where = device("gpu" if options.on_gpu else "cpu", LISTS_DIMENSIONS)
    flat = where.vectors()
    flat.add(vectors)
    some = vectors[random.choice(count, min(count, 100_000), replace=False)]
    lists = where.lists(train(some, list_count(count), threads=os.cpu_count() or 1))
    lists.probes = PROBES
    alone: Any = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(LISTS_DIMENSIONS), LISTS_DIMENSIONS, len(lists.centroids), faiss.METRIC_INNER_PRODUCT
    )
    alone.quantizer.add(lists.centroids)
    alone.is_trained = True
    if options.on_gpu:
        resources = faiss.StandardGpuResources()
        alone = faiss.index_cpu_to_gpu(resources, 0, alone)
    for first in range(0, count, 100_000):
        lists.add(vectors[first : first + 100_000])
        alone.add(vectors[first : first + 100_000])
    alone.nprobe = PROBES
    found: dict[str, Any] = {}

    def ours() -> None:
        found["ours"], _ = lists.nearest(asked, DEPTH, flat)

    def beside() -> None:
        found["alone"] = alone.search(asked, DEPTH)[1]

    settle = settle_gpu if options.on_gpu else settle_nothing
    calls = [ours, beside, *([lambda: flat.search(asked, DEPTH)] if options.on_gpu else [])]
    seconds = best_seconds(calls, options.rounds, settle)
    row.ours, row.beside = batch / seconds[0], batch / seconds[1]
    if options.on_gpu:
        row.ceilings = {"every vector read, exactly": batch / seconds[2]}
    truth = [set(rows.tolist()) for _, rows in flat.search(asked, DEPTH)]
    pairs = {"ours": [rows[:DEPTH] for _, rows in found["ours"]], "FAISS alone": found["alone"]}
    recalls = {
        name: float(np.mean([len(set(rows.tolist()) & right) / DEPTH for rows, right in zip(each, truth, strict=True)]))
        for name, each in pairs.items()
    }
    row.check(f"recall@{DEPTH}", recalls, recalls["ours"] >= recalls["FAISS alone"] - 0.02)


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
