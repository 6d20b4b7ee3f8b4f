"""Answers in JSON of the embedded engine: filled from what it cites, or refused with the reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.frames import frames
from ray_jobs.engines.embedded.extractive.generator import EmbeddedGenerator
from services.core.errors import ArcusError, Reason
from tests.unit.test_embedded_generator import OTHERS, passage, source

TOWER = source(1, passage("The tower is 300 metres tall.", 0.92), passage("It was finished on 31 March 1889.", 0.9, 5))
LONE = source(1, passage("The tower is 300 metres tall.", 0.92))
HEIGHT = {"type": "number", "description": "height in metres"}


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


async def asked(
    asks: dict[str, Any], question: str = "How tall is the tower?", **fields: Any
) -> tuple[str, str, list[tuple[int, str]]]:
    """(text, refusal, citations as numbers and claims)"""
    request = pb.GenerateRequest(
        messages=[pb.Message(role="user", text=question)],
        sources=fields.pop("sources", [TOWER, *OTHERS]),
        form="number",
        embedder="multilingual-e5-small",
        json_schema=json.dumps(asks),
        **fields,
    )
    chunks = [chunk async for chunk in EmbeddedGenerator().generate(request)]
    cited = [(item.number, item.claim) for item in chunks[-1].citations]
    return "".join(chunk.text for chunk in chunks), "".join(chunk.refusal for chunk in chunks), cited


async def test_values_are_taken_from_what_the_answer_cites_and_their_lines_are_cited() -> None:
    asks = schema(height=HEIGHT, finished={"type": "string", "format": "date"})
    text, refusal, cited = await asked(asks)
    assert json.loads(text) == {"height": 300, "finished": "1889-03-31"} and not refusal
    assert [number for number, _ in cited] == [1, 1]
    assert cited[0][1] == "It was finished on 31 March 1889." and "300 metres" in cited[1][1]


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ({"type": "integer"}, 300),
        ({"type": "number", "description": "How high it is"}, 300),
        ({"type": "string"}, "300 metres tall"),
        ({"type": "number", "description": "height in feet"}, None),
        ({"type": "number", "maximum": 100}, None),
        ({"type": "string", "format": "date"}, None),
    ],
)
async def test_what_the_question_asks_for_is_its_answer_in_a_word_where_that_fits(place: Any, found: Any) -> None:
    text, refusal, cited = await asked(schema(height=place), sources=[LONE, *OTHERS])
    if found is None:
        assert not text and refusal == frames("en").say("unfilled", names="height")
    else:
        assert json.loads(text) == {"height": found} and {number for number, _ in cited} == {1}


async def test_a_text_named_answer_is_the_answer_in_words() -> None:
    text, _, cited = await asked(schema(answer={"type": "string"}, height=HEIGHT))
    made = json.loads(text)
    assert list(made) == ["answer", "height"] and made["height"] == 300
    assert "300 metres" in made["answer"] and "[1]" not in made["answer"]
    assert {number for number, _ in cited} == {1}


async def test_brackets_of_a_video_are_kept_as_they_are() -> None:
    shown = source(1, passage("Total [2]\nHeight of the tower: 300 m", 0.95, kind="scene_text"))
    text, _, _ = await asked(schema(height={**HEIGHT, "description": "height of the tower"}), sources=[shown, *OTHERS])
    assert json.loads(text) == {"height": 300}


@pytest.mark.parametrize("language", ["en", "de", "fr"])
async def test_what_is_not_there_is_refused_by_its_name_in_the_language_of_the_question(language: str) -> None:
    text, refusal, cited = await asked(schema(email={"type": "string", "format": "email"}), language=language)
    assert not text and not cited
    assert refusal == frames(language).say("unfilled", names="email")


async def test_a_question_that_nothing_answers_is_refused_as_in_words() -> None:
    bees = "What does the minister say about bicycles in Utrecht?"
    text, refusal, _ = await asked(schema(height=HEIGHT), bees, sources=list(OTHERS))
    assert not text and refusal in {frames("en").say(name) for name in ("refusal", "nothing")}


async def test_a_record_that_was_cut_off_goes_on() -> None:
    whole, _, _ = await asked(schema(height=HEIGHT))
    rest, _, cited = await asked(schema(height=HEIGHT), written=whole[:9], output_tokens_written=1)
    assert whole[:9] + rest == whole and cited


async def test_any_object_is_refused_by_name() -> None:
    with pytest.raises(ArcusError) as caught:
        await asked({})
    assert caught.value.reason is Reason.INVALID_ARGUMENT and "json_schema" in caught.value.message
