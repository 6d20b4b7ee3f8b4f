"""The scripted engine does what its script says and stops when it is told to."""

from __future__ import annotations

import asyncio
import json

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.scripted import ScriptedEngine
from services.core.engines.config import ScriptedOptions
from services.core.errors import ArcusError, Reason


def request(**script: object) -> pb.GenerateRequest:
    return pb.GenerateRequest(instructions=json.dumps(script), messages=[pb.Message(role="user", text="one two")])


async def test_it_emits_as_many_messages_as_asked_and_then_says_why_it_stopped() -> None:
    chunks = [chunk async for chunk in ScriptedEngine().generate(request(messages=5, tokens_per_message=3))]
    assert [chunk.output_tokens for chunk in chunks] == [3, 3, 3, 3, 3, 0]
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].input_tokens == 2
    assert all(len(chunk.text.split()) == 3 for chunk in chunks[:-1])


async def test_it_cites_every_source_once() -> None:
    asked = request(messages=4)
    asked.sources.extend([pb.Source(number=1), pb.Source(number=2)])
    text = "".join([chunk.text async for chunk in ScriptedEngine().generate(asked)])
    assert [text.count("[1]"), text.count("[2]"), text.count("[3]")] == [1, 1, 0]


async def test_it_stops_at_the_token_limit() -> None:
    asked = request(messages=50, tokens_per_message=2)
    asked.max_output_tokens = 10
    chunks = [chunk async for chunk in ScriptedEngine().generate(asked)]
    assert sum(chunk.output_tokens for chunk in chunks) == 10
    assert chunks[-1].finish_reason == "length"


async def test_a_closed_stream_frees_the_engine() -> None:
    engine = ScriptedEngine()
    stream = engine.generate(request(messages=1000))
    await anext(stream)
    assert engine.running == 1
    await stream.aclose()  # type: ignore[attr-defined]
    assert engine.running == 0


async def test_it_fails_where_the_script_says() -> None:
    received = 0
    with pytest.raises(ArcusError) as raised:
        async for _ in ScriptedEngine().generate(request(messages=9, fail_after=4, fail_reason="LIMIT_EXCEEDED")):
            received += 1
    assert received == 4
    assert raised.value.reason is Reason.LIMIT_EXCEEDED


async def test_an_answer_that_goes_on_counts_no_word_twice() -> None:
    """A front holds blanks back: what was told ends within a message, whose words were counted whole."""
    asked = request(messages=3, tokens_per_message=2)
    asked.written, asked.output_tokens_written, asked.max_output_tokens = "word word word word", 4, 7
    chunks = [chunk async for chunk in ScriptedEngine().generate(asked)]
    assert "".join(chunk.text for chunk in chunks) == " word word "
    assert sum(chunk.output_tokens for chunk in chunks) == 2 and chunks[-1].finish_reason == "stop"


@pytest.mark.parametrize("script", [{"messages": 0}, {"typo": 1}, {"interval_seconds": -1}, {"messages": "many"}])
async def test_a_script_with_a_mistake_is_refused(script: dict[str, object]) -> None:
    with pytest.raises(ArcusError) as raised:
        await anext(ScriptedEngine().generate(request(**script)))
    assert raised.value.reason is Reason.INVALID_ARGUMENT


async def test_answers_beyond_its_places_wait_their_turn_fairly_between_tenants():
    engine = ScriptedEngine(ScriptedOptions(max_running=2, max_waiting=100))

    async def ask(tenant: str) -> int:
        """How much was written between the question and the first word of its answer."""
        asked = request(messages=10)
        asked.tenant_id, before = tenant, engine.chunks
        chunks = engine.generate(asked)
        await anext(chunks)
        waited = engine.chunks - before
        async for _ in chunks:
            pass
        return waited

    loud = [asyncio.create_task(ask("loud")) for _ in range(50)]
    await asyncio.sleep(0)
    waits = [await ask("quiet") for _ in range(5)]
    assert max(waits) < 6 * 10 and max(await asyncio.gather(*loud)) > 400
    assert engine.running == 0
