"""What of a table or a chart on the screen is asked for."""

from __future__ import annotations

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive import forms
from ray_jobs.engines.embedded.extractive.compose import from_sources
from ray_jobs.engines.embedded.extractive.tables import Table, Told, table_of, told_by

BOATS = """Boats for Hire
Boat | Length | Price
Heron | 5.2 m | 40 EUR
Osprey 2 | 7.5 m | 95 EUR
Tern | 4.1 m | 1,200 EUR"""
VISITORS = "Visitors in June\nMon: 310\nTue: 420\nWed: 95"
MIXED = "Walks\nRidge | 3 h | red\nValley | 40 min | blue\nLake | 55 min | blue"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (BOATS, Table(("Boat", "Length", "Price"), tuple(tuple(row.split(" | ")) for row in BOATS.splitlines()[2:]))),
        (VISITORS, Table(("", "Visitors in June"), (("Mon", "310"), ("Tue", "420"), ("Wed", "95")))),
        ("Left | Right\nTea | Milk\nPlum | Pear", None),  # no figures
        ("Weekly Meeting\nBudget: 8,000 EUR\nPriya orders the motors", None),  # one row is no table
        ("We open at 9:30 | come early", None),
        ("", None),
    ],
)
def test_a_table_is_its_rows_under_the_names_of_its_columns(text: str, found: Table | None):
    assert table_of(text) == found


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        (BOATS, "How much is the Osprey 2?", "Osprey 2: 95 EUR"),
        (BOATS, "What is the length of the Heron?", "Heron: 5.2 m"),
        (BOATS, "How long is the Tern?", "Tern: 4.1 m"),
        (BOATS, "Which boat has the highest price?", "Tern: 1,200 EUR"),
        (BOATS, "Quel bateau est le moins cher ?", "Heron: 40 EUR"),
        (BOATS, "What does the Osprey 2 offer?", "Osprey 2: 7.5 m, 95 EUR"),
        (BOATS, "How many boats are there?", ""),
        (BOATS, "Who rents the Heron?", ""),
        (BOATS, "Which boat is the quietest?", ""),
        (VISITORS, "How many visitors came on Tuesday?", "Tue: 420"),
        (VISITORS, "On which day were there the most visitors?", "Tue: 420"),
        (VISITORS, "An welchem Tag kamen die wenigsten Besucher?", "Wed: 95"),
        (VISITORS, "How many visitors came on Sunday?", ""),
        (VISITORS, "Were there more visitors on Monday or on Tuesday?", "Mon: 310; Tue: 420"),
        ("Mon: 310\nTue: 310\nWed: 95", "Which day had the most visitors?", ""),  # two had
        (MIXED, "Which walk is the longest?", ""),  # in two units
    ],
)
def test_the_cell_or_the_row_that_a_question_asks_for(text: str, question: str, answer: str):
    table = table_of(text)
    assert table is not None
    told = told_by(table, forms.read(question))
    assert (told.text if told else "") == answer


def test_of_what_is_compared_each_has_its_own_cell():
    table, question = table_of(BOATS), forms.read("Compare the price of the Heron and the Tern")
    assert table is not None
    assert [told_by(table, question, side) for side in ("the Heron", "the Tern")] == [
        Told("Heron: 40 EUR", is_sure=True),
        Told("Tern: 1,200 EUR", is_sure=True),
    ]


def test_a_row_alone_is_read_under_the_names_of_the_columns_that_stand_beside_it():
    source = pb.Source(number=1, file_id="f", segment_id="s", filename="harbour.mp4", end_time=9.0)
    for text in (BOATS, "Osprey 2 | 7.5 m | 95 EUR"):
        source.passages.add(kind="scene_text", text=text, end_time=9.0, score=0.9)
    asked = "How long is the Osprey 2?"
    request = pb.GenerateRequest(
        messages=[pb.Message(role="user", text=asked)], sources=[source], form="number", language="en", question=asked
    )
    request.embedder = "multilingual-e5-small"
    assert from_sources(request).startswith("**Osprey 2: 7.5 m**: ")


def test_of_several_tables_the_one_answers_that_has_what_is_asked_for():
    source = pb.Source(number=1, file_id="f", segment_id="s", filename="harbour.mp4", end_time=9.0)
    for text in ("Seats per Boat\nHeron: 4\nOsprey: 6\nTern: 2", "Price per Boat\nHeron: 40\nOsprey: 95\nTern: 30"):
        source.passages.add(kind="scene_text", text=text, end_time=9.0, score=0.9)
    for asked, answer in (
        ("Which boat has the lowest price?", "Tern: 30"),
        ("Which boat has the most seats?", "Osprey: 6"),
    ):
        request = pb.GenerateRequest(
            messages=[pb.Message(role="user", text=asked)], sources=[source], form="what", language="en", question=asked
        )
        request.embedder = "multilingual-e5-small"
        assert from_sources(request).startswith(f"**{answer}**: ")
