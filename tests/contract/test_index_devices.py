"""Vectors and inverted lists behave the same wherever they are kept.

The GPU's classes run here over indexes that stay in memory, too: what they must not ask of a GPU is refused there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ray_jobs.index import recorded, torch_vectors
from ray_jobs.index.device import CpuDevice, Device, FaissGpuDevice, TorchDevice, device
from ray_jobs.index.gpu import MOST_HITS, GpuLists, GpuVectors
from ray_jobs.index.lists import Lists, train
from ray_jobs.index.shard import Query, Shard
from ray_jobs.index.torch_vectors import TorchVectors
from ray_jobs.index.vectors import Vectors
from services.core.errors import ArcusError, Reason
from tests.unit.index_rows import adds, clustered, library, removal, unit

DIMENSIONS = 32
COUNT = 6000


class LikeGpu:
    """A FAISS index of a GPU as far as Arcus may use one: it adds and searches, up to MOST_HITS, and knows no selector."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self.nprobe = 1

    @property
    def ntotal(self) -> int:
        return self._index.ntotal

    def add(self, vectors: np.ndarray) -> None:
        self._index.add(vectors)

    def search(self, queries: np.ndarray, depth: int) -> Any:
        assert depth <= MOST_HITS
        if hasattr(self._index, "nprobe"):
            self._index.nprobe = self.nprobe
        return self._index.search(queries, depth)


class LikeGpuDevice:
    dimensions: int = DIMENSIONS
    has_lists = True

    def vectors(self) -> Vectors:
        return GpuVectors(self.dimensions, LikeGpu)

    def lists(self, centroids: np.ndarray) -> Lists:
        return GpuLists(centroids, LikeGpu)


def on_gpu(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.gpu)


