"""The roles over a language model: what it is shown, what is made of its answers, and what is left out when it is full."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.language.describer import MAX_SCENES, LanguageDescriber
from ray_jobs.engines.language.extractor import LanguageExtractor, joined
from ray_jobs.engines.language.generator import LanguageGenerator
from ray_jobs.engines.language.guides import MAX_STRING, bounded
from ray_jobs.engines.language.model import Prompt
from ray_jobs.engines.language.scripted import ScriptedModel, pieces
from ray_jobs.engines.roles import DescribeRequest
from ray_jobs.stages.extract import Extracted, ExtractRequest, Passage
from services.core.errors import ArcusError, Reason
from services.core.library.entities import ValueSource
from services.core.media import DescribeConfig, SegmentDescription, Span, Speech, TimedText

SPAN = Span(20.0, 40.0)
PEOPLE = {
    "type": "object",
    "properties": {
        "speaker": {"type": ["string", "null"]},
        "topics": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["topics"],
}


def says(*values: Any) -> ScriptedModel:
    left = list(values)
    return ScriptedModel(lambda _: pieces(json.dumps(left.pop(0) if len(left) > 1 else left[0])))


def shown(prompt: Prompt) -> str:
    return "\n".join(turn.text for turn in prompt.turns)


def request(frames: int = 4, **changes: Any) -> DescribeRequest:
    return DescribeRequest(
        "tenant",
        np.zeros((frames, 8, 8, 3), np.uint8),
        np.linspace(21.0, 39.0, frames) if frames else np.zeros(0),
        SPAN,
        np.zeros(0, np.int16),
        **changes,
    )


async def test_a_segment_is_described_in_one_call_from_its_frames_speech_and_screen() -> None:
    scenes = [{"frame": 3, "text": "A chart."}, {"frame": 1, "text": "A beach."}, {"frame": 3, "text": "Again."}]
    model = says({"title": "Tides", "summary": "They rise.", "scenes": scenes})
    said = (Speech("The moon pulls", 22.0, 23.0),)
    described = await LanguageDescriber(model).describe(
        request(speech=said, scene_text=(TimedText("TIDES\n2024", 19.0, 41.0),), config=DescribeConfig(prompt="birds"))
    )
    assert (described.title, described.summary, described.speech) == ("Tides", "They rise.", said)
    assert described.visual_scene_description == (
        TimedText("A beach.", 20.0, 33.0),
        TimedText("A chart.", 33.0, 40.0),
    )
    assert described.scene_text == (TimedText("TIDES\n2024", 20.0, 40.0),)
    (asked,) = model.prompts
    assert len(asked.images) == 4 and asked.tenant_id == "tenant"
    for words in ("The moon pulls", "TIDES / 2024", "birds", "frames"):
        assert words in shown(asked)


async def test_only_what_is_wanted_is_asked_for() -> None:
    model = says({})
    off = DescribeConfig(
        enable_summary=False, enable_visual_scene_description=False, enable_scene_text=False, enable_speech=False
    )
    described = await LanguageDescriber(model).describe(request(speech=(Speech("x", 21, 22),), config=off))
    assert described == SegmentDescription() and not model.prompts
    model = says({"title": "A talk", "summary": "Someone talks."})
    described = await LanguageDescriber(model).describe(request(frames=0, speech=(Speech("x", 21, 22),)))
    assert described.title == "A talk" and described.visual_scene_description == ()
    assert set(model.prompts[0].schema["properties"]) == {"title", "summary"}  # type: ignore[index]


async def test_frames_and_words_are_thinned_out_to_what_the_model_reads() -> None:
    model = ScriptedModel(context_tokens=700, max_images=16)
    speech = tuple(Speech(f"word{n} and more", 20 + n / 1000, 21 + n / 1000) for n in range(10_000))
    described = await LanguageDescriber(model).describe(request(frames=64, speech=speech))
    assert 1 <= len(described.visual_scene_description) <= MAX_SCENES
    (asked,) = model.prompts
    assert 1 <= len(asked.images) < 16 and "word0" in shown(asked) and "word9999" not in shown(asked)


async def test_frames_of_another_shape_are_refused() -> None:
    with pytest.raises(ArcusError, match="uint8") as caught:
        await LanguageDescriber(says({})).describe(
            DescribeRequest("t", np.zeros((1, 8, 8), np.uint8), np.zeros(1), SPAN, np.zeros(0, np.int16))
        )
    assert caught.value.reason is Reason.INVALID_ARGUMENT


async def test_a_file_of_ten_thousand_segments_is_summarised_from_all_over_it() -> None:
    model = says({"title": "All", "summary": "Of it."})
    segments = [SegmentDescription(title=f"Part {n}", summary="word " * 20) for n in range(10_000)]
    assert await LanguageDescriber(model).summarise("t", segments, "a.mp4", 3600.0) == ("All", "Of it.")
    numbers = [int(line.split()[2].rstrip(".")) for line in shown(model.prompts[0]).splitlines() if "- Part" in line]
    assert len(numbers) > 50 and numbers[0] == 0 and numbers[-1] > 9_000
    assert max(after - before for before, after in pairwise(numbers)) < 400


async def test_a_file_of_which_nothing_is_known_is_called_by_its_name() -> None:
    model = says({})
    assert await LanguageDescriber(model).summarise("t", [SegmentDescription()], "beach.mp4", 9.0) == ("beach", "")
    assert not model.prompts


async def test_a_record_is_extracted_and_its_values_are_found_in_the_passages() -> None:
    model = says({"record": {"speaker": "Ann Lee", "topics": ["tides", "moons"]}})
    found = (Passage("speech", "I am ann lee", 1.0, 2.0), Passage("scene_text", "TIDES", 3.0, 4.0))
    extracted = await LanguageExtractor(model).extract(ExtractRequest(PEOPLE, "who speaks", found, "tenant"))
    assert extracted == Extracted(
        {"speaker": "Ann Lee", "topics": ["tides", "moons"]},
        (ValueSource("speaker", 1.0, 2.0), ValueSource("topics[0]", 3.0, 4.0)),
    )
    assert "who speaks" in shown(model.prompts[0]) and model.prompts[0].tenant_id == "tenant"


async def test_nothing_is_made_of_nothing() -> None:
    model = says({"record": None})
    assert await LanguageExtractor(model).extract(ExtractRequest(PEOPLE, "", ())) == Extracted(None)
    assert not model.prompts
    found = (Passage("speech", "hm", 1.0, 2.0),)
    assert await LanguageExtractor(model).extract(ExtractRequest(PEOPLE, "", found)) == Extracted(None)


async def test_a_long_file_is_read_in_parts_whose_records_are_joined() -> None:
    records = [{"record": {"topics": ["a"]}}, {"record": {"speaker": "Ann", "topics": ["a", "b"]}}, {"record": None}]
    model = says(*records)
    found = tuple(Passage("speech", f"n{n} " + "word " * 50, float(n), n + 1.0) for n in range(300))
    extracted = await LanguageExtractor(model).extract(ExtractRequest(PEOPLE, "", found))
    assert extracted.entities == {"speaker": "Ann", "topics": ["a", "b"]}
    read = [
        word for asked in model.prompts for word in shown(asked).split() if word.startswith("n") and word[1:].isdigit()
    ]
    assert read == [f"n{n}" for n in range(300)] and len(model.prompts) > 2


async def test_records_that_do_not_fit_together_are_refused() -> None:
    schema = {
        **PEOPLE,
        "properties": {**PEOPLE["properties"], "topics": {"type": "array", "items": {"type": "string"}, "maxItems": 1}},
    }  # type: ignore[dict-item]
    model = says({"record": {"topics": ["a"]}}, {"record": {"topics": ["b"]}})
    found = tuple(Passage("speech", "word " * 2_000, float(n), n + 1.0) for n in range(3))
    with pytest.raises(ArcusError, match="topics"):
        await LanguageExtractor(model).extract(ExtractRequest(schema, "", found))


def test_every_string_and_list_of_a_guided_answer_has_an_end() -> None:
    made = bounded(PEOPLE)
    assert made["properties"]["speaker"]["maxLength"] == MAX_STRING
    assert (
        made["properties"]["topics"]["items"]["maxLength"] == MAX_STRING and "maxItems" in made["properties"]["topics"]
    )
    assert bounded({"type": "string", "enum": ["a"]}) == {"type": "string", "enum": ["a"]}


def test_of_two_records_the_first_stays_and_the_second_fills_in() -> None:
    assert joined({"a": None, "b": [1], "c": {"d": 1}}, {"a": 2, "b": [1, 3], "c": {"d": 4, "e": 5}}) == {
        "a": 2,
        "b": [1, 3],
        "c": {"d": 1, "e": 5},
    }


def asked(*turns: tuple[str, str], **more: Any) -> Any:
    return {"messages": [pb.Message(role=role, text=text) for role, text in turns], "tenant_id": "t", **more}


async def test_a_plan_is_made_of_the_model_s_answer() -> None:
    answer: Any = {"question": "How high is it?", "broad": False, "parts": ["tide", "tide", "moon"], "per_file": True}
    query = {"purpose": "speakers", "sql": "SELECT 1"}
    model = says({**answer, "queries": [query], "answered_by_queries": True})
    table = pb.EntityTable(name="files", columns=[pb.Column(name="speaker", type="VARCHAR")])
    planned = await LanguageGenerator(model).plan(
        pb.PlanRequest(
            **asked(("user", "Tides?"), ("assistant", "Yes."), ("user", "How high?"), decompose=True), tables=[table]
        )
    )
    assert (list(planned.parts), planned.per_file, planned.answered_by_queries) == (["tide", "moon"], True, True)
    assert planned.queries[0].sql == "SELECT 1"
    for words in ("How high?", "assistant: Yes.", '"speaker" VARCHAR'):
        assert words in shown(model.prompts[0])
    answer = {"question": "How high is the tide?", "broad": False}
    turns = (("user", "Tides?"), ("assistant", "Yes."), ("user", "How high?"))
    planned = await LanguageGenerator(says(answer)).plan(pb.PlanRequest(**asked(*turns)))
    assert (planned.question, list(planned.parts)) == ("How high is the tide?", ["How high is the tide?"])


async def test_the_model_plans_no_question_that_stands_alone() -> None:
    model = says({})
    planned = await LanguageGenerator(model).plan(pb.PlanRequest(**asked(("user", "Fasse das Video zusammen."))))
    assert not model.prompts and list(planned.parts) == ["Fasse das Video zusammen."]
    assert (planned.form, planned.language, planned.broad) == ("whole", "de", True)


async def test_a_question_whose_plan_is_garbage_is_searched_for_as_it_is() -> None:
    model = ScriptedModel(lambda _: pieces("not json"))
    planned = await LanguageGenerator(model).plan(
        pb.PlanRequest(**asked(("user", "Summarize this video"), decompose=True))
    )
    assert (planned.question, list(planned.parts), planned.broad) == (
        "Summarize this video",
        ["Summarize this video"],
        True,
    )


def source(number: int, words: str) -> pb.Source:
    passage = pb.Passage(kind="speech", text=words, start_time=61.0)
    return pb.Source(number=number, filename="talk.mp4", start_time=60, end_time=80, passages=[passage])


def test_sources_conversation_instructions_and_the_question_are_put_before_the_model() -> None:
    request = pb.GenerateRequest(
        **asked(
            ("user", "Tides?"), ("assistant", "Yes [1]."), ("user", "How high?"), sources=[source(1, "six metres")]
        ),
        instructions="In French.",
        results=[pb.QueryResult(purpose="speakers", columns=["n"], rows="[[3]]", row_count=1)],
        tools=[pb.Tool(name="look", parameters='{"type": "object"}')],
        tool_choice="look",
        temperature=0.3,
        top_p=0.5,
        max_output_tokens=50,
        written="It",
    )
    prompt = LanguageGenerator(ScriptedModel()).prompt(request)
    assert [turn.role for turn in prompt.turns] == ["system", "user", "assistant", "user"]
    assert "In French." in prompt.turns[0].text
    for words in ("source [1]", "talk.mp4, 01:00-01:20", "01:01 said: six metres", "How high?", "speakers", "(3)"):
        assert words in prompt.turns[-1].text
    assert (prompt.tools[0].name, prompt.tool_choice, prompt.written) == ("look", "look", "It")
    assert (round(prompt.temperature or 0, 3), prompt.top_p, prompt.max_output_tokens) == (0.3, 0.5, 50)


def test_the_oldest_turns_and_the_last_sources_are_left_out_and_never_the_question() -> None:
    turns = [("user" if n % 2 == 0 else "assistant", f"turn{n} " + "word " * 40) for n in range(40)]
    sources = [source(n, f"source{n} " + "word " * 60) for n in range(1, 40)]
    model = ScriptedModel(context_tokens=1_200)
    prompt = LanguageGenerator(model).prompt(
        pb.GenerateRequest(**asked(*turns, ("user", "How high is it?"), sources=sources), max_output_tokens=100)
    )
    text = shown(prompt)
    assert "How high is it?" in text and "turn39" in text and "turn0 " not in text
    assert "source1 " in text and "source39" not in text
    assert prompt.turns[1].role == "user"
    assert model.count_tokens(text) + prompt.max_output_tokens <= 1_200


def test_a_question_longer_than_the_model_reads_is_refused() -> None:
    with pytest.raises(ArcusError, match="too long for the model") as caught:
        LanguageGenerator(ScriptedModel()).prompt(pb.GenerateRequest(**asked(("user", "word " * 9_000))))
    assert caught.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("garbage", "told"), [("", "without an answer"), ("\n" * 5_000, "blanks"), ("\x00", "without")]
)
async def test_an_answer_of_nothing_is_a_failure(garbage: str, told: str) -> None:
    model = ScriptedModel(lambda _: pieces(garbage))
    with pytest.raises(ArcusError, match=told):
        async for _ in LanguageGenerator(model).generate(pb.GenerateRequest(**asked(("user", "How high?")))):
            pass
    assert model.running == 0


async def test_control_characters_and_halves_of_characters_do_not_reach_the_answer() -> None:
    model = ScriptedModel(lambda _: pieces("The\x00 tide\ud800 rises\x1b[31m\n- high"))
    chunks = [chunk async for chunk in LanguageGenerator(model).generate(pb.GenerateRequest(**asked(("user", "How?"))))]
    assert "".join(chunk.text for chunk in chunks) == "The tide rises[31m\n- high"


async def test_a_model_that_dies_mid_answer_fails_it_after_what_was_said() -> None:
    model = ScriptedModel(lambda _: [*pieces("The tide"), ArcusError(Reason.ENGINE_UNAVAILABLE, "It died.")])
    said = []
    with pytest.raises(ArcusError, match="It died"):
        async for chunk in LanguageGenerator(model).generate(pb.GenerateRequest(**asked(("user", "How?")))):
            said.append(chunk.text)
    assert "".join(said) == "The tide" and model.running == 0


async def test_a_function_call_that_broke_off_is_not_begun_again_in_its_middle() -> None:
    call = pb.ToolCall(id="c", name="look", arguments='{"a')
    with pytest.raises(ArcusError) as caught:
        await anext(LanguageGenerator(ScriptedModel()).generate(pb.GenerateRequest(tool_calls_written=[call])))
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE
