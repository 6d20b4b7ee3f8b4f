"""The rules by which replies of the evaluation are graded."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.evaluation.citations import Described, is_valid
from loadtests.evaluation.clips import Span
from loadtests.evaluation.collections import Question
from loadtests.evaluation.floors import fallen
from loadtests.evaluation.grading import Grade, Reply, grade, holds, times
from loadtests.evaluation.language import is_in
from loadtests.evaluation.table import Figure, figures

WHEN = {("a.mp4", "first"): Span(0.0, 8.0), ("a.mp4", "second"): Span(8.0, 15.0), ("b.mp4", "only"): Span(0.0, 9.0)}


def reply(text: str, *cited: tuple[str, float, float], **more: Any) -> Reply:
    names = {name: name for name, _, _ in cited}
    notes = [{"file_id": name, "start_time": start, "end_time": end, "speech": []} for name, start, end in cited]
    return Reply(text, tuple(notes), names, **more)


def graded(question: Question, answer: Reply) -> Grade:
    return grade(question, answer, WHEN)


@pytest.mark.parametrize(
    ("text", "fact", "is_held"),
    [
        ("It was opened in 1898.", "1898", True),
        ("Number 218980", "1898", False),
        ("It cost 8,000 euros", "8000", True),
        ("8.000 Euro", "8,000", True),
        ("Sie hat 7 Helfer", "seven|7", True),
        ("Sie hat 17 Helfer", "seven|7", False),
        ("The MÜLLER house", "muller", True),
        ("大约三分钟", "三分", True),
        ("出汁をとる", "出汁", True),
        ("unseventy", "seven", False),
        ("He paid in 2019, 300 of them", "2019", True),
        ("the price is 2.6 Nm", "2.6", True),
    ],
)
def test_a_fact_is_held_as_words_of_its_own(text: str, fact: str, is_held: bool) -> None:
    assert holds(text, fact) is is_held


def test_times_are_read_in_their_forms() -> None:
    assert times("at 0:12, 1:02:03 and 12.5 s, not 5 soups") == [12.0, 3723.0, 12.5]


def test_the_moment_cited_first_must_lie_within_what_answers() -> None:
    question = Question("how many", ("How many?",), facts=("7",), at=(("a.mp4", "second"),))
    assert graded(question, reply("7 [1]", ("a.mp4", 6.5, 16.0))).moment
    assert not graded(question, reply("7 [1]", ("a.mp4", 0.0, 20.0))).moment  # all of it points nowhere
    assert not graded(question, reply("7 [1]", ("b.mp4", 9.0, 12.0))).moment
    second = reply("7 [1] and [2]", ("a.mp4", 0.0, 5.0), ("a.mp4", 9.0, 12.0))
    assert not graded(question, second).moment


def test_a_question_for_a_moment_wants_the_time_told() -> None:
    question = Question("moment", ("When?",), at=(("a.mp4", "second"),))
    assert graded(question, reply("At 0:09 [1].", ("a.mp4", 9.0, 12.0))).fact
    assert not graded(question, reply("In the video [1].", ("a.mp4", 9.0, 12.0))).fact
    assert not graded(question, reply("At 0:30 [1].", ("a.mp4", 9.0, 12.0))).fact


def test_what_cites_nothing_is_refused_whatever_it_says() -> None:
    question = Question("absent", ("What is it?",))
    assert graded(question, reply("Die Videos sagen dazu nichts.")).refused
    assert graded(question, reply("Je n'ai rien trouvé.")).refused
    assert not graded(question, reply("It is a thing [1].", ("a.mp4", 0.0, 5.0))).refused
    assert graded(question, reply("They only say this [1].", ("a.mp4", 0.0, 5.0), is_refusal=True)).refused


def test_an_invention_without_a_citation_is_no_refusal() -> None:
    question = Question("near miss", ("How many?",), bait=("11",))
    assert not graded(question, reply("There were 11.")).refused
    assert graded(question, reply("Nothing tells.")).refused


def test_a_fact_told_without_a_citation_is_an_answer() -> None:
    question = Question("database", ("How many videos?",), facts=("4|four",))
    told = graded(question, reply("There are four videos."))
    assert told.fact
    assert not told.refused
    assert graded(question, reply("I don't know.")).refused


def test_yes_and_no_come_first() -> None:
    question = Question("yes or no", ("Ist es so?",), language="de", affirmed=True)
    assert graded(question, reply("Ja, das sagt sie [1].", ("a.mp4", 0.0, 5.0))).fact
    assert not graded(question, reply("Nein [1].", ("a.mp4", 0.0, 5.0))).fact
    assert not graded(question, reply("Jahre später [1].", ("a.mp4", 0.0, 5.0))).fact


def test_the_files_asked_for_and_no_others_are_cited() -> None:
    question = Question("which file", ("Which?",), files=("a.mp4",))
    assert graded(question, reply("It is [1].", ("a.mp4", 0.0, 5.0))).fact
    assert not graded(question, reply("[1][2]", ("a.mp4", 0.0, 5.0), ("b.mp4", 0.0, 5.0))).fact


def test_half_of_an_outline_is_enough_where_the_question_says_so() -> None:
    question = Question("whole", ("What about?",), facts=("apples", "pears", "plums"), share=0.5)
    assert graded(question, reply("Apples and plums [1].", ("a.mp4", 0.0, 5.0))).fact
    assert not graded(question, reply("Plums [1].", ("a.mp4", 0.0, 5.0))).fact


def test_a_fact_in_a_flood_of_text_is_not_told() -> None:
    question = Question("who", ("Who?",), facts=("Teresa",))
    assert not graded(question, reply("word " * 100 + "Teresa [1]", ("a.mp4", 0.0, 5.0))).fact


def test_an_error_is_neither_an_answer_nor_a_refusal() -> None:
    question = Question("absent", ("What?",))
    failed = graded(question, Reply("", error="503"))
    assert not failed.refused
    assert failed.error


def test_the_language_is_that_of_what_is_not_quoted() -> None:
    english = ["The blade is wiped with alcohol after every tree."]
    assert is_in("de", f"Im Video a.mp4 wird dazu gesagt: {english[0]}", english)
    assert not is_in("de", f"In the video it is said: {english[0]}", english)
    assert not is_in("de", english[0], english)  # a quote alone is in its own language
    assert is_in("de", "42 [1]", []) is None
    assert is_in("zh", "视频里没有提到这一点", [])
    assert not is_in("zh", "動画ではそれについて話していません", [])
    assert is_in("pt", "Os vídeos não dizem nada sobre isso.", [])
    assert not is_in("pt", "Los vídeos no dicen nada sobre eso.", [])


def test_a_citation_holds_where_its_words_are_in_its_file_at_its_time() -> None:
    speech = [{"text": "Die Presse dreht sich.", "start_time": 2.0, "end_time": 5.0}]
    file = Described(10.0, {"speech": speech})
    note = {"start_time": 1.0, "end_time": 6.0, "speech": ["Die Presse dreht sich."]}
    assert is_valid(note, file)
    assert not is_valid(note | {"end_time": 11.0}, file)
    assert not is_valid(note | {"start_time": 6.0, "end_time": 9.0}, file)
    assert not is_valid(note | {"speech": ["Die Presse steht."]}, file)
    assert not is_valid(note | {"speech": []}, file)


def test_a_figure_worse_than_its_floor_is_told() -> None:
    def told(value: float) -> bool:
        lines = fallen({"heard and seen": [Figure("made, word error rate", value, 100, 0.06, at_most=True)]})
        return any("made, word error rate is" in line for line in lines)

    assert not told(0.10)  # its target is missed, but it has not fallen
    assert told(0.50)
    assert fallen({"work": []}) == ["work: nothing tells errors, which has a floor"]


def test_figures_count_what_they_are_named_for() -> None:
    graded = [
        (Question("who", ("Who?",), facts=("A",)), Grade(refused=True, fact=False)),
        (Question("who", ("Who?",), facts=("A",)), Grade(refused=False, fact=True, moment=True)),
        (Question("entities", ("Sum?",), facts=("3",)), Grade(refused=False, fact=False)),
        (Question("entities", ("Sum?",), facts=("3",)), Grade(refused=True, fact=False)),
        (Question("near miss", ("Who not?",)), Grade(refused=False)),
        (Question("absent", ("What?",)), Grade(refused=True)),
    ]
    values = {figure.name: (figure.value, figure.of) for figure in figures(graded)}
    assert values["fact present"] == (0.25, 4)
    assert values["answerable refused"] == (0.5, 4)
    assert values["right moment first"] == (1.0, 1)
    assert values["unanswerable refused"] == (0.5, 2)
    assert values["near misses refused"] == (0.0, 1)
    assert values["wrong entities answers"] == (0.5, 2)  # what is refused is not wrong
    assert "whole-video requests answered" not in values