@pytest.fixture(params=["cpu", "like-gpu", "torch-cpu", on_gpu("torch-gpu"), on_gpu("faiss-gpu")])
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Device:
    monkeypatch.setattr(torch_vectors, "COARSE_FROM", COUNT // 4)
    monkeypatch.setattr(recorded, "RECORDED_AT", 2)
    if request.param == "like-gpu":
        return LikeGpuDevice()
    if request.param == "torch-cpu":
        return TorchDevice(DIMENSIONS, "cpu")
    if request.param == "faiss-gpu":
        import faiss

        if not getattr(faiss, "get_num_gpus", lambda: 0)():
            pytest.skip("faiss-gpu and a GPU are not here")
        return FaissGpuDevice(DIMENSIONS)
    if request.param == "torch-gpu":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("PyTorch sees no GPU here")
        return device("gpu", DIMENSIONS)
    return device("cpu", DIMENSIONS)


@pytest.fixture(scope="module")
def held() -> np.ndarray:
    return clustered(COUNT, DIMENSIONS)


@pytest.fixture(scope="module")
def queries(held: np.ndarray) -> np.ndarray:
    return unit(held[:20] + np.random.default_rng(5).standard_normal((20, DIMENSIONS)) * 0.05)


@pytest.mark.parametrize("asked", [1, 20])
@pytest.mark.parametrize("depth", [1, 10, 3000])
def test_a_search_of_vectors_is_exact(where, held, queries, asked, depth):
    vectors = where.vectors()
    for some in np.array_split(held, 5):
        vectors.add(some)
    assert vectors.count == COUNT and np.array_equal(vectors.floats(100, 200), held[100:200])
    for query, (scores, rows) in zip(queries[:asked], vectors.search(queries[:asked], depth), strict=True):
        truth = held @ query
        assert len(set(rows.tolist())) == depth and np.allclose(scores, truth[rows], atol=1e-5)
        assert np.allclose(scores, np.sort(truth)[::-1][:depth], atol=1e-5)


def test_what_is_asked_again_and_again_is_asked_of_what_is_there_by_then(where, held, queries):
    vectors = where.vectors()
    vectors.add(held[: COUNT // 2])
    for added in (0, 1, 2):
        if added:
            vectors.add(queries[added : added + 1])  # nothing is nearer to a question than itself
        for number in (0, 1, 2, 0, 1, 2, 0, 1, 2):
            (scores, rows), *_ = vectors.search(queries[number : number + 1], 10)
            truth = vectors.floats(0, vectors.count) @ queries[number]
            assert np.allclose(scores, np.sort(truth)[::-1][:10], atol=1e-5)
            assert (rows[0] == COUNT // 2 + number - 1) == (0 < number <= added)


def test_a_narrowed_search_scores_no_other_row(where, held, queries):
    vectors = where.vectors()
    vectors.add(held)
    kept = np.zeros(COUNT, bool)
    kept[[3, 500, COUNT - 1]] = True
    before = vectors.looked_at
    _, rows = vectors.search_some(queries[7], 3, kept)
    assert set(rows.tolist()) == {3, 500, COUNT - 1} and vectors.looked_at - before == 3


def test_lists_give_the_nearest_among_their_candidates_and_no_row_twice(where, held, queries):
    lists = where.lists(train(held, 64))
    for some in np.array_split(held, 5):
        lists.add(some)
    again = where.lists(lists.centroids)
    again.add(held, lists.assigned)
    assert lists.count == again.count == COUNT and len(lists.assigned) == COUNT
    found = 0
    for each in (lists, again):
        candidates, looked_at = each.search(queries, 512, probes=16)
        assert 64 * 20 < looked_at < COUNT * 20
        for query, rows in zip(queries, candidates, strict=True):
            assert len(set(rows.tolist())) == len(rows) <= 512
            found += len(set(np.argsort(-(held @ query))[:10].tolist()) & set(rows.tolist()))
    assert found >= 0.95 * 10 * len(queries) * 2


def test_a_shard_there_answers_as_one_on_the_cpu(where, held, queries):
    pictures = clustered(1000, DIMENSIONS // 2, seed=4)
    shards = [Shard(device=each) for each in (where, CpuDevice(DIMENSIONS))]
    for shard in shards:
        shard.apply(adds(held[:3000]))
        shard.apply([removal(3001 + number, f"f{number}") for number in range(0, 50, 2)])
        shard.apply(adds(held[3000:], first=4000))
        shard.apply([removal(9000, "f3"), *adds(held[150:200], first=9001)])
        shard.apply(adds(pictures, first=10_000, space="frame:a"))
    asked = [Query("t", ("c",), query, 10) for query in queries]
    asked += [Query("t", ("c",), query, 5, ("f61", "f1"), (), "segment") for query in queries]
    asked += [Query("t", ("c",), query, 60, (), (), "file") for query in queries]
    asked += [Query("t", ("c",), picture, 10, space="frame:a") for picture in pictures[:20]]
    asked += [Query("other", ("c",), query, 10) for query in queries]
    first, second = (shard.search_many(asked) for shard in shards)
    assert [[hit.embedding_id for hit in hits] for hits in first] == [
        [hit.embedding_id for hit in hits] for hits in second
    ]
    assert [hits[0].embedding_id for hits in first[-40:-20]] == list(range(10_000, 10_020))
    assert not any(first[-20:])


def test_a_gpu_that_is_not_there_is_told() -> None:
    import faiss

    if getattr(faiss, "get_num_gpus", lambda: 0)():
        pytest.skip("a GPU is here")
    with pytest.raises(ArcusError) as caught:
        device("gpu", DIMENSIONS)
    assert caught.value.reason is Reason.INVALID_ARGUMENT and "ARCUS_INDEX_DEVICE=cpu" in caught.value.message


@pytest.mark.parametrize("kind", ["spread", "alike", "clusters", "spikes"])
@pytest.mark.parametrize("depth", [1, 10, 90])
def test_a_first_pass_in_half_the_bits_misses_nothing_nearer(kind, depth, monkeypatch):
    monkeypatch.setattr(torch_vectors, "GATHERED", 1000)
    every = library(kind, 24_000, DIMENSIONS)
    vectors = TorchVectors(DIMENSIONS, "cpu", coarse_from=1)
    for some in np.array_split(every, 7):
        vectors.add(some)
    asked = unit(every[:40] + 0.05 * np.random.default_rng(6).standard_normal((40, DIMENSIONS)))
    kept = np.random.default_rng(7).random(len(every)) < 0.9
    answers = [*vectors.search(asked, depth), *(vectors.search_some(query, depth, kept) for query in asked[:5])]
    for number, (scores, rows) in enumerate(answers):
        query, looked_at = asked[number % 40], np.arange(len(every)) if number < 40 else np.flatnonzero(kept)
        truth = every.astype(np.float64) @ query
        assert len(set(rows.tolist())) == depth and np.isin(rows, looked_at).all()
        assert np.allclose(scores, truth[rows], atol=1e-6)
        assert np.allclose(truth[rows], np.sort(truth[looked_at])[::-1][:depth], atol=1e-6)
