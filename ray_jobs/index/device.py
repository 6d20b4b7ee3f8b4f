"""Where a shard keeps and searches its vectors: in memory on the CPU, or on a GPU with faiss-gpu."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ray_jobs.index.lists import Lists
from ray_jobs.index.vectors import Vectors
from services.core.errors import invalid


class Device(Protocol):
    """Makes empty vectors and lists. One thread uses a device and all that it made."""

    dimensions: int

    def vectors(self) -> Vectors: ...

    def lists(self, centroids: np.ndarray) -> Lists: ...


class CpuDevice:
    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    def vectors(self) -> Vectors:
        return Vectors(self.dimensions)

    def lists(self, centroids: np.ndarray) -> Lists:
        return Lists(centroids)


class GpuDevice:
    """One GPU. Its resources are not thread-safe, which is why one thread owns a shard."""

    def __init__(self, dimensions: int) -> None:
        import faiss

        if not getattr(faiss, "get_num_gpus", lambda: 0)():
            raise invalid(
                "No GPU that faiss can use is here: install faiss-gpu where there is one, or set ARCUS_INDEX_DEVICE=cpu.",
                field="index_device",
            )
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


def device(name: str, dimensions: int) -> Device:
    return GpuDevice(dimensions) if name == "gpu" else CpuDevice(dimensions)
