"""A summary is an outline: complete, a readable line for each part, in the language of the question."""

from __future__ import annotations

import re

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.outline import outline
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.style import Style

ASKED = Question("Summarize the video.", "whole")
SEEN = "visual_scene_description"


def source(number: int, start: float, filename: str = "talk.mp4", **texts: str) -> pb.Source:
    passages = [pb.Passage(kind=kind, text=text, start_time=start, end_time=start + 20) for kind, text in texts.items()]
    return pb.Source(
        number=number, file_id=filename, filename=filename, start_time=start, end_time=start + 20, passages=passages
    )


TALK = [
    source(2, 20, scene_text="Spring tides\n- sun\n- moon", speech="Now. The sun pulls at the sea as well."),
    source(1, 0, scene_text="How tides work", speech="Hello. The moon pulls at the sea."),
    source(3, 40, speech="We measured the tide in the harbour.", audio_description="Someone is speaking."),
]


def test_it_says_what_it_is_about_and_then_each_part_in_order_of_time() -> None:
    assert outline(TALK, ASKED, Style()).splitlines() == [
        "**talk.mp4** is about: How tides work and Spring tides. [1][2]",
        "- 00:00–00:20: **How tides work**: The moon pulls at the sea. [1]",
        "- 00:20–00:40: **Spring tides**: The sun pulls at the sea as well. [2]",
        "- 00:40–01:00: We measured the tide in the harbour. [3]",
    ]


@pytest.mark.parametrize(
    ("style", "begins"),
    [
        (Style(plain=True), "talk.mp4 is about: How tides work"),
        (Style(language="de"), "**talk.mp4** handelt von: How tides work und Spring tides."),
        (Style(max_points=1), "**talk.mp4** is about: How tides work"),
        (Style(max_points=2), "- 00:00–00:20: **How tides work**"),
        (Style(timestamps=False, max_points=3), "- **How tides work**: The moon pulls"),
        (Style(numbered=True, max_points=3), "1. 00:00–00:20: **How tides work**"),
        (Style(prose=True, max_points=3), "00:00–00:20: **How tides work**"),
    ],
)
def test_the_style_is_kept(style: Style, begins: str) -> None:
    written = outline(TALK, ASKED, style)
    assert written.startswith(begins)
    if style.max_points:
        assert len(written.splitlines()) == (1 if style.prose else style.max_points)


def test_too_many_parts_share_lines_evenly_and_none_is_left_out() -> None:
    written = outline([source(n, 20.0 * n, scene_text=f"Part {n:c}") for n in range(65, 85)], ASKED, Style(), most=5)
    lines = [line for line in written.splitlines() if line.startswith("- ")]
    assert len(lines) == 5
    assert sorted({int(n) for n in re.findall(r"\[(\d+)\]", "".join(lines))}) == list(range(65, 85))
    assert written.endswith("20 parts of the videos are told in fewer lines.")


def test_of_several_videos_each_is_told_by_itself() -> None:
    written = outline([*TALK, source(4, 0, "walk.mp4", **{SEEN: "A path in a forest."})], ASKED, Style())
    assert [block.split(":")[0] for block in written.split("\n\n")] == ["**talk.mp4** is about", "**walk.mp4**"]
    assert "A path in a forest. [4]" in written


def test_videos_beyond_those_asked_for_are_counted() -> None:
    videos = [source(n, 0, f"{n}.mp4", speech="We talk of the sea.") for n in range(1, 6)]
    written = outline(videos, ASKED, Style(max_points=2))
    assert written.count("- **") == 2 and "3 more videos" in written


def test_neighbours_that_show_the_same_are_one_part() -> None:
    written = outline([source(n, 20.0 * n, scene_text="Tides") for n in (1, 2, 3)], ASKED, Style())
    assert "- 00:20–01:20: Tides [1]" in written


def test_a_chart_that_nobody_speaks_over_is_told_by_what_it_shows() -> None:
    written = outline([source(1, 0, scene_text="Rain in mm\nMay: 55\nJune: 80\n|| ; 1")], ASKED, Style())
    assert "**Rain in mm**: May: 55 / June: 80 [1]" in written


def test_headlines_that_differ_in_their_numbers_alone_are_one_topic_or_none() -> None:
    games = [source(n, 20.0 * n, scene_text=f"Reds {n} - 0 Blues", speech=f"Goal number {n}.") for n in (1, 2)]
    assert "is about: Reds - Blues. [1]" in outline(games, ASKED, Style())
    steps = [source(n, 20.0 * n, scene_text=f"Step {n}", speech="Stir the porridge slowly.") for n in (1, 2)]
    assert "about: Step" not in outline(steps, ASKED, Style())
    assert outline(steps, ASKED, Style(max_points=1, timestamps=False)).startswith("**talk.mp4**")
    cut = outline([*steps, source(9, 0, "walk.mp4", speech="A path in a forest.")], ASKED, Style(max_points=2))
    assert "Stir the porridge slowly." in cut and "Step 1 [" not in cut


def test_a_script_without_spaces_has_no_frequent_words() -> None:
    steps = [source(n, 20.0 * n, scene_text=f"Step {n}", speech="豆腐とわかめを鍋に入れて煮ます。") for n in (1, 2)]
    assert outline(steps, ASKED, Style()).startswith("**talk.mp4**:\n")


def test_that_someone_speaks_and_letters_that_are_none_are_not_told() -> None:
    written = outline(
        [source(1, 0, scene_text="|| 0; ;1 §", audio_description="Someone is speaking.", speech="It rains.")],
        ASKED,
        Style(),
    )
    assert "speaking" not in written and "§" not in written and "It rains. [1]" in written


def test_of_nothing_there_is_no_outline() -> None:
    assert outline([source(1, 0)], ASKED, Style()) == ""


def test_a_sentence_that_a_segment_cuts_in_two_is_told_once() -> None:
    slide = {"kind": "scene_text", "text": "The Moon", "start_time": 0.0, "end_time": 40.0}
    halves = [
        pb.Source(
            number=number,
            file_id="a",
            filename="a.mp4",
            start_time=start,
            end_time=start + 20,
            passages=[pb.Passage(**slide), pb.Passage(kind="speech", text=text, start_time=start, end_time=start + 20)],
        )
        for number, start, text in ((1, 0.0, "The moon is far"), (2, 20.0, "away from the earth."))
    ]
    told = outline(halves, Question("Summarize."), Style())
    assert "The moon is far away from the earth. [1][2]" in told and told.count("**The Moon**") == 1
