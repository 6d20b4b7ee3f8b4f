"""What is measured of a passage beside a question, and the weights that are learned of it."""

from __future__ import annotations

import json

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.evidence import FEATURES, WEIGHTS, Point, measured, points, possible, told
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.reading import FEATURES as READ_FEATURES
from ray_jobs.engines.embedded.multilingual import passage_vector, query_vector
from training.evidence import EMBEDDERS


def feature(name: str, question: Question, *texts: str) -> list[float]:
    """Of each text, said in a segment of its own."""
    passages = [pb.Passage(kind="speech", text=text, score=0.8) for text in texts]
    sources = [pb.Source(segment_id=str(place), passages=[item]) for place, item in enumerate(passages)]
    rows = measured(question, list(zip(sources, passages, strict=True)))
    return list(map(float, rows[:, FEATURES.index(name)]))


def test_a_name_that_the_question_has_does_not_tell_who() -> None:
    question = Question("Who played against Amelia Winter?", "who")
    texts = ("In the end Amelia Winter lost.", "In the end Amelia Winter lost to Jonas Berg.")
    assert feature("asked_for", question, *texts) == [1.0, 1.0]
    assert feature("tells", question, *texts) == [0.0, 1.0]


def told_possible(question: Question, *texts: str) -> list[bool]:
    """Whether each text, said in a segment of its own, can answer at all."""
    passages = [pb.Passage(kind="speech", text=text, score=0.8) for text in texts]
    sources = [pb.Source(segment_id=str(place), passages=[item]) for place, item in enumerate(passages)]
    return list(map(bool, possible(question, measured(question, list(zip(sources, passages, strict=True))))))


def test_a_number_of_another_measure_answers_nothing() -> None:
    texts = ("The sack weighs forty kilograms.", "The sack is 2 metres long.", "The sack lay there for 3 days.")
    assert told_possible(Question("How heavy is the sack?", "number"), *texts) == [True, False, False]
    assert told_possible(Question("What number is on the sack?", "number"), *texts) == [True, True, True]


def test_nobody_else_is_named_where_the_question_has_the_only_name() -> None:
    texts = ("Amelia Winter repaired the boat.", "The boat of Amelia Winter was repaired by Jonas Berg.")
    assert told_possible(Question("Who repaired the boat of Amelia Winter?", "who"), *texts) == [False, True]


def test_a_question_without_names_misses_none() -> None:
    texts = ("The bridge was built by hand.", "Lydia Roos built it.")
    assert feature("names", Question("Why did they build the bridge?"), *texts) == [1.0, 1.0]
    assert feature("names", Question("What was built by Lydia Roos?"), *texts) == [0.0, 1.0]


def test_every_embedder_has_weights_of_all_that_is_measured() -> None:
    told = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    assert set(told) == {*EMBEDDERS, "any"}
    for entry in told.values():
        measured, read = entry["measured"], entry["read"]
        assert len(measured["weights"]) == len(FEATURES) and 0 < entry["threshold"] < 1
        assert len(read["weights"]) == len(FEATURES) + len(READ_FEATURES) and read["scale"] > 0
        for learned in (measured, read):
            assert np.isfinite([*learned["weights"], learned["bias"], learned["shift"]]).all()


def test_what_a_passage_that_is_alone_says_is_told_where_it_answers() -> None:
    text = "The ferry leaves the island at nine in the morning."

    def told_of(question: str) -> list[Point]:
        likeness = float(passage_vector(text) @ query_vector(question))
        source = pb.Source(segment_id="1", passages=[pb.Passage(kind="speech", text=text, score=likeness)])
        asked = Question(question, "what")
        return told(asked, points(asked, [source], "multilingual-e5-small"), "multilingual-e5-small", 3)

    assert [point.text for point in told_of("What time is the departure from the island?")] == [text]
    assert told_of("Which wood is the violin made of?") == []
