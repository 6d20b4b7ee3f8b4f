"""What is asked of the files themselves, as a call, and the query that it becomes."""

from __future__ import annotations

from datetime import date

import pytest

from ray_jobs.engines.embedded.extractive.slots.calls import Call, call_of, read_call
from ray_jobs.engines.embedded.extractive.slots.catalog import ask_of
from ray_jobs.engines.embedded.extractive.slots.columns import columns_of
from ray_jobs.engines.embedded.extractive.slots.lexicon import lexicon
from ray_jobs.engines.embedded.extractive.slots.marks import read_marks
from services.nimbus.entities.catalog import empty_catalog

TODAY = date(2026, 3, 11)


@pytest.mark.parametrize(
    ("question", "tool", "by", "end", "flags"),
    [
        ("How many movies are stored in this place?", "count", "", "", ()),
        ("Which upload keeps going the longest?", "first", "length", "most", ()),
        ("Was wurde hier als Letztes hochgeladen?", "first", "date", "most", ()),
        ("Y a-t-il des fichiers dans lesquels on ne parle pas du tout ?", "list", "", "", (("speech", False),)),
        ("¿Cuánto se tarda en ver todos los vídeos seguidos?", "sum", "", "", ()),
        ("Qual dos arquivos de vídeo é o menos longo?", "first", "length", "least", ()),
        ("哪几个视频里看不到任何文字？", "list", "", "", (("text", False),)),
        ("動画を新しいものから順番に並べてください。", "order", "date", "most", ()),
    ],
)
def test_what_is_asked_of_files_is_told_in_words_that_no_example_has(
    question: str, tool: str, by: str, end: str, flags: tuple[tuple[str, bool], ...]
) -> None:
    call = read_call(question)
    assert (call.tool, call.by, call.end, call.flags) == (tool, by, end, flags)


@pytest.mark.parametrize(
    "question",
    [
        "How many apples are in the basket?",
        "Welcher Turm ist der höchste?",
        "Combien de temps faut-il laisser reposer la pâte ?",
        "¿Quién llegó el último a la meta?",
        "Em que vídeo se explica a fotossíntese?",
        "这座桥有多长？",
        "一番古いお寺はどれですか。",
        "Give me an outline of all the videos.",
        "",
        "How many videos are there? " * 40,
    ],
)
def test_what_is_in_a_video_is_not_asked_of_the_files(question: str) -> None:
    assert read_call(question).tool == "none"


def sql_of(question: str, call: Call, language: str = "en") -> str | None:
    words = lexicon(language)
    columns = columns_of([empty_catalog()], "files")
    ask = ask_of(call, read_marks(question, words, columns, TODAY), columns, words)
    return None if ask is None else " AND ".join(item.sql for item in ask.conditions) + f" #{ask.rank}/{ask.limit}"


@pytest.mark.parametrize(
    ("question", "call", "expected"),
    [
        ("the three longest", Call("first", "length", "most"), " #0/3"),
        ("the second longest", Call("first", "length", "most"), " #2/1"),
        ("over two minutes", Call("list", bound="over"), 'f."duration_seconds" > 120 #0/1'),
        ("at least two minutes", Call("list", bound="over"), 'f."duration_seconds" >= 120 #0/1'),
        (
            "added in March 2024",
            Call("count", bound="within"),
            "f.\"created_at\" >= DATE '2024-03-01' AND f.\"created_at\" < DATE '2024-04-01' #0/1",
        ),
        ("added since March 2024", Call("count", bound="after"), "f.\"created_at\" >= DATE '2024-03-01' #0/1"),
        ("added after March 2024", Call("count", bound="after"), "f.\"created_at\" >= DATE '2024-04-01' #0/1"),
        ("how long is talk.mp4", Call("tell", "length"), "lower(f.\"filename\") = 'talk.mp4' #0/1"),
        (
            "neither",
            Call("list", flags=(("speech", False), ("text", False))),
            'f."has_speech" = false AND f."has_text" = false #0/1',
        ),
        (
            "either",
            Call("list", flags=(("speech", True), ("subtitles", True)), either=True),
            'f."has_speech" = true OR f."has_subtitles" = true #0/1',
        ),
        (
            "not ready",
            Call("list", status="unfinished"),
            "f.\"status\" = 'pending' OR f.\"status\" = 'processing' #0/1",
        ),
    ],
)
def test_numbers_times_and_names_have_their_place_in_the_query(question: str, call: Call, expected: str) -> None:
    assert sql_of(question, call) == expected


@pytest.mark.parametrize(
    ("question", "call"),
    [
        ("how many videos over two minutes", Call("count")),  # the bound was not told
        ("which videos are long", Call("list", bound="over")),  # no length was said
        ("which videos are over 100 km", Call("list", bound="over")),
        ("how many videos were added in 2024", Call("count")),
        ("how many videos does talk.mp4 have besides 7", Call("count")),
        ("how long is the second video", Call("tell", "length")),
        ("what does the video say", Call("none")),
        ("which videos did Ada make", Call("refine")),
        ("which videos did Ada make", Call("list")),
    ],
)
def test_a_question_that_holds_more_or_less_than_its_call_is_not_answered_by_it(question: str, call: Call) -> None:
    assert sql_of(question, call) is None


def test_choices_that_a_tool_does_not_make_are_left_out() -> None:
    likely = {
        "tool": {"count": 0.6, "first": 0.4},
        "by": {"date": 1.0},
        "end": {"most": 1.0},
        "bound": {"": 1.0},
        **{key: {"": 0.9, "no": 0.1} for key in ("speech", "subtitles", "sound")},
        "text": {"": 0.1, "no": 0.9},
        "join": {"": 1.0},
        "status": {"": 1.0},
    }
    assert call_of(likely) == Call("count", "", "", "", (("text", False),), False, "", 0.6)
    assert call_of({**likely, "tool": {"none": 1.0}}) == Call("none")
