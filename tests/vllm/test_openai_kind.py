"""The engine kind openai against vLLM's own server (vllm serve): the same roles, over HTTP, with the tiny models."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ray_jobs.engines.engine import Engine, open_engine
from ray_jobs.engines.openai_compatible.model import OpenaiModel
from ray_jobs.runtime import free_ports
from services.core.engines.config import ROLES, TASKS, OpenaiOptions, Role, parse_engine_config
from tests.contract import (
    test_role_describer,
    test_role_embedder,
    test_role_extractor,
    test_role_generator,
    test_role_transcriber,
)
from tests.contract.engines import Tried
from tests.vllm.conftest import KV_CACHE_BYTES
from tests.vllm.contract_cases import cases
from tests.vllm.test_language_model import test_answers_to_a_schema_fit_it_and_do_not_mix as schemas_are_kept
from tests.vllm.test_language_model import test_closing_or_cancelling_frees_the_engine as closing_frees
from tests.vllm.test_roles import CHANCE, SENSE

CONTEXT_TOKENS = 3072
START_SECONDS = 400
SUITES = [
    *cases(test_role_describer),
    *cases(test_role_embedder),
    *cases(test_role_extractor, CHANCE),
    *cases(test_role_generator, SENSE),
    *cases(test_role_transcriber),
]
SERVED: dict[str, tuple[str, ...]] = {  # and what its server is told
    "vlm": (
        *("--max-model-len", str(CONTEXT_TOKENS), "--kv-cache-memory-bytes", str(KV_CACHE_BYTES)),
        *("--limit-mm-per-prompt", '{"image": 8}', "--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
        *("--structured-outputs-config", '{"backend": "guidance", "disable_any_whitespace": true}'),
    ),
    "whisper": ("--kv-cache-memory-bytes", str(KV_CACHE_BYTES)),
    "vectors": ("--runner", "pooling"),
}


@pytest.fixture(scope="session")
def urls(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What `vllm serve` runs, a server for each model on a free port, until the last test here."""
    ports = dict(zip(SERVED, free_ports(len(SERVED)), strict=True))
    folder = tmp_path_factory.mktemp("servers")
    servers = {}
    with ExitStack() as stack:
        for name, port in ports.items():
            command = [
                *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(models[name])),
                *("--served-model-name", "scripted", "--distributed-executor-backend", "uni"),
                *("--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager"),
                *("--gpu-memory-utilization", "0.1", *SERVED[name]),
            ]
            output = stack.enter_context((folder / f"{name}.log").open("wb"))
            environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1"}
            servers[name] = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
            stack.callback(servers[name].wait, 60)
            stack.callback(servers[name].terminate)
        for name, port in ports.items():
            _wait(f"http://127.0.0.1:{port}/health", servers[name], folder / f"{name}.log")
        yield {name: f"http://127.0.0.1:{port}/v1" for name, port in ports.items()}


@pytest.fixture
def url(urls: dict[str, str]) -> str:
    return urls["vlm"]


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text(errors="replace")[-4000:]
        try:
            if httpx.get(address, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(log.read_text(errors="replace")[-4000:])


def _config(url: str, roles: Iterable[str]) -> Any:
    playing = ", ".join(f"{role}: there" for role in roles)
    return parse_engine_config(
        f"engines: {{there: {{kind: openai, base_url: '{url}', model: scripted, context_tokens: {CONTEXT_TOKENS}, "
        f"max_images: 8, image_tokens: 16, bytes_per_token: 1.5, is_vllm: true}}}}\nroles: {{{playing}}}"
    )


@asynccontextmanager
async def _engine(urls: dict[str, str], role: Role) -> AsyncIterator[Engine]:
    model = {"language": "vlm", "speech": "whisper", "vectors": "vectors"}[TASKS[role]]
    config = _config(urls[model], [each for each in ROLES if TASKS[each] == TASKS[role]])
    engine = open_engine(config, "there", config.played_by("there"))
    await engine.setup()
    try:
        yield engine
    finally:
        await engine.close()


@pytest.mark.parametrize(("contract", "arguments"), SUITES)
async def test_the_contract_of_a_role_over_http(urls: dict[str, str], contract: Any, arguments: dict[str, Any]) -> None:
    @asynccontextmanager
    async def opened(role: Role) -> AsyncIterator[Tried]:
        async with _engine(urls, role) as engine:
            (part,) = engine.parts
            yield Tried(engine, lambda: part.running)  # type: ignore[attr-defined]

    await contract(opened, **arguments)


@pytest.mark.parametrize("contract", [schemas_are_kept, closing_frees])
async def test_the_contract_of_a_language_model_over_http(url: str, contract: Any) -> None:
    model = OpenaiModel(
        OpenaiOptions(kind="openai", base_url=url, model="scripted", context_tokens=CONTEXT_TOKENS, is_vllm=True)
    )
    await model.setup()
    await contract(model)
    await model.close()


async def test_a_server_frees_what_its_client_left(url: str) -> None:
    """Seen in the server's own count."""
    model = OpenaiModel(OpenaiOptions(kind="openai", base_url=url, model="scripted", context_tokens=CONTEXT_TOKENS))
    await model.setup()
    await closing_frees(model)
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
        while True:
            metrics = (await client.get(url.removesuffix("v1") + "metrics")).text
            counts = [line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running{")]
            assert counts
            if all(line.endswith(" 0.0") for line in counts):
                break
            await asyncio.sleep(0.2)
    await model.close()
