"""The plan of nimbus-002-preview, and what counts as a question about the whole."""

from __future__ import annotations

import pytest

from services.nimbus.plan import MAX_PARTS, is_broad, plan_question


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("What is a tide?", ("What is a tide?",)),
        ("What is a tide? Who found it out?", ("What is a tide", "Who found it out")),
        ("What is a tide and how high does it rise?", ("What is a tide", "how high does it rise")),
        ("Compare the lecture on tides with the talk on bees", ("the lecture on tides", "the talk on bees")),
        ("Is it salt and pepper?", ("Is it salt and pepper?",)),
    ],
)
def test_a_question_is_taken_apart(question: str, parts: tuple[str, ...]) -> None:
    assert plan_question(question).parts == parts


def test_a_plan_is_bounded() -> None:
    assert len(plan_question("; ".join(f"what is number {n}" for n in range(50))).parts) == MAX_PARTS


@pytest.mark.parametrize("question", ["Summarize the main topics.", "What is this video about?", "Give me an overview"])
def test_broad_questions_ask_every_video(question: str) -> None:
    assert is_broad(question)
    assert plan_question(question).per_file


def test_a_fact_is_not_broad() -> None:
    assert not is_broad("How high does the tide rise?")
