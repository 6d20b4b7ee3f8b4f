"""The evaluation asks enough, of enough, in enough ways; and its videos can be made."""

from __future__ import annotations

from typing import get_args

import pytest

from loadtests.evaluation.clips import VOICES, recording
from loadtests.evaluation.collections import LANGUAGES, PARTS, UNANSWERABLE, Kind, Question, read

COLLECTIONS = [collection for part in PARTS for collection in read(part)]


def questions(*parts: str) -> list[Question]:
    return [item for collection in COLLECTIONS if collection.part in parts for item in collection.questions]


def share(asked: list[Question], kinds: tuple[str, ...]) -> float:
    return sum(item.kind in kinds for item in asked) / len(asked)


def test_there_are_enough_collections_and_questions() -> None:
    assert len(COLLECTIONS) >= 12
    assert len(questions(*PARTS)) >= 300


@pytest.mark.parametrize("part", PARTS)
def test_each_part_asks_in_every_kind_and_language(part: str) -> None:
    asked = questions(part)
    assert {item.kind for item in asked} == set(get_args(Kind))
    assert {item.language for item in asked if item.kind == "whole"} == set(LANGUAGES)
    assert sum(item.language != "en" for item in asked) / len(asked) >= 0.25
    assert share(asked, UNANSWERABLE) >= 0.25
    assert share(asked, ("near miss",)) >= share(asked, UNANSWERABLE) / 2


def test_no_name_of_a_collection_or_question_is_in_two_parts() -> None:
    assert len({collection.name for collection in COLLECTIONS}) == len(COLLECTIONS)
    asked = [turn.lower() for item in questions(*PARTS) for turn in item.turns[-1:]]
    assert len(set(asked)) == len(asked)


def test_what_is_said_is_recorded_and_nothing_else_is() -> None:
    said = {
        recording(part)
        for collection in COLLECTIONS
        for script in collection.videos.values()
        for part in script["parts"].values()
        if "say" in part
    }
    assert said == set(VOICES.glob("*.opus"))
