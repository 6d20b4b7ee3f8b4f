"""The answer in a word or two: what the passage holds, or nothing."""

from __future__ import annotations

import pytest

from ray_jobs.engines.embedded.extractive.question import Form, Question
from ray_jobs.engines.embedded.extractive.short_answer import short_answer


@pytest.mark.parametrize(
    ("form", "language", "question", "passage", "answer"),
    [
        ("number", "en", "How wide is the gate?", "The gate has 3 bars. Made in 1889, the gate is 12 feet wide.", "12 feet wide"),
        ("number", "en", "How many reasons are given?", "There are four main reasons, and 12 examples.", "four main reasons"),
        ("number", "en", "How wide is the gate?", "The gate is wide.", ""),
        ("number", "en", "How much does the gate weigh?", "The gate is 12 feet wide.", ""),
        ("number", "pt", "Quanto custou o portão?", "O portão tem 3 metros de altura e custou 40 euros.", "40 euros"),
        ("number", "de", "Wie lang ist der Kanal?", "Der Kanal ist dreihundert Meter lang.", "dreihundert Meter"),
        ("number", "zh", "墙有多高？", "这面墙高三百米，建于1889年。", "三百米"),
        ("number", "ja", "壁の高さは？", "壁は三百メートルで、1889年に作られた。", "三百メートル"),
        ("who", "en", "Who painted the gate?", "Ada painted the gate.", "Ada"),
        ("who", "de", "Wer hat das Tor gemalt?", "Das Tor wurde von Ada Dorn gemalt.", "Ada Dorn"),
        ("who", "en", "Who is Ada Dorn?", "That was Ada Dorn.", ""),
        ("when", "fr", "Quand fut-elle peinte ?", "Elle a été peinte le 12 mars 1889 pour 300 euros.", "12 mars 1889"),
        ("where", "es", "¿Dónde está la puerta?", "La puerta está en Toledo.", "Toledo"),
        ("where", "pt", "Onde fica o portão?", "O portão é verde.", ""),
        ("what", "en", "What is a gate?", "A gate is 12 feet wide.", ""),
    ],
)  # fmt: skip
def test_it_is_what_the_form_asks_for(form: Form, language: str, question: str, passage: str, answer: str) -> None:
    assert short_answer(Question(question, form, language), passage) == answer


@pytest.mark.parametrize(
    ("question", "answer"),
    [("How many on Monday?", "Mon: 55"), ("What was it on Tue?", "Tue: 60"), ("How many on Friday?", "")],
)
def test_a_chart_answers_with_the_line_whose_label_is_asked_for(question: str, answer: str) -> None:
    assert short_answer(Question(question, "number"), "Sales per day\nMon: 55\nTue: 60") == answer


def test_what_stands_at_another_label_answers_nothing() -> None:
    cast = "Ada Dorn: 1889\nJonas Berg: the smith"
    assert short_answer(Question("Who worked with Ada Dorn?", "who"), cast) == ""
    told = f"The gate was made by Ben Reed with Ada Dorn.\n{cast}"
    assert short_answer(Question("Who worked with Ada Dorn?", "who"), told) == "Ben Reed"


@pytest.mark.parametrize(
    ("language", "question", "passage", "answer"),
    [
        ("en", "Is the gate painted green?", "The gate is painted green.", "Yes"),
        ("en", "Is the gate painted green?", "The gate is not painted green.", "No"),
        ("en", "Is the gate painted green?", "The gate is painted blue.", ""),
        ("en", "Is the gate painted green?", "Perhaps the gate is painted green.", ""),
        ("en", "Is the gate painted green?", "Is the gate painted green?", ""),
        ("en", "Is the gate painted green or blue?", "The gate is painted green or blue.", ""),
        ("en", "Is the gate 12 feet wide?", "The gate is 20 feet wide.", "No"),
        ("en", "Is the gate 12 feet wide?", "The gate is 12 feet wide.", "Yes"),
        ("en", "Is the gate painted green?", "Though it was never sold, the gate is painted green.", ""),
        ("de", "Ist das Tor grün gestrichen?", "Das Tor ist grün gestrichen.", "Ja"),
        ("fr", "La porte est-elle peinte en vert ?", "La porte n’est pas peinte en vert.", "Non"),
        ("es", "¿La puerta está pintada de verde?", "La puerta está pintada de verde.", "Sí"),
        ("pt", "O portão está pintado de verde?", "O portão não está pintado de verde.", "Não"),
        ("zh", "这扇门很高吗？", "这扇门很高。", "是"),
        ("ja", "門は高いですか？", "門は高いです。", "はい"),
    ],
)
def test_yes_and_no_are_said_only_where_the_passage_does(
    language: str, question: str, passage: str, answer: str
) -> None:
    assert short_answer(Question(question, "yes_no", language), passage) == answer
