"""Questions about entities: understood to the last word, or not at all."""

from __future__ import annotations

import pytest
from arcus.engine.v1 import engine_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from loadtests.entities import QUESTIONS, RECORDS, answer, knowledge, misplaced
from ray_jobs.engines.embedded.extractive.entity_planner import queries
from ray_jobs.engines.embedded.extractive.planner import plan
from services.nimbus.entities.sql import EntitySql

LECTURES = knowledge(["lectures"])
MATCHES = knowledge(["match clips"])
EVERYTHING = knowledge([item["name"] for item in RECORDS])


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How many lectures are about physics?", "4 of 14 videos have subject “physics”."),
        ("How many physics lectures have over 30 slides?", "2 of 14 videos have slide count over 30 and subject “physics”."),
        ("How many lectures are not in English?", "3 of 14 videos have language other than “English”."),
        ("How many lectures are not about physics or biology?", "6 of 14 videos have subject other than “physics” or “biology”."),
        ("How many lectures cover both gravity and waves?", "1 of 14 videos has topics with “gravity” and “waves”."),
        ("How many lectures were recorded before 2022?", "None of the 14 videos have recorded on before 2022."),
        ('How many lectures mention "silk"?', "1 of 14 videos has any text containing “silk”."),
        ("How many lectures have code?", "5 of 14 videos have code."),
        ("How many lectures have no code?", "9 of 14 videos have no code."),
        ("How many lectures were recorded live?", "10 of 14 videos have recorded live: yes."),
        ("Which video has the most slides?",
         "The videos with the highest slide count (1):\n"
         "- neural_networks_from_scratch.mp4: title Neural Networks from Scratch, slide count 62"),
        ("What is the average number of slides?", "The average slide count of the videos: 37.71."),
        ("How many lectures are there per level?",
         "Number of videos, for each level (3):\n- intermediate: 5\n- introductory: 5\n- advanced: 4"),
    ],
)  # fmt: skip
async def test_the_answer_says_what_was_counted(question: str, text: str) -> None:
    sql = EntitySql(workers=1)
    try:
        assert await answer(sql, question, LECTURES) == text
    finally:
        await sql.close()


@pytest.mark.parametrize(
    "question",
    [
        "How many lectures mention black holes colliding?",
        "How many lectures did Ada Moreno attend?",
        "How many lectures are longer than the one on orbits?",
        "How many more lectures did Ada Moreno give than Ravi Shah?",
        "How many lectures were recorded last year?",
        "How many lectures are not about physics except advanced ones?",
        "What percentage of lectures is in English?",
        "Which lecture is the best?",
        "How many lectures cost more than 100 dollars?",
        "How many reviews are there?",
        "What is a tide?",
        "How many lectures are there? And who gave them?",
        "How many",
        "",
    ],
)
def test_what_is_not_surely_understood_is_not_asked_for(question: str) -> None:
    assert queries(question, LECTURES.tables.described) == ([], False)


def test_a_team_that_scored_is_not_a_team_that_is_mentioned() -> None:
    assert queries("Which players scored for United?", MATCHES.tables.described) == ([], False)


@pytest.mark.slow
def test_no_question_is_answered_by_a_collection_that_it_is_not_about() -> None:
    planned, asked = misplaced()
    assert (planned, asked > 300) == (0, True)


def test_of_several_collections_the_one_that_is_named_is_counted() -> None:
    (query,), answered = queries("How many lectures are there?", EVERYTHING.tables.described)
    assert answered and "collection_name IN ('lectures')" in query.sql


def test_without_tables_there_is_no_query() -> None:
    request = pb.PlanRequest(messages=[pb.Message(role="user", text="How many lectures are there?")], decompose=True)
    assert not plan(request).queries
    request.tables.extend(LECTURES.tables.described)
    assert [query.purpose for query in plan(request).queries] == ["number of videos"]
    assert plan(request).answered_by_queries


def test_the_eval_has_enough_questions_and_videos() -> None:
    assert len(QUESTIONS["held_out"]) >= 15 and len(QUESTIONS["tuned"]) >= 25
    assert sum(len(item["files"]) for item in RECORDS) >= 20
    asked = [item["question"] for items in QUESTIONS.values() for item in items]
    assert len(set(asked)) == len(asked)


@given(st.text(max_size=200))
def test_whatever_is_asked_the_planner_ends(question: str) -> None:
    found, answered = queries(question, EVERYTHING.tables.described)
    assert answered == bool(found)


WORDS = sorted({word for items in QUESTIONS.values() for item in items for word in item["question"].split()})


@pytest.mark.slow
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_whatever_words_are_put_together_the_planner_ends(question: str) -> None:
    for base in (LECTURES, MATCHES, EVERYTHING):
        found, answered = queries(question, base.tables.described)
        assert answered == bool(found)
