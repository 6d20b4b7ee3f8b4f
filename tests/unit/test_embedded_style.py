"""What the embedded engine reads of wishes in seven languages, how it writes accordingly, and what it tells it can't do."""

from __future__ import annotations

import pytest

from ray_jobs.engines.embedded.extractive.frames import frames
from ray_jobs.engines.embedded.extractive.style import BRIEF_POINTS, Style

LINES = ["One [1]", "Two [2]", "Three [3]"]


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("", Style()),
        ("You are a helpful assistant. If you don't know, say so.", Style()),
        ("Answer in one sentence.", Style(max_points=1)),
        ("At most 5 items, please.", Style(max_points=5)),
        ("Write two to four sentences.", Style(max_points=4)),
        ("Be brief. Use bullet points.", Style(bullets=True, max_points=BRIEF_POINTS)),
        ("Use a numbered list; no timestamps.", Style(numbered=True, timestamps=False)),
        ("Do not use bullet points.", Style(prose=True)),
        ("Use at most 80 words.", Style(max_words=80)),
        ("no more than 200 characters", Style(max_characters=200)),
        ("Reply with just the number.", Style(terse=True)),
        ("No Markdown.", Style(plain=True)),
        ("Answer in German.", Style(language="de")),
        ("Antworte auf Englisch. Nenne drei Punkte.", Style(language="en", max_points=3)),
        ("Ohne Zeitangaben.", Style(timestamps=False)),
        ("Donne trois points sans horodatage.", Style(max_points=3, timestamps=False)),
        ("Responde en dos frases.", Style(max_points=2)),
        ("Use marcadores.", Style(bullets=True)),
        ("请用中文回答。最多五条", Style(language="zh", max_points=5)),
        ("五十字以内", Style(max_characters=50)),
        ("箇条書きにしてください。", Style(bullets=True)),
        ("Answer in rhyme.", Style(not_kept=("Answer in rhyme",))),
        ("Use bullets and emojis.", Style(bullets=True, not_kept=("emojis",))),
        ("x" * 300_000, Style()),
    ],
)
def test_instructions_are_read(instructions: str, expected: Style) -> None:
    assert Style.of(instructions, "", "") == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is said about tides, in two sentences?", Style(max_points=2)),
        ("Was wird über Gezeiten gesagt, in drei Sätzen?", Style(max_points=3)),
        (
            "Summarize the talk in 3 bullet points without timestamps",
            Style(bullets=True, max_points=3, timestamps=False),
        ),
        ("请用两句话总结。", Style(max_points=2)),
        ("What are the three points of the triangle?", Style()),
        ("Which list is shown?", Style()),
        ("Wer hat das Gedicht geschrieben?", Style()),
        ("短波について何と言っていますか？", Style()),
    ],
)
def test_a_question_may_wish_a_form_itself(question: str, expected: Style) -> None:
    assert Style.of("", question, "") == expected


def test_the_question_counts_for_more_than_instructions() -> None:
    assert Style.of("Give five points.", "What is a tide, in one sentence?", "en").max_points == 1


@pytest.mark.parametrize("language", ["en", "de", "ja"])
def test_what_can_t_be_kept_is_told_in_the_language_of_the_question(language: str) -> None:
    style = Style.of("Answer in rhyme.", "", language)
    words = frames(language)
    told = words.say("not_kept", wishes=words.quote("Answer in rhyme"))
    assert style.write(LINES[:1]) == f"One [1]\n\n{told}"


@pytest.mark.parametrize(
    ("style", "written"),
    [
        (Style(), "One [1] Two [2] Three [3]"),
        (Style(bullets=True), "- One [1]\n- Two [2]\n- Three [3]"),
        (Style(numbered=True), "1. One [1]\n2. Two [2]\n3. Three [3]"),
        (Style(bullets=True, max_points=2), "- One [1]\n- Two [2]"),
        (Style(max_words=2), "One [1] Two [2]"),
        (Style(max_characters=1), "One [1]"),
    ],
)
def test_lines_are_written_in_the_form_wished_for(style: Style, written: str) -> None:
    assert style.write(LINES) == written


def test_what_introduces_a_list_is_no_point_of_it() -> None:
    assert Style(bullets=True).write(LINES[:1], "In order:") == "In order:\n- One [1]"
