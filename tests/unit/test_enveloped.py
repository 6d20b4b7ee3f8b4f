"""Answers in JSON of language models: the sources stand beside the answer, and its text alone is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from arcus.engine.v1 import engine_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from ray_jobs.engines.language.enveloped import EnvelopeReader, envelope
from ray_jobs.engines.language.generator import LanguageGenerator
from ray_jobs.engines.language.model import Call, Piece
from ray_jobs.engines.language.scripted import ScriptedModel, pieces
from services.core.errors import ArcusError, Reason

SCHEMA = {"type": "object", "properties": {"height": {"type": "number"}, "why": {"type": "string"}}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=4), JSON, max_size=3), st.lists(st.integers(1, 9), max_size=3), st.integers(1, 9)
)
def test_the_answer_and_its_sources_come_out_whatever_they_hold_and_however_they_are_cut(
    answer: dict[str, Any], sources: list[int], size: int
) -> None:
    reader = EnvelopeReader()
    for indent in (None, 2):
        text = json.dumps({"answer": answer, "sources": sources}, indent=indent)
        reader = EnvelopeReader()
        read = "".join(reader.read(text[place : place + size]) for place in range(0, len(text), size))
        assert json.loads(read) == answer and read == reader.answer
        assert reader.sources() == sources


def test_control_characters_in_strings_are_written_as_json_has_them() -> None:
    reader = EnvelopeReader()
    assert json.loads(reader.read('{"answer":{"why":"a\nb\t"},"sources":[1]}')) == {"why": "a\nb\t"}


def test_an_answer_that_was_cut_off_has_no_sources() -> None:
    reader = EnvelopeReader()
    assert reader.read('{"answer":{"why":"it was') == '{"why":"it was' and reader.sources() == []


def test_only_sources_that_there_are_can_be_named() -> None:
    made = envelope(SCHEMA, [2, 1, 2])
    assert made["properties"]["sources"]["items"] == {"enum": [1, 2]}
    assert made["properties"]["answer"]["additionalProperties"] is False
    assert envelope({}, [])["properties"] == {"answer": {"type": "object"}}


def request(schema: Any = SCHEMA, **fields: Any) -> pb.GenerateRequest:
    passage = pb.Passage(kind="speech", text="The tide rises sixteen metres.", start_time=10, end_time=12)
    source = pb.Source(number=3, filename="tide.mp4", start_time=10, end_time=30, passages=[passage])
    return pb.GenerateRequest(
        messages=[pb.Message(role="user", text="How high?")],
        sources=[source],
        json_schema=json.dumps(schema),
        **fields,
    )


async def told(model: ScriptedModel, asked: pb.GenerateRequest) -> list[pb.GenerateChunk]:
    return [chunk async for chunk in LanguageGenerator(model).generate(asked)]


async def test_a_model_is_shown_the_schema_and_held_to_it_and_its_sources_are_cited() -> None:
    answer = {"height": 16, "why": "the tide rises sixteen metres"}
    model = ScriptedModel(lambda _: pieces(json.dumps({"answer": answer, "sources": [3]})))
    chunks = await told(model, request())
    assert json.loads("".join(chunk.text for chunk in chunks)) == answer
    (citation,) = chunks[-1].citations
    assert citation.number == 3 and "rises sixteen metres" in citation.claim
    (prompt,) = model.prompts
    assert prompt.schema == envelope(SCHEMA, [3])
    assert '"height"' in prompt.turns[0].text and "square brackets" not in prompt.turns[0].text


async def test_a_model_that_does_not_keep_to_the_form_fails_before_a_word_is_told() -> None:
    model = ScriptedModel(lambda _: pieces("The tide rises sixteen metres. " * 20))
    with pytest.raises(ArcusError) as caught:
        await told(model, request())
    assert caught.value.reason is Reason.INTERNAL and "form that was asked for" in caught.value.message


async def test_json_that_was_begun_is_not_continued() -> None:
    with pytest.raises(ArcusError) as caught:
        await told(ScriptedModel(), request(written='{"height":'))
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE


async def test_a_model_may_call_a_function_instead() -> None:
    call = Piece(tool_call=Call("call_1", "look", "{}"), output_tokens=1)
    tool = pb.Tool(name="look", parameters='{"type": "object"}')
    chunks = await told(ScriptedModel(lambda _: [call]), request(tools=[tool]))
    assert chunks[0].tool_call.name == "look" and not any(chunk.text for chunk in chunks)


async def test_where_a_call_must_be_made_the_schema_is_of_no_answer() -> None:
    tool = pb.Tool(name="look", parameters='{"type": "object"}')
    model = ScriptedModel()
    chunks = await told(model, request(tools=[tool], tool_choice="look"))
    assert chunks[0].tool_call.name == "look" and model.prompts[0].schema is None


async def test_a_model_that_makes_no_call_where_it_must_fails() -> None:
    tool = pb.Tool(name="look", parameters='{"type": "object"}')
    asked = pb.GenerateRequest(messages=[pb.Message(role="user", text="?")], tools=[tool], tool_choice="look")
    with pytest.raises(ArcusError) as caught:
        await told(ScriptedModel(lambda _: pieces("Sixteen metres.")), asked)
    assert caught.value.reason is Reason.INVALID_ARGUMENT and "tool_choice" in caught.value.message
