"""A measurement beside its reference, what was checked of it, or what keeps it from running here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtests.vllm_on_cpu import EAGER, KV_CACHE_BYTES


@dataclass(frozen=True)
class Options:
    """on_gpu: else the CPU. small: sizes for seconds, which measure nothing but show that every row runs."""

    on_gpu: bool
    small: bool
    rounds: int


@dataclass
class Row:
    """ours and beside are rates in `unit`. `checks`: what was compared, by name; `failed`: what was wrong with it."""

    part: str
    what: str
    unit: str
    reference: str
    goal: float | None = None
    ours: float | None = None
    beside: float | None = None
    checks: dict[str, Any] = field(default_factory=dict)
    failed: str = ""
    missing: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.beside if self.ours and self.beside else None

    def check(self, name: str, value: Any, is_right: bool) -> None:
        self.checks[name] = value
        if not is_right:
            self.failed = f"{self.failed}; {name}: {value}".strip("; ")

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


def engine_arguments(options: Options) -> dict[str, Any]:
    """Of vLLM's engine, beside those that a row measures."""
    return {} if options.on_gpu else {**EAGER, "kv_cache_memory_bytes": KV_CACHE_BYTES}


def best_seconds(calls: Sequence[Callable[[], Any]], rounds: int, settle: Callable[[], None]) -> list[float]:
    """The shortest of `rounds` runs of each call, taken in turn, so that a slow moment touches all; one more warms up."""
    best = [float("inf")] * len(calls)
    for round_number in range(rounds + 1):
        for index, call in enumerate(calls):
            settle()
            begin = time.perf_counter()
            call()
            settle()
            if round_number:
                best[index] = min(best[index], time.perf_counter() - begin)
    return best


def settle_gpu() -> None:
    """Waits until the GPU has done what it was given."""
    import torch

    torch.cuda.synchronize()


def settle_nothing() -> None:
    return None


def lacking(*packages: str) -> str:
    """Which of these packages cannot be imported here, and why; empty where all can."""
    import importlib

    for package in packages:
        try:
            importlib.import_module(package)
        except Exception as error:
            return f"{package} cannot be imported ({type(error).__name__}: {error})"[:200]
    return ""
