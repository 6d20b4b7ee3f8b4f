"""What a GPU is asked again and again, recorded once: starting its many small kernels would take longer than they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

RECORDED_AT = 100  # the call of a kind that is recorded: recording takes as long as some hundred calls
MOST_KINDS = 16


class Recorded:
    """CUDA graphs by kind of call. A function of the same kind must do the same with the same tensors until `forget`."""

    def __init__(self) -> None:
        self._calls: Counter[Hashable] = Counter()
        self._graphs: dict[Hashable, tuple[Any, Any, Any]] = {}

    def forget(self) -> None:
        """Tensors that were recorded have moved or changed size."""
        self._calls.clear()
        self._graphs.clear()

    def call(self, kind: Hashable, function: Callable[[Any], Any], given: np.ndarray) -> Any:
        """function(given as a tensor of the GPU), which is to launch kernels alone and wait for none."""
        import torch

        tensor = torch.from_numpy(given)
        self._calls[kind] += 1
        if self._calls[kind] < RECORDED_AT:
            return function(tensor.cuda())
        if kind not in self._graphs:
            if len(self._graphs) == MOST_KINDS:
                self._graphs.clear()
            taken = tensor.cuda()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                left = function(taken)
            self._graphs[kind] = graph, taken, left
        graph, taken, left = self._graphs[kind]
        taken.copy_(tensor)
        graph.replay()
        return left
