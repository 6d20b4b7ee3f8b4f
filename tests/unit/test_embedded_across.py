"""Answers that span videos: what the planner makes of a question, and what is written of each video."""

from __future__ import annotations

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.generator import REFUSAL, compose
from ray_jobs.engines.embedded.extractive.planner import plan
from ray_jobs.engines.embedded.extractive.shapes import MAX_SIDES, shape_of
from services.core.questions import excludes_files, file_names, is_broad


@pytest.mark.parametrize(
    ("question", "kind", "parts"),
    [
        ("Which of the videos mention selfish people?", "which", ["selfish people"]),
        ("In which videos can I see the words Launching Applications?", "which", ["the words Launching Applications"]),
        ("Do any of the videos mention bees?", "which", ["bees"]),
        ("List all videos that show a moon", "which", ["a moon"]),
        ("How many recordings talk about a formal review?", "which", ["a formal review"]),
        ("For each video, list what is said about the moon", "each", ["the moon"]),
        ("What does every video say about the moon?", "each", None),
        ("Summarize each video.", "each", ["Summarize the videos"]),
        ("Compare the tides with the bees.", "compare", ["the tides", "the bees"]),
        ("Contrast the tides and the bees", "compare", ["the tides", "the bees"]),
        ("What is the difference between a spring tide and a neap tide?", "compare", ["a spring tide", "a neap tide"]),
        ("How do the tide lecture and the bee talk differ?", "compare", ["the tide lecture", "the bee talk"]),
        ("Compare the tides, the bees and the moon", "compare", ["the tides", "the bees", "the moon"]),
        ("Compare a.mp4 and b.mov", "compare", ["a.mp4", "b.mov"]),
        ("What do a.mp4 and b.mov have in common?", "common", ["a.mp4", "b.mov"]),
        ("What are the common themes of these videos?", "common", None),
        ("What do the two ballets have in common?", "common", ["the two ballets"]),
        ("Compare what is said about tides with what is said about bees", "compare", ["tides", "bees"]),
        ("Which came first, the address or the station?", "order", ["the address", "the station"]),
        ("Put the address and the station in chronological order", "order", ["the address", "the station"]),
        ("Which is older, the station or the notice?", "order", ["the station", "the notice"]),
        ("How high does the tide rise?", "fact", None),
        ("What is shown first in the lecture?", "fact", None),
    ],
)
def test_what_a_question_wants_is_told_by_its_words(question: str, kind: str, parts: list[str] | None) -> None:
    shape = shape_of(question)
    assert shape.kind == kind
    assert parts is None or list(shape.parts) == parts


def test_sides_are_bounded() -> None:
    assert len(shape_of("Compare " + ", ".join(f"the thing {n}" for n in range(50))).parts) == MAX_SIDES


def test_a_video_is_asked_by_itself_only_where_none_is_named() -> None:
    def planned(question: str) -> pb.PlanResponse:
        return plan(pb.PlanRequest(messages=[pb.Message(role="user", text=question)], decompose=True))

    assert planned("Which videos mention bees?").per_file and not planned("Which videos mention bees?").broad
    assert planned("Compare the videos").per_file and planned("Compare the videos").broad
    assert not planned("Compare the tides with the bees").per_file
    assert planned("Which videos mention bees?") == planned("Which videos mention bees?")


@pytest.mark.parametrize(
    ("question", "broad"),
    [
        ("Tell me of each video", True),
        ("Give me a summary of all videos", True),
        ("List all videos that show a moon", False),
        ("For each video, list what is said about the moon", False),
    ],
)
def test_each_video_is_asked_for_the_whole_only_where_nothing_else_is_asked(question: str, broad: bool) -> None:
    assert is_broad(question) is broad


def test_files_are_known_by_their_names() -> None:
    assert file_names("Is it in talk-1.mp4, in My_film.MOV or in talk-1.mp4?") == ["talk-1.mp4", "My_film.MOV"]
    assert file_names("At 10.5 m, e.g. by the sea.") == []
    assert excludes_files("what of a video other than talk.mp4?") and not excludes_files("what of talk.mp4?")


def source(number: int, filename: str, text: str, score: float, *, part: int = 0, kind: str = "speech") -> pb.Source:
    return pb.Source(
        number=number,
        part=part,
        file_id=filename,
        filename=filename,
        end_time=20,
        passages=[pb.Passage(kind=kind, text=text, start_time=5, end_time=10, score=score)],
    )


def answer(question: str, *sources: pb.Source, instructions: str = "") -> str:
    """As the front asks: by the plan."""
    messages = [pb.Message(role="user", text=question)]
    planned = plan(pb.PlanRequest(messages=messages, decompose=True))
    return compose(
        pb.GenerateRequest(
            messages=messages,
            sources=sources,
            parts=planned.parts,
            per_file=planned.per_file,
            broad=planned.broad,
            instructions=instructions,
        )
    )


def test_every_video_that_fits_is_named_once_even_where_they_say_the_same() -> None:
    text = answer(
        "Which videos mention bees?",
        source(1, "a.mp4", "the bees dance", 0.7),
        source(2, "b.mp4", "the bees dance", 0.69),
        source(3, "c.mp4", "the sea rises", 0.44),
    )
    assert "a.mp4" in text and "b.mp4" in text and "c.mp4" not in text


def test_how_many_is_answered_with_a_count() -> None:
    text = answer("How many videos mention bees?", source(1, "a.mp4", "bees", 0.7), source(2, "b.mp4", "bees", 0.6))
    assert text.startswith("I found 2: In a.mp4 at 00:05")


