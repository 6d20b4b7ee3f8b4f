"""Sentences in every script, and the one that tells what is asked."""

from __future__ import annotations

import pytest

from ray_jobs.engines.embedded.extractive.languages import language_of
from ray_jobs.engines.embedded.extractive.sentences import sentences, telling


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It rose by 3.5 percent. Really? Yes!", ["It rose by 3.5 percent.", "Really?", "Yes!"]),
        ("Dr. Smith of N. Street came. He left.", ["Dr. Smith of N. Street came.", "He left."]),
        ("She said “no.” Then she left.", ["She said “no.”", "Then she left."]),
        ("Das ist z.B. ein Haus. Es ist alt.", ["Das ist z.B. ein Haus.", "Es ist alt."]),
        ("今天下雨。明天晴天！好吗？", ["今天下雨。", "明天晴天！", "好吗？"]),
        ("「はい。」と言った。終わり", ["「はい。」", "と言った。", "終わり"]),
        ("Agenda\n\nMon: 55\n", ["Agenda", "Mon: 55"]),
        ("", []),
    ],
)
def test_sentences_are_told_apart(text: str, found: list[str]) -> None:
    assert sentences(text) == found


@pytest.mark.parametrize(
    ("question", "passage", "sentence"),
    [
        ("Where does the river end?", "The hill is green. The river ends at sea. We left.", "The river ends at sea."),
        ("Wo endet der Fluss?", "Der Hügel ist grün. Der Fluss endet im Meer.", "Der Fluss endet im Meer."),
        ("河流在哪里结束？", "山是绿色的。河流在海边结束。", "河流在海边结束。"),
        ("anything else", "One thing. Another.", "One thing."),
    ],
)
def test_the_sentence_with_most_words_of_the_question_tells_it(question: str, passage: str, sentence: str) -> None:
    assert telling(question, passage) == sentence


def test_the_sentence_with_the_short_answer_comes_before_that_with_more_words() -> None:
    assert telling("How long is the river?", "The river is long. It has 40 km.", "40 km") == "It has 40 km."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is the bridge that they built?", "en"),
        ("Wo steht die Brücke, die sie gebaut haben?", "de"),
        ("Où est le pont qu’ils ont construit ?", "fr"),
        ("¿Dónde está el puente que construyeron?", "es"),
        ("Onde fica a ponte que eles construíram?", "pt"),
        ("桥在哪里？", "zh"),
        ("橋はどこですか。", "ja"),
        ("", "en"),
    ],
)
def test_the_language_of_a_text_is_told(text: str, language: str) -> None:
    assert language_of(text) == language


def test_a_row_of_stops_takes_time_by_its_length() -> None:
    assert len(sentences("." * 100_000 + " End")) == 2
