"""A measurement beside its reference and beside what the card does by itself, what was checked of it, or what keeps it away."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from loadtests.vllm_on_cpu import EAGER, KV_CACHE_BYTES

GRAPH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 192, 256]  # sequences decoded at once
ENOUGH_SECONDS = 40.0  # of rounds, after which a side that is slow is measured by those it had
BESIDE = "beside"  # the goal that is a share of the reference, not of a ceiling


@dataclass(frozen=True)
class Options:
    """on_gpu: else the CPU. small: sizes for seconds, which measure nothing but show that every row runs.

    folder: kept from case to case, for what takes long to make.
    """

    on_gpu: bool
    small: bool
    rounds: int
    folder: Path


@dataclass
class Row:
    """ours and beside are rates in `unit`. `checks`: what was compared, by name; `failed`: what was wrong with it.

    ceilings: rates of the card by itself in the same unit, measured in the same run, by name.
    goals: shares that `ours` is to reach, of the reference (`BESIDE`) or of a ceiling by its name.
    drawings: SVG by name.
    """

    part: str
    what: str
    unit: str
    reference: str
    goals: dict[str, float] = field(default_factory=dict)
    ours: float | None = None
    beside: float | None = None
    ceilings: dict[str, float] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    drawings: dict[str, str] = field(default_factory=dict)
    failed: str = ""
    missing: str = ""

    def share(self, of: str) -> float | None:
        """What `ours` is of the reference, or of a ceiling."""
        whole = self.beside if of == BESIDE else self.ceilings.get(of)
        return self.ours / whole if self.ours and whole else None

    def check(self, name: str, value: Any, is_right: bool) -> None:
        self.checks[name] = value
        if not is_right:
            self.failed = f"{self.failed}; {name}: {value}".strip("; ")

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "shares": {name: self.share(name) for name in (BESIDE, *self.ceilings)}}


@dataclass(frozen=True)
class Case:
    """measure fills the row; missing says what keeps it from running here. Cases of a lower rank are run first."""

    row: Row
    measure: Callable[[Row], None]
    missing: Callable[[], str] = str
    rank: int = 1
    limit_seconds: float = 90.0


def engine_arguments(options: Options) -> dict[str, Any]:
    """Of vLLM's engine, beside those that a row measures; both sides are given the same."""
    if not options.on_gpu:
        return {**EAGER, "kv_cache_memory_bytes": KV_CACHE_BYTES}
    # Decoding by CUDA graphs, without torch.compile, which takes a minute of each start.
    graphs = {"mode": 0, "cudagraph_mode": "FULL_DECODE_ONLY", "cudagraph_capture_sizes": GRAPH_SIZES}
    return {"gpu_memory_utilization": 0.6, "compilation_config": graphs}


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
