"""A whole Arcus with every role on vLLM: the models are tiny, all else is as on GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml

from tests.running_system import RunningSystem, start_system
from tests.vllm.conftest import MAX_RUNNING, MAX_WAITING, tiny_options

START_SECONDS = 600.0
ROLES = {
    "describe": "eyes",
    "extract": "eyes",
    "nimbus-001": "eyes",
    "nimbus-002-preview": "eyes",
    "transcribe": "ears",
    "embed": "vectors",
}


@contextmanager
def vllm_system(folder: Path, models: dict[str, Path]) -> Iterator[RunningSystem]:
    """Its front lets one tenant ask more at once than the engine takes: it is the engine that refuses."""
    options = {
        "eyes": tiny_options(models["vlm"], context_tokens=3072, max_images=8),
        "ears": tiny_options(models["whisper"]),
        "vectors": tiny_options(models["vectors"]),
    }
    engines = {name: each.model_dump(mode="json", exclude_none=True) for name, each in options.items()}
    (folder / "engines.yaml").write_text(yaml.safe_dump({"engines": engines, "roles": ROLES}))
    environment = {
        "ARCUS_CONFIG": str(folder / "engines.yaml"),
        "ARCUS_MAX_REQUESTS_PER_TENANT": str(4 * (MAX_RUNNING + MAX_WAITING)),
        "ARCUS_CONTEXT_TOKENS": "1000",
    }
    system = start_system(folder / "data", environment=environment, start_seconds=START_SECONDS)
    try:
        yield system
    finally:
        system.stop()


def model_process(system: RunningSystem, engine: str) -> psutil.Process:
    """The process that vLLM runs an engine's model in."""
    for process in system.find("EngineCore"):
        if any(f"engine-{engine}" in " ".join(parent.cmdline()) for parent in process.parents()):
            return process
    raise AssertionError(f"the engine {engine} has no process")
