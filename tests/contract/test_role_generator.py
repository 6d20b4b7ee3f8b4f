"""What every engine that answers must do: stream, count, stop when told, and plan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.roles import Generator
from services.core.errors import ArcusError, Reason
from tests.contract.engines import ENDLESS, engines, question

ALL = engines("embedded", "scripted", "language", "openai")
STREAMS = 20


def generator(tried: Any) -> Generator:
    assert tried.engine.generator is not None
    return tried.engine.generator


async def answer(engine: Generator, request: pb.GenerateRequest) -> list[pb.GenerateChunk]:
    return [chunk async for chunk in engine.generate(request)]


def endless() -> pb.GenerateRequest:
    """The scripted engine reads its script from the instructions, the others the question."""
    script = '{"messages": 100000, "interval_seconds": 0.01}'
    return question(ENDLESS, instructions=script, max_output_tokens=4_000)


@ALL
async def test_an_answer_comes_in_pieces_and_the_last_one_tells_why_and_counts(opened):
    async with opened("nimbus-001") as tried:
        chunks = await answer(generator(tried), question())
    assert len(chunks) > 3 and [chunk.finish_reason for chunk in chunks] == [""] * (len(chunks) - 1) + ["stop"]
    text = "".join(chunk.text for chunk in chunks)
    assert "[1]" in text
    assert sum(chunk.output_tokens for chunk in chunks) >= 5
    assert chunks[-1].input_tokens >= 5


@ALL
async def test_an_answer_ends_at_its_limit_and_says_so(opened):
    async with opened("nimbus-001") as tried:
        chunks = await answer(generator(tried), question(max_output_tokens=4))
    assert chunks[-1].finish_reason == "length"
    assert sum(chunk.output_tokens for chunk in chunks) == 4


@ALL
async def test_many_answers_at_once_do_not_mix(opened):
    async with opened("nimbus-001") as tried:
        engine = generator(tried)
        answers = await asyncio.gather(*(answer(engine, question()) for _ in range(STREAMS)))
        await tried.idle()
    assert len({"".join(chunk.text for chunk in chunks) for chunks in answers}) == 1
    assert all(chunks[-1].finish_reason == "stop" for chunks in answers)


@engines("scripted", "language", "openai")
async def test_closing_a_stream_frees_the_engine(opened):
    async with opened("nimbus-001") as tried:
        streams: list[AsyncIterator[pb.GenerateChunk]] = [generator(tried).generate(endless()) for _ in range(STREAMS)]
        for stream in streams:
            await anext(stream)
        assert tried.running() == STREAMS
        for stream in streams:
            await cast(Any, stream).aclose()
        await tried.idle()
        assert generator(tried).running == 0


@engines("scripted", "language", "openai")
async def test_cancelling_who_reads_a_stream_frees_the_engine(opened):
    async with opened("nimbus-001") as tried:

        async def read() -> None:
            async with aclosing(cast(Any, generator(tried).generate(endless()))) as chunks:
                async for _ in chunks:
                    pass

        readers = [asyncio.create_task(read()) for _ in range(STREAMS)]
        await tried.until(lambda: tried.running() == STREAMS)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await tried.idle()
        assert generator(tried).running == 0
        assert (await answer(generator(tried), question()))[-1].finish_reason == "stop"


@engines("embedded", "scripted", "language", "openai")
async def test_an_answer_that_broke_off_goes_on_where_it_was(opened):
    async with opened("nimbus-001") as tried:
        whole = "".join(chunk.text for chunk in await answer(generator(tried), question()))
        cut = len(whole) // 2
        rest = await answer(generator(tried), question(written=whole[:cut], output_tokens_written=3))
    assert "".join(chunk.text for chunk in rest) == whole[cut:]


@ALL
@pytest.mark.parametrize("decompose", [False, True])
async def test_a_plan_has_a_question_and_parts_to_search_for(opened, decompose):
    messages = [
        pb.Message(role="user", text="What does the lecture say about tides?"),
        pb.Message(role="assistant", text="They follow the moon [1]."),
        pb.Message(role="user", text="And how high do they rise?"),
    ]
    request = pb.PlanRequest(
        request_id="r", tenant_id="tenant-a", model="nimbus-002-preview", messages=messages, decompose=decompose
    )
    async with opened("nimbus-002-preview") as tried:
        planned = await generator(tried).plan(request)
        await tried.idle()
    assert planned.question and 1 <= len(planned.parts) <= 6 and all(planned.parts)


@engines("language", "openai")
async def test_a_function_is_called_where_one_must_be(opened):
    tool = pb.Tool(
        name="weather",
        parameters='{"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}',
    )
    async with opened("nimbus-001") as tried:
        chunks = await answer(generator(tried), question(tools=[tool], tool_choice="weather"))
    calls = [chunk.tool_call for chunk in chunks if chunk.HasField("tool_call")]
    assert {(call.id, call.name) for call in calls} == {("call_1", "weather")} and len(calls) > 1
    assert "".join(call.arguments for call in calls) == '{"place": "words of an example"}'
    assert chunks[-1].finish_reason == "stop"


@engines("language", "openai")
async def test_a_question_that_is_longer_than_the_model_reads_is_refused(opened):
    async with opened("nimbus-001") as tried:
        with pytest.raises(ArcusError) as caught:
            await answer(generator(tried), question("how high " * 20_000))
        assert caught.value.reason is Reason.INVALID_ARGUMENT
        await tried.idle()
