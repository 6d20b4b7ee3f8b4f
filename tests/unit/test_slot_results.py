"""Results of queries told in the language of the question; what is cut, empty, unknown or failed is said to be so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.generator import compose
from ray_jobs.engines.embedded.extractive.languages import LANGUAGES
from ray_jobs.engines.embedded.extractive.slots.lexicon import lexicon
from ray_jobs.engines.embedded.extractive.slots.results import duration, sentences


def told(purpose: str, columns: list[str], rows: list[list[Any]], language: str = "en", **fields: Any) -> str:
    result = pb.QueryResult(
        purpose=purpose, sql="SELECT 1", columns=columns, rows=json.dumps(rows), row_count=len(rows), **fields
    )
    return "\n".join(sentences(pb.GenerateRequest(results=[result]), language) or ())


@pytest.mark.parametrize(
    ("purpose", "columns", "rows", "language", "text"),
    [
        ("videos", ["number"], [[20]], "en", "20 videos."),
        ("Videos (Sprache: nein)", ["number"], [[0]], "de", "0 Videos (Sprache: nein)."),
        ("vidéos (parole: oui)", ["number"], [[1]], "fr", "1 vidéo (parole: oui)."),
        ("个视频", ["number"], [[3]], "zh", "3 个视频。"),
        ("videos (speech: no)", ["number", "unknown"], [[2, 0]], "en", "2 videos (speech: no)."),
        ("videos (speech: no)", ["number", "unknown"], [[2, 4]], "en",
         "2 videos (speech: no). Of 4 more it is not known yet."),
        ("segments", ["number", "videos"], [[6, 1]], "en", "6 segments (1 video)."),
        ("segments (zone: dock)", ["number", "videos"], [[3, 2]], "en", "3 segments (2 videos, zone: dock)."),
        ("total length", ["duration_seconds"], [[3725.0]], "en", "1 h 2 min 5 s (total length)."),
        ("average price", ["price"], [[None]], "en", "unknown (average price)."),
        ("longest", ["video", "duration_seconds"], [["a.mp4", 95.0]], "en", "a.mp4: 1 min 35 s (longest)."),
        ("videos", ["video"], [["a.mp4"], ["b.mp4"]], "en", "videos (2):\n- a.mp4\n- b.mp4"),
        ("videos (speech: no)", ["video"], [["a.mp4"]], "en", "videos, speech: no (1):\n- a.mp4"),
        ("length (file: a.mp4)", ["video", "duration_seconds"], [["a.mp4", 9.0]], "en",
         "a.mp4: 9 s (length, file: a.mp4)."),
        ("vidéos", ["video"], [], "fr", "Aucun résultat : vidéos."),
        ("price", ["video", "title", "price"], [["a.mp4", "A", 1.0], ["b.mp4", "B", 2.5]], "en",
         "price (2):\n- a.mp4 (A): 1\n- b.mp4 (B): 2.5"),
        ("days", ["day"], [["2024-01-02T00:00:00"], [None]], "en", "days (2):\n- 2024-01-02\n- unknown"),
        ("speech", ["video", "has_speech"], [["a.mp4", False]], "es", "a.mp4: no (speech)."),
    ],
)  # fmt: skip
def test_a_result_is_told(purpose: str, columns: list[str], rows: list[list[Any]], language: str, text: str) -> None:
    assert told(purpose, columns, rows, language) == text


def test_what_was_cut_is_said() -> None:
    assert "the first 2; there are more" in told("videos", ["video"], [["a"], ["b"]], truncated=True)


def test_what_failed_is_said_and_no_number_with_it() -> None:
    assert told("videos", [], [], error="It took too long") == (
        "I could not find that out: the query failed (It took too long)."
    )


def test_what_was_not_read_is_said() -> None:
    text = told("videos; 5 videos are still being read and not counted", ["number"], [[3]])
    assert text == "3 videos.\n5 videos are still being read and not counted."


def test_where_no_query_fitted_it_says_that_it_can_not_tell() -> None:
    result = pb.QueryResult(purpose="answer", error="No query fits the question")
    assert compose(pb.GenerateRequest(results=[result])) == lexicon("en").frames["untold"]


def test_an_answer_from_tables_comes_before_what_was_retrieved() -> None:
    passage = pb.Passage(kind="speech", text="the tide rises twice a day", start_time=0, end_time=5, score=0.9)
    source = pb.Source(number=1, file_id="f", filename="f.mp4", end_time=20, passages=[passage])
    result = pb.QueryResult(purpose="videos", sql="SELECT", columns=["number"], rows="[[2]]")
    text = compose(
        pb.GenerateRequest(messages=[pb.Message(role="user", text="tide?")], sources=[source], results=[result])
    )
    assert text.startswith("2 videos.\n")


def test_without_results_it_has_nothing_to_say() -> None:
    assert sentences(pb.GenerateRequest(), "en") is None


def test_every_language_has_every_word_and_the_same_slots() -> None:
    english = lexicon("en")
    for language in LANGUAGES:
        words = lexicon(language)
        assert words.frames.keys() == english.frames.keys() and words.labels.keys() == english.labels.keys()
        assert words.files.keys() == english.files.keys()
        for name, frame in words.frames.items():
            for slot in ("{n}", "{value}", "{error}", "{group}"):
                assert (slot in frame) == (slot in english.frames[name]), (language, name)


@pytest.mark.parametrize(("seconds", "text"), [(12.34, "12.3 s"), (60.0, "1 min"), (3600.4, "1 h"), (59.96, "60 s")])
def test_a_duration_is_told_in_its_units(seconds: float, text: str) -> None:
    assert duration(seconds, lexicon("en")) == text
