"""Where a shard keeps and searches its vectors: in memory on the CPU, or on a GPU with PyTorch or faiss-gpu."""

from __future__ import annotations

import copy
from typing import Any, Protocol

import numpy as np

from ray_jobs.index.lists import Lists
from ray_jobs.index.vectors import Vectors
from services.core.errors import invalid


class Device(Protocol):
    """Makes empty vectors and lists. One thread uses a device and all that it made."""

    dimensions: int
    has_lists: bool  # that are quicker, where vectors are many, than reading all
    is_quick: bool  # any thread may ask for a few vectors, one at a time, with no turn of a GPU to wait for

    def vectors(self) -> Vectors: ...

    def lists(self, centroids: np.ndarray) -> Lists: ...


class CpuDevice:
    has_lists = True
    is_quick = True

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    def vectors(self) -> Vectors:
        return Vectors(self.dimensions)

    def lists(self, centroids: np.ndarray) -> Lists:
        return Lists(centroids)


class TorchDevice:
    """Vectors where PyTorch computes. Without `lists`, those of faiss-gpu, every vector is read in every search."""

    is_quick = False

    def __init__(self, dimensions: int, name: str = "cuda", lists: FaissGpuDevice | None = None) -> None:
        import torch

        # Sums in float16 would be off by more than `TorchVectors` reckons with.
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        self.dimensions = dimensions
        self.has_lists = lists is not None
        self._name = name
        self._lists = lists

    def vectors(self) -> Vectors:
        from ray_jobs.index.torch_vectors import TorchVectors

        return TorchVectors(self.dimensions, self._name)

    def lists(self, centroids: np.ndarray) -> Lists:
        return self._lists.lists(centroids) if self._lists else Lists(centroids)


class FaissGpuDevice:
    """One GPU. Its resources are not thread-safe, which is why one thread owns a shard."""

    has_lists = True
    is_quick = False

    def __init__(self, dimensions: int) -> None:
        import faiss

        self.dimensions = dimensions
        self._resources = faiss.StandardGpuResources()

    def to_gpu(self, index: Any) -> Any:
        import faiss

        return faiss.index_cpu_to_gpu(self._resources, 0, index)

    def vectors(self) -> Vectors:
        from ray_jobs.index.gpu import GpuVectors

        return GpuVectors(self.dimensions, self.to_gpu)

    def lists(self, centroids: np.ndarray) -> Lists:
        from ray_jobs.index.gpu import GpuLists

        return GpuLists(centroids, self.to_gpu)


def for_length(device: Device, dimensions: int) -> Device:
    """The same for vectors of another length; on a GPU they share its resources."""
    other = copy.copy(device)
    other.dimensions = dimensions
    return other


def device(name: str, dimensions: int) -> Device:
    """On a GPU, PyTorch searches vectors and FAISS inverted lists; FAISS does both where PyTorch sees no GPU."""
    if name != "gpu":
        return CpuDevice(dimensions)
    import faiss
    import torch

    by_faiss = FaissGpuDevice(dimensions) if getattr(faiss, "get_num_gpus", lambda: 0)() else None
    if torch.cuda.is_available():
        return TorchDevice(dimensions, lists=by_faiss)
    if by_faiss is None:
        raise invalid(
            "No GPU that PyTorch or faiss can use is here: install PyTorch for CUDA, or faiss-gpu 1.15.1, where there is one, "
            "or set ARCUS_INDEX_DEVICE=cpu.",
            field="index_device",
        )
    return by_faiss
