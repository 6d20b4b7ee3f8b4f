"""The embedded planner, and what counts as a question about the whole."""

from __future__ import annotations

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.planner import MAX_PARTS, plan
from services.core.questions import is_broad


def planned(question: str) -> pb.PlanResponse:
    return plan(pb.PlanRequest(messages=[pb.Message(role="user", text=question)], decompose=True))


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("What is a tide?", ["What is a tide?"]),
        ("What is a tide? Who found it out?", ["What is a tide", "Who found it out"]),
        ("What is a tide and how high does it rise?", ["What is a tide", "how high does it rise"]),
        ("Compare the lecture on tides with the talk on bees", ["the lecture on tides", "the talk on bees"]),
        ("Is it salt and pepper?", ["Is it salt and pepper?"]),
    ],
)
def test_a_question_is_taken_apart(question: str, parts: list[str]) -> None:
    assert list(planned(question).parts) == parts


def test_a_plan_is_bounded() -> None:
    assert len(planned("; ".join(f"what is number {n}" for n in range(50))).parts) == MAX_PARTS


@pytest.mark.parametrize("question", ["Summarize the main topics.", "What is this video about?", "Give me an overview"])
def test_broad_questions_ask_every_video(question: str) -> None:
    assert is_broad(question)
    assert planned(question).per_file and planned(question).broad


def test_a_fact_is_not_broad() -> None:
    assert not is_broad("How high does the tide rise?")


def test_long_blanks_count_as_one() -> None:
    asked = "What is a spring tide?" + " \n" * 199_000 + "And what is a neap tide?"
    planned = plan(pb.PlanRequest(messages=[pb.Message(role="user", text=asked)], decompose=True))
    assert planned.question == "What is a spring tide? And what is a neap tide?" and len(planned.parts) == 2
