"""What the embedded engine reads of instructions, in varied words, and how it writes accordingly."""

from __future__ import annotations

import pytest

from ray_jobs.engines.embedded.extractive.style import BRIEF_POINTS, Style

LINES = ["One [1].", "Two [2].", "Three [3]."]


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("", Style()),
        ("Answer in one sentence.", Style(max_points=1)),
        ("Reply with a single sentence", Style(max_points=1)),
        ("Give a one-sentence answer.", Style(max_points=1)),
        ("Give three bullet points.", Style(bullets=True, max_points=3)),
        ("At most 2 points, please.", Style(max_points=2)),
        ("Use no more than five key points", Style(max_points=5)),
        ("Write two to four sentences.", Style(max_points=4)),
        ("Use fewer than 4 items.", Style(max_points=3)),
        ("Limit your answer to 3.", Style(max_points=3)),
        ("Only the top 3", Style(max_points=3)),
        ("Answer briefly.", Style(max_points=BRIEF_POINTS)),
        ("Keep it short and to the point", Style(max_points=BRIEF_POINTS)),
        ("Be concise; use bullets.", Style(bullets=True, max_points=BRIEF_POINTS)),
        ("TL;DR only", Style(max_points=BRIEF_POINTS)),
        ("Format the answer as a bulleted list.", Style(bullets=True)),
        ("Answer as a list", Style(bullets=True)),
        ("Respond in list format", Style(bullets=True)),
        ("Use a numbered list.", Style(numbered=True)),
        ("Number the points.", Style(numbered=True)),
        ("An ordered list of 4 items", Style(numbered=True, max_points=4)),
        ("Do not use bullet points.", Style(prose=True)),
        ("Write plain paragraphs, no lists.", Style(prose=True)),
        ("Answer in prose without timestamps", Style(prose=True, timestamps=False)),
        ("No timestamps.", Style(timestamps=False)),
        ("Don’t include any timestamps", Style(timestamps=False)),
        ("Please leave out the time codes.", Style(timestamps=False)),
        ("Do not mention times", Style(timestamps=False)),
        ("Include timestamps for everything.", Style()),
        # nothing that it can honour: left alone
        ("You are a pirate. Answer in rhyme.", Style()),
        ("Antworte auf Deutsch und sei freundlich.", Style()),
        ("Antworte kurz.", Style()),
        ("You answer questions about short films.", Style()),
        ("Do not cite your sources.", Style()),
        ("Use at most 80 words.", Style()),
        ("In the first point mention the year 1961.", Style()),
        ("x" * 300_000, Style()),
    ],
)
def test_instructions_are_read(instructions: str, expected: Style) -> None:
    assert Style.read(instructions) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is said about tides, in two sentences?", Style(max_points=2)),
        ("List three key points of the lecture", Style(max_points=3)),
        ("What are the topics, as a numbered list?", Style(numbered=True)),
        (
            "Summarize the talk in 3 bullet points without timestamps",
            Style(bullets=True, max_points=3, timestamps=False),
        ),
        ("Briefly, what is a tide?", Style(max_points=BRIEF_POINTS)),
        ("What are the three points of the triangle?", Style()),
        ("Which list is shown?", Style()),
        ("When do the two items appear?", Style()),
        ("What is said of short waves?", Style()),
    ],
)
def test_a_question_may_ask_for_a_form_itself(question: str, expected: Style) -> None:
    assert Style().asked_in(question) == expected


def test_the_question_counts_for_more_than_instructions() -> None:
    style = Style.read("No timestamps. Five bullet points.").asked_in(
        "What is a tide, in one sentence with timestamps?"
    )
    assert style == Style(bullets=True, max_points=1)


@pytest.mark.parametrize(
    ("style", "written"),
    [
        (Style(), "One [1]. Two [2]. Three [3]."),
        (Style(bullets=True), "- One [1].\n- Two [2].\n- Three [3]."),
        (Style(numbered=True), "1. One [1].\n2. Two [2].\n3. Three [3]."),
        (Style(bullets=True, max_points=2), "- One [1].\n- Two [2]; Three [3]."),
        (Style(max_points=1), "One [1]; Two [2]; Three [3]."),
    ],
)
def test_lines_are_written_in_the_form_asked_for(style: Style, written: str) -> None:
    assert style.write(LINES) == written


def test_what_introduces_a_list_is_no_point_of_it() -> None:
    assert Style(bullets=True).write(LINES[:1], "In order:") == "In order:\n- One [1]."
