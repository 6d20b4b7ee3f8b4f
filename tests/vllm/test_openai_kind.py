"""The engine kind openai against vLLM's own server (vllm serve): the same roles, over HTTP, with the tiny model."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ray_jobs.engines.engine import Engine, open_engine
from ray_jobs.engines.openai_compatible.model import OpenaiModel
from ray_jobs.runtime import free_ports
from services.core.engine_config import OpenaiOptions, Role, parse_engine_config
from tests.contract import test_role_describer, test_role_extractor, test_role_generator
from tests.contract.engines import Tried
from tests.vllm.conftest import KV_CACHE_BYTES
from tests.vllm.contract_cases import cases
from tests.vllm.test_language_model import test_answers_to_a_schema_fit_it_and_do_not_mix as schemas_are_kept
from tests.vllm.test_language_model import test_closing_or_cancelling_frees_the_engine as closing_frees
from tests.vllm.test_roles import CHANCE, SENSE

CONTEXT_TOKENS = 3072
START_SECONDS = 400
SUITES = [*cases(test_role_describer), *cases(test_role_extractor, CHANCE), *cases(test_role_generator, SENSE)]


@pytest.fixture(scope="session")
def url(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What `vllm serve` runs, on a free port, until the last test here."""
    (port,) = free_ports(1)
    log = tmp_path_factory.mktemp("server") / "vllm.log"
    command = [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(models["vlm"])),
        *("--served-model-name", "scripted", "--distributed-executor-backend", "uni"),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager"),
        *("--max-model-len", str(CONTEXT_TOKENS), "--kv-cache-memory-bytes", str(KV_CACHE_BYTES)),
        *("--limit-mm-per-prompt", '{"image": 8}', "--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
        *("--structured-outputs-config", '{"backend": "guidance", "disable_any_whitespace": true}'),
    ]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "VLLM_NO_USAGE_STATS": "1"})
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(60)


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


def _config(url: str) -> Any:
    roles = "describe: there, extract: there, nimbus-001: there, nimbus-002-preview: there"
    return parse_engine_config(
        f"engines: {{there: {{kind: openai, base_url: '{url}', model: scripted, context_tokens: {CONTEXT_TOKENS}, "
        f"max_images: 8, image_tokens: 16, bytes_per_token: 1.5, is_vllm: true}}}}\nroles: {{{roles}}}"
    )


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[Engine]:
    config = _config(url)
    engine = open_engine(config, "there", config.played_by("there"))
    await engine.setup()
    yield engine
    await engine.close()


@pytest.mark.parametrize(("contract", "arguments"), SUITES)
async def test_the_contract_of_a_role_over_http(url: str, contract: Any, arguments: dict[str, Any]) -> None:
    async with _engine(url) as engine:
        (model,) = engine.parts

        @asynccontextmanager
        async def opened(role: Role) -> AsyncIterator[Tried]:
            yield Tried(engine, lambda: model.running)  # type: ignore[attr-defined]

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
