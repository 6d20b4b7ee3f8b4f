"""Results of queries in plain sentences; what is cut, empty or failed is said to be so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.entity_answer import UNTOLD, sentences
from ray_jobs.engines.embedded.extractive.generator import compose


def told(purpose: str, columns: list[str], rows: list[list[Any]], **fields: Any) -> str:
    result = pb.QueryResult(
        purpose=purpose, sql="SELECT 1", columns=columns, rows=json.dumps(rows), row_count=len(rows), **fields
    )
    return "\n".join(sentences(pb.GenerateRequest(results=[result])) or ())


@pytest.mark.parametrize(
    ("purpose", "columns", "rows", "text"),
    [
        ("number of videos", ["number", "of"], [[20, 20]], "There are 20 videos."),
        ("number of videos", ["number", "of"], [[1, 1]], "There is 1 video."),
        ("number of videos that have a over 3", ["number", "of"], [[7, 20]], "7 of 20 videos have a over 3."),
        ("number of videos that have a over 3", ["number", "of"], [[1, 20]], "1 of 20 videos has a over 3."),
        ("number of videos that are in “x”", ["number", "of"], [[0, 20]], "None of the 20 videos are in “x”."),
        ("number of segments", ["number"], [[7]], "The number of segments: 7."),
        ("total price of the videos", ["total price", "of"], [[12.5, 2]], "The total price of the videos: 12.5."),
        ("total price of the videos", ["total price", "of"], [[None, 0]],
         "There is no total price: nothing was found for the total price of the videos."),
        ("videos", ["video"], [["a.mp4"], ["b.mp4"]], "Videos (2):\n- a.mp4\n- b.mp4"),
        ("videos", ["video"], [], "Nothing was found: no videos."),
        ("price", ["video", "title", "price"], [["a.mp4", "A", 1.0]], "Price (1):\n- a.mp4: title A, price 1"),
        ("days", ["day"], [["2024-01-02T00:00:00"], [None]], "Days (2):\n- 2024-01-02\n- unknown"),
    ],
)  # fmt: skip
def test_a_result_is_a_sentence(purpose: str, columns: list[str], rows: list[list[Any]], text: str) -> None:
    assert told(purpose, columns, rows) == text


def test_what_was_cut_is_said() -> None:
    assert "the first 2, there are more" in told("videos", ["video"], [["a"], ["b"]], truncated=True)


def test_what_failed_is_said_and_no_number_with_it() -> None:
    assert told("number of videos", [], [], error="It took too long") == (
        "I could not find out the number of videos: the query failed (It took too long)."
    )


def test_what_was_not_read_is_said() -> None:
    text = told("number of videos; 5 videos are still being read and not counted", ["number", "of"], [[3, 3]])
    assert text == "There are 3 videos.\n5 videos are still being read and not counted."


def test_where_no_query_fitted_it_says_that_it_can_not_tell() -> None:
    result = pb.QueryResult(purpose="answer", error="No query fits the question")
    assert compose(pb.GenerateRequest(results=[result])) == UNTOLD


def test_an_answer_from_entities_comes_before_what_was_retrieved() -> None:
    passage = pb.Passage(kind="speech", text="the tide rises twice a day", start_time=0, end_time=5, score=0.9)
    source = pb.Source(number=1, file_id="f", filename="f.mp4", end_time=20, passages=[passage])
    result = pb.QueryResult(purpose="number of videos", sql="SELECT", columns=["number", "of"], rows="[[2, 2]]")
    text = compose(
        pb.GenerateRequest(messages=[pb.Message(role="user", text="tide?")], sources=[source], results=[result])
    )
    assert text.startswith("There are 2 videos.\n") and "[1]" in text


def test_without_results_it_has_nothing_to_say() -> None:
    assert sentences(pb.GenerateRequest()) is None
