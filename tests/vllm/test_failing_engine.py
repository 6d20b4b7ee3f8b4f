"""A model on vLLM that is out of memory, silent, dead or none at all: what its callers are told, and who notices."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtests.vllm_on_cpu import EAGER
from ray_jobs.engines.language.model import Turn
from ray_jobs.engines.vllm.embedder import VllmEmbedder
from ray_jobs.engines.vllm.model import VllmModel
from ray_jobs.engines.vllm.transcriber import VllmTranscriber
from services.core.errors import ArcusError, Reason
from tests.vllm.conftest import tiny_options
from tests.vllm.test_language_model import ASKED, read

PARTS = ("small",)  # of the fixture
LONG = replace(ASKED, max_output_tokens=1_500)


async def told(model: Any, prompt: Any = ASKED) -> str:
    try:
        return (await read(model, prompt))[-1].finish_reason
    except ArcusError as error:
        return error.reason.name


async def test_where_the_cache_is_full_more_is_refused_and_what_runs_ends(parts: dict[str, Any]) -> None:
    """Four answers of 1,500 tokens in a cache of 3,000: vLLM throws two out and writes them later."""
    small = parts["small"]
    running = [asyncio.create_task(told(small, replace(LONG, request_id=f"r{n}"))) for n in range(4)]
    more: list[asyncio.Task[str]] = []
    while not all(task.done() for task in running):
        more.append(asyncio.create_task(told(small, replace(ASKED, max_output_tokens=1))))
        await asyncio.sleep(0.05)
    assert await asyncio.gather(*running) == ["length"] * 4
    assert set(await asyncio.gather(*more)) == {"length", "LIMIT_EXCEEDED"}
    assert await told(small) == "length"
    small.check()


async def test_a_model_without_eyes_takes_no_images(parts: dict[str, Any]) -> None:
    from tests.vllm.test_language_model import FRAME

    assert parts["small"].max_images == parts["small"].image_tokens == 0
    assert await told(parts["small"], replace(ASKED, images=(FRAME,))) == "INVALID_ARGUMENT"


async def test_a_model_that_falls_silent_is_given_up_and_all_who_wait_are_told(parts: dict[str, Any]) -> None:
    """The last test of this model: its process is stopped, and found out after 10 s."""
    small = parts["small"]
    waiting = [asyncio.create_task(told(small, replace(LONG, request_id=f"r{n}"))) for n in range(3)]
    while small.running < 3:  # noqa: ASYNC110  an engine offers no event
        await asyncio.sleep(0.01)
    for process in psutil.Process().children():
        if process.pid in {each.pid for each in small._engine.llm.engine_core.resources.engine_manager.processes}:
            process.send_signal(signal.SIGSTOP)
    assert await asyncio.gather(*waiting) == ["ENGINE_UNAVAILABLE"] * 3
    with pytest.raises(ArcusError) as caught:
        small.check()
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE and "silent" in caught.value.message
    assert await told(small) == "ENGINE_UNAVAILABLE" and small.running == 0


@pytest.mark.parametrize("part", [VllmModel, VllmTranscriber, VllmEmbedder])
async def test_a_folder_without_a_model_is_refused_with_its_name(part: Any, tmp_path: Path) -> None:
    made = part(tiny_options(tmp_path))
    with pytest.raises(ArcusError) as caught:
        await made.setup()
    assert caught.value.reason is Reason.INVALID_ARGUMENT and str(tmp_path) in caught.value.message
    await made.close()


async def test_options_that_vllm_does_not_know_are_refused_with_their_name(models: dict[str, Path]) -> None:
    made = VllmModel(tiny_options(models["text"], extra={"enforce_haste": True}))
    with pytest.raises(ArcusError) as caught:
        await made.setup()
    assert caught.value.reason is Reason.INVALID_ARGUMENT and "enforce_haste" in caught.value.message


async def test_a_model_that_does_not_fit_says_what_to_change(models: dict[str, Path]) -> None:
    """A context of 8,192 tokens in a cache of 1 MiB."""
    extra = {**EAGER, "kv_cache_memory_bytes": 1024**2}
    made = VllmModel(tiny_options(models["text"], extra=extra))
    with pytest.raises(ArcusError) as caught:
        await made.setup()
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE and "context_tokens" in caught.value.message
    await made.close()


async def test_closing_lets_what_runs_end_and_takes_no_more(models: dict[str, Path]) -> None:
    made = VllmModel(tiny_options(models["text"]))
    await made.setup()
    running = [asyncio.create_task(told(made, replace(LONG, request_id=f"r{n}"))) for n in range(3)]
    while made.running < 3:  # noqa: ASYNC110  an engine offers no event
        await asyncio.sleep(0.01)
    closing = asyncio.create_task(made.close())
    await asyncio.sleep(0.1)
    assert not closing.done() and await told(made) == "ENGINE_UNAVAILABLE"
    assert await asyncio.gather(*running) == ["length"] * 3
    await closing
    assert made.running == 0


async def test_a_call_before_setup_is_refused(models: dict[str, Path]) -> None:
    made = VllmModel(tiny_options(models["text"]))
    assert await told(made, replace(ASKED, turns=(Turn("user", "Why?"),))) == "ENGINE_UNAVAILABLE"
    await made.close()