def test_no_video_that_fits_is_a_refusal() -> None:
    assert answer("Which videos mention bees?", source(1, "a.mp4", "the sea rises", 0.1)) == REFUSAL
    assert answer("What do the two ballets have in common?", source(1, "a.mp4", "the sea", 0.1)) == REFUSAL
    assert answer("Compare the bees with the opera", source(1, "a.mp4", "the sea", 0.1)) == REFUSAL


def test_each_side_of_a_comparison_is_told_with_its_source() -> None:
    text = answer(
        "Compare the tides with the bees.",
        source(1, "a.mp4", "the tides rise", 0.7, part=0),
        source(2, "b.mp4", "the bees dance", 0.5, part=1),
    )
    assert text == (
        "On the tides: in a.mp4 at 00:05, the speaker says: “the tides rise” [1]. "
        "On the bees: in b.mp4 at 00:05, the speaker says: “the bees dance” [2]."
    )


def test_of_two_videos_that_say_the_same_the_one_whose_name_fits_is_taken() -> None:
    same = "Launching Applications"
    text = answer(
        "Compare the screencast on launching applications with the tides",
        source(1, "copy.webm", same, 0.66, part=0),
        source(2, "screencast_launching.webm", same, 0.66, part=0),
        source(3, "a.mp4", "the tides rise", 0.7, part=1),
    )
    assert "screencast_launching.webm" in text and "copy.webm" not in text


def test_a_side_without_evidence_is_named() -> None:
    text = answer("Compare the tides with the opera", source(1, "a.mp4", "the tides rise", 0.7, part=0))
    assert "[1]" in text and text.endswith("I found nothing on “the opera”.")


def test_a_side_that_nothing_speaks_to_is_the_video_of_that_name() -> None:
    sources = [
        source(1, "lecture_slides.mov", "two high tides", 0.1, part=0),
        source(2, "other.mp4", "a song", 0.2, part=0),
        source(3, "nasa_13013.mp4", "the station", 0.7, part=1),
    ]
    told = answer("Compare the lecture and the film of NASA", *sources)
    assert "On the lecture: in lecture_slides.mov" in told and "On the film of NASA: in nasa_13013.mp4" in told
    twice = answer(
        "Compare the lecture and the film of NASA", *sources, source(4, "lecture.mp4", "a talk", 0.1, part=0)
    )
    assert "I found nothing on “the lecture”" in twice, "two videos have that name"
    assert "lecture" not in answer("Which came first, the lecture or the film of NASA?", *sources).replace(
        "“the lecture”", ""
    )


ADDRESS = source(1, "a.mp4", "Inaugural Address, 1961", 0.7, part=1, kind="scene_text")
STATION = source(2, "b.mp4", "The station opened 1966, 384,000 km away", 0.7, part=0, kind="scene_text")


def test_an_order_is_that_of_the_years_which_are_named() -> None:
    text = answer("Which came first, the station or the address?", STATION, ADDRESS)
    assert text.startswith("By the years that they name (1961, then 1966): On the address: in a.mp4")


def test_an_order_within_a_video_is_that_of_its_time() -> None:
    later = source(1, "a.mp4", "the station", 0.7, part=0)
    later.passages[0].start_time = 70
    text = answer(
        "Which came first, the station or the address?", later, source(2, "a.mp4", "the address", 0.7, part=1)
    )
    assert text.startswith("In order of time in the video: On the address: at 00:05")


def test_an_order_that_nothing_tells_is_not_made_up() -> None:
    text = answer(
        "Which came first, the station or the address?",
        STATION,
        source(1, "a.mp4", "the address was given", 0.7, part=1),
    )
    assert "can't tell which came first" in text and "[1]" in text and "[2]" in text
    assert answer("Which came first, the station or the address?", STATION).endswith(
        "so I can't tell which came first."
    )


def test_what_videos_share_are_words_that_each_of_them_holds() -> None:
    text = answer(
        "What do a.mp4 and b.mp4 have in common?",
        source(1, "a.mp4", "a telescope in a clean room", 0.1, part=0),
        source(2, "b.mp4", "this telescope is in a room", 0.1, part=1),
    )
    assert text == "“telescope”, “room”: in a.mp4 at 00:05 [1] and in b.mp4 at 00:05 [2]."


def test_themes_are_words_that_several_videos_hold() -> None:
    text = answer(
        "What are the common themes of these videos?",
        source(1, "a.mp4", "the telescope in space", 0.1),
        source(2, "b.mp4", "a telescope for space", 0.1),
        source(3, "c.mp4", "bees dance", 0.1),
    )
    assert "“telescope”" in text and "[1]" in text and "[2]" in text and "c.mp4" not in text


def test_only_the_videos_that_a_question_names_may_answer_it() -> None:
    one, other = source(1, "a.mp4", "the tides rise", 0.7), source(2, "b.mp4", "the tides fall", 0.7)
    assert "b.mp4" not in answer("What does a.mp4 say about the tides?", one, other)
    assert "a.mp4" not in answer("What is said about the tides in a video other than a.mp4?", one, other)


def test_the_name_of_a_file_is_no_word_that_an_answer_must_hold() -> None:
    text = answer("What does a.mp4 say about the tides?", source(1, "a.mp4", "the tides rise", 0.25))
    assert "[1]" in text


def test_each_video_is_summarized_by_itself_as_far_as_points_are_asked_for() -> None:
    sources = [source(n, f"{n}.mp4", f"chapter {n}", 0.1) for n in range(1, 6)]
    assert [f"[{n}]" in answer("Summarize each video.", *sources) for n in range(1, 6)] == [True] * 5
    assert len(answer("Summarize each video.", *sources, instructions="Three bullet points.").splitlines()) == 3
