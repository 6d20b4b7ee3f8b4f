"""The embedded generator: quotes what was found, in order, in the form asked for, or refuses."""

from __future__ import annotations

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.generator import NO_NUMBER, NOTHING, REFUSAL, EmbeddedGenerator, compose


def passage(text: str, score: float, start: float = 0.0, kind: str = "speech") -> pb.Passage:
    return pb.Passage(kind=kind, text=text, start_time=start, end_time=start + 5, score=score)


def source(number: int, *passages: pb.Passage, filename: str = "talk.mp4", part: int = 0) -> pb.Source:
    start = passages[0].start_time
    return pb.Source(
        number=number,
        part=part,
        file_id=filename,
        filename=filename,
        start_time=start,
        end_time=start + 20,
        passages=passages,
    )


def ask(question: str, *sources: pb.Source, instructions: str = "", **fields: object) -> str:
    messages = [pb.Message(role="user", text=question)]
    return compose(pb.GenerateRequest(messages=messages, sources=sources, instructions=instructions, **fields))  # type: ignore[arg-type]


def test_without_sources_it_says_so_and_cites_nothing() -> None:
    assert ask("What is a tide?") == NOTHING


@pytest.mark.parametrize(
    ("text", "is_told"),
    [("the dam is tall", False), ("the dam is 120 m tall", True), ("the dam is a hundred meters tall", True)],
)
def test_a_question_for_a_number_says_so_where_there_is_none(text: str, is_told: bool) -> None:
    answer = ask("How tall is the dam?", source(1, passage(text, 0.7)))
    assert answer.startswith(NO_NUMBER) is not is_told and answer.endswith(f"“{text}” [1].")


def test_what_is_unlike_the_question_is_refused() -> None:
    answer = ask("Who painted it?", source(1, passage("the tide rises twice a day", 0.1)))
    assert answer == REFUSAL
    assert "[" not in answer


def test_a_claim_is_quoted_with_its_time_and_source() -> None:
    answer = ask("How often does the tide rise?", source(4, passage("the tide rises twice a day", 0.7, start=75)))
    assert answer == "At 01:15, the speaker says: “the tide rises twice a day” [4]."


def test_claims_of_one_file_come_in_order_of_time() -> None:
    answer = ask(
        "What of the tide?",
        source(1, passage("the tide falls later", 0.7, start=60)),
        source(2, passage("the tide rises first", 0.68, start=10)),
    )
    assert answer.index("rises first") < answer.index("falls later")


def test_the_same_words_are_said_once() -> None:
    answer = ask("tide?", source(1, passage("The tide.", 0.7)), source(2, passage("the tide", 0.69, start=40)))
    assert answer.lower().count("the tide") == 1


def test_an_overview_takes_a_point_from_each_segment() -> None:
    sources = [source(n, passage(f"chapter {n}", 0.1, start=20.0 * n, kind="scene_text")) for n in range(1, 6)]
    answer = ask("Summarize.", *sources, broad=True)
    assert [f"[{n}]" in answer for n in range(1, 6)] == [True] * 5


@pytest.mark.parametrize(
    ("question", "told", "untold"),
    [
        ("What is on the slides?", "How Tides Work", "twice a day"),
        ("What does the speaker say?", "twice a day", "How Tides Work"),
        ("What is shown?", "How Tides Work", "twice a day"),
    ],
)
def test_an_overview_is_of_what_is_asked_for(question: str, told: str, untold: str) -> None:
    slide = passage("How Tides Work", 0.1, kind="scene_text")
    spoken = passage("it rises twice a day", 0.1)
    answer = ask(question, source(1, slide, spoken), broad=True)
    assert told in answer and untold not in answer


def test_an_overview_of_what_is_not_there_is_refused() -> None:
    assert ask("What is on the slides?", source(1, passage("it rises", 0.1)), broad=True) == REFUSAL


def test_instructions_shape_the_answer() -> None:
    sources = [source(n, passage(f"chapter {n}", 0.1, start=20.0 * n)) for n in range(1, 9)]
    answer = ask("Summarize.", *sources, broad=True, instructions="Give three bullet points without timestamps.")
    assert len(answer.splitlines()) == 3
    assert all(line.startswith("- The speaker says") for line in answer.splitlines())


def test_each_part_is_answered_and_a_part_without_evidence_is_named() -> None:
    answer = ask(
        "When is the tide high and who wrote the opera?",
        source(1, passage("high tide is at noon", 0.8), part=0),
        source(1, passage("high tide is at noon", 0.1), part=1),
        parts=["When is the tide high", "who wrote the opera"],
    )
    assert "high tide is at noon" in answer
    assert "nothing on “who wrote the opera”" in answer


def test_several_files_are_told_apart() -> None:
    answer = ask(
        "tide?",
        source(1, passage("one tide", 0.8), filename="a.mp4"),
        source(2, passage("another tide", 0.79), filename="b.mp4"),
    )
    assert "a.mp4" in answer and "b.mp4" in answer


async def test_the_answer_comes_word_by_word_and_ends_within_its_limit() -> None:
    request = pb.GenerateRequest(
        messages=[pb.Message(role="user", text="tide?")],
        sources=[source(1, passage("the tide rises twice a day", 0.8))],
        max_output_tokens=3,
    )
    chunks = [chunk async for chunk in EmbeddedGenerator().generate(request)]
    assert "".join(chunk.text for chunk in chunks) == "At 00:00, the"
    assert [chunk.output_tokens for chunk in chunks] == [1, 1, 1, 0]
    assert chunks[-1].finish_reason == "length"
    assert chunks[-1].input_tokens > 0
