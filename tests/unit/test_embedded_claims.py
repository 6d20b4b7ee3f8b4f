"""A claim: the answer first, then where it stands, what says so, and its source."""

from __future__ import annotations

import pytest

from ray_jobs.engines.embedded.extractive.claims import phrase, quoted
from ray_jobs.engines.embedded.extractive.evidence import Point
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.style import Style

GATE = "The gate is old. The gate is 12 feet wide."


def point(text: str = GATE, kind: str = "speech") -> Point:
    return Point(4, 0, "talk.mp4", kind, text, 75, 0.7, "f", 80)


def said(question: Question, style: Style = Style(), text: str = GATE, kind: str = "speech", **fields: object) -> str:
    return phrase(point(text, kind), question, style, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "**12 feet**: at 01:15–01:20 the speaker says “The gate is 12 feet wide.” [4]"),
        ("de", "**12 feet**: bei 01:15–01:20 sagt der Sprecher: „The gate is 12 feet wide.“ [4]"),
        ("fr", "**12 feet** : à 01:15–01:20 l’orateur dit : « The gate is 12 feet wide. » [4]"),
        ("ja", "**12 feet**：01:15–01:20 に、話者はこう言います：「The gate is 12 feet wide.」 [4]"),
    ],
)
def test_it_is_in_the_language_of_the_question_and_quotes_in_its_own(language: str, written: str) -> None:
    assert said(Question("How wide is the gate?", "number", language), short="12 feet") == written


def test_without_a_short_answer_a_short_passage_is_quoted_whole() -> None:
    assert said(Question("What of the gate?")) == f"At 01:15–01:20 the speaker says “{GATE}” [4]"


@pytest.mark.parametrize(
    ("style", "written"),
    [
        (Style(timestamps=False), "The speaker says “The gate is old.” [4]"),
        (Style(language="es"), "En 01:15–01:20 quien habla dice: «The gate is old.» [4]"),
    ],
)
def test_the_style_is_kept(style: Style, written: str) -> None:
    assert said(Question("gate?"), style, "The gate is old.") == written


def test_plain_text_has_no_marks() -> None:
    assert said(Question("How wide?", "number"), Style(plain=True), short="12 feet").startswith("12 feet: at")


def test_a_file_is_named_as_it_is_called() -> None:
    assert said(Question("門は？", language="ja"), several_files=True).startswith("talk.mp4 の")
    assert said(Question("gate?"), several_files=True).startswith("In talk.mp4 at 01:15")


def test_a_line_of_a_chart_comes_with_its_headline() -> None:
    chart = "Sales per day\nMon: 55\nTue: 60"
    assert (
        quoted(point(chart, "scene_text"), Question("How many on Tue?", "number"), "Tue: 60")
        == "Sales per day / Tue: 60"
    )


def test_of_a_long_passage_what_tells_it_is_quoted() -> None:
    long = "It rained all day. " * 20 + "The gate is green. It was sold. " + "We went home and slept. " * 20
    assert quoted(point(long), Question("Is the gate green?")).startswith("The gate is green. It was sold.")
    assert len(quoted(point(long), Question("Is the gate green?"))) < 200
