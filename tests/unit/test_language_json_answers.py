"""Answers in JSON: what a model may write, what is asked for again, and what is refused."""

from __future__ import annotations

import pickle

import pytest

from ray_jobs.engines.language.cleaning import cleaned, without_controls
from ray_jobs.engines.language.json_answers import ATTEMPTS, MAX_BLANKS, UnusableAnswerError, answer_in_json
from ray_jobs.engines.language.model import Prompt, Turn
from ray_jobs.engines.language.scripted import ScriptedModel, pieces
from services.core.errors import ArcusError, Reason

SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string", "minLength": 1, "maxLength": 40}},
    "required": ["title"],
    "additionalProperties": False,
}


def prompt(max_output_tokens: int = 500) -> Prompt:
    return Prompt("r", "t", (Turn("user", "Name it."),), max_output_tokens, schema=SCHEMA)


def model(*answers: str) -> ScriptedModel:
    """Gives the answers one after another, the last one for ever."""
    left = list(answers)
    return ScriptedModel(lambda _: pieces(left.pop(0) if len(left) > 1 else left[0]), context_tokens=200_000)


async def test_a_value_that_fits_is_returned_with_its_strings_cleaned() -> None:
    made = await answer_in_json(model('{"title":"High\x07 \\ud800 tide \n\n  in \\u0000 the bay"}'), prompt())
    assert made == {"title": "High tide in the bay"}


@pytest.mark.parametrize(
    ("garbage", "told"),
    [
        ("The title is: tide", "not JSON"),
        ('{"title":"tide"', "not JSON"),
        ('{"title":5}', "title"),
        ('{"title":"\x01\x02"}', "title"),
        ('{"titel":"tide"}', "title"),
        ('{"title":"' + "x" * 41 + '"}', "title"),
        ("[" * 100_000, "not JSON"),
        ("{" + " " * (MAX_BLANKS + 10), "blanks"),
        ("", "not JSON"),
    ],
)
async def test_garbage_is_asked_for_again_and_then_refused(garbage: str, told: str) -> None:
    engine = model(garbage)
    with pytest.raises(ArcusError) as caught:
        await answer_in_json(engine, prompt(100_000) if len(garbage) > 1_000 else prompt())
    assert caught.value.reason is Reason.INTERNAL and told in caught.value.message
    assert len(engine.prompts) == ATTEMPTS and engine.running == 0


async def test_an_answer_that_is_cut_off_is_no_answer_even_where_it_reads_as_one() -> None:
    with pytest.raises(ArcusError, match="cut off at 3 tokens"):
        await answer_in_json(model('{"title":"tide"}' + "      "), prompt(3))


async def test_a_later_answer_that_fits_counts_and_is_drawn_by_lot() -> None:
    engine = model("no", '{"title":"tide"}')
    assert await answer_in_json(engine, prompt()) == {"title": "tide"}
    assert [asked.temperature for asked in engine.prompts] == [0.0, 0.7]
    assert len({asked.request_id for asked in engine.prompts}) == 2


async def test_what_the_model_raises_is_not_tried_again() -> None:
    engine = ScriptedModel(lambda _: [ArcusError(Reason.LIMIT_EXCEEDED)])
    with pytest.raises(ArcusError) as caught:
        await answer_in_json(engine, prompt())
    assert caught.value.reason is Reason.LIMIT_EXCEEDED and len(engine.prompts) == 1


async def test_a_model_that_falls_silent_or_dies_on_the_way_is_given_up_and_freed() -> None:
    silent = ScriptedModel(interval_seconds=3_600)
    with pytest.raises(ArcusError, match="silent") as caught:
        await answer_in_json(silent, prompt(), silence_seconds=0.05)
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED and silent.running == 0
    dying = ScriptedModel(lambda _: [*pieces('{"title":'), ArcusError(Reason.ENGINE_UNAVAILABLE)])
    with pytest.raises(ArcusError) as caught:
        await answer_in_json(dying, prompt())
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE and dying.running == 0


def test_the_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(UnusableAnswerError("it is not JSON")))
    assert (error.reason, error.message) == (Reason.INTERNAL, UnusableAnswerError("it is not JSON").message)


def test_text_that_streams_keeps_its_spaces_and_lines() -> None:
    assert without_controls(" a\x00\n\tb\ud800 ") == " a\n\tb "
    assert cleaned(" a\x00\n\tb\ufffd  ") == "a b"
