"""Names of people and organisations, told from other words with capitals."""

from __future__ import annotations

import json

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.evidence import points
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.short_answer import short_answer
from ray_jobs.engines.embedded.extractive.somebody import is_somebody
from training.names import EXAMPLES

EMBEDDER = "multilingual-e5-small"
PEOPLE = ("Helga Brandvik", "Captain Moreau", "Nuria", "Matthias Kuhn", "吴建国", "中村さん", "The Harbour Authority")
OTHERS = ("Ferry Timetable", "Rhubarb Crumble", "Kapitel Vier", "Plan de la visite", "Pronóstico", "实验结果", "献立")


@pytest.mark.parametrize("name", PEOPLE)
def test_a_name_is_somebodys(name: str) -> None:
    assert is_somebody(name)


@pytest.mark.parametrize("name", OTHERS)
def test_a_headline_is_nobodys(name: str) -> None:
    assert not is_somebody(name)


def test_none_of_them_was_learned_from() -> None:
    learned = {name for some in json.loads(EXAMPLES.read_text(encoding="utf-8")).values() for name in some}
    assert len(learned) > 900 and learned.isdisjoint((*PEOPLE, *OTHERS))


def test_who_did_it_is_not_a_headline() -> None:
    text = "Ferry Timetable\nHelga Brandvik changes it in May"
    assert short_answer(Question("Who changes the timetable?", "who"), text) == "Helga Brandvik"
    assert short_answer(Question("Who steers the boat?", "who"), "Ferry Timetable\nRhubarb Crumble") == ""


def test_a_passage_that_names_nobody_does_not_tell_who() -> None:
    texts = ("Ferry Timetable", "The ferry is steered by Helga Brandvik.", "Rhubarb Crumble")
    passages = [pb.Passage(kind="scene_text", text=text, score=0.88) for text in texts]
    sources = [pb.Source(number=place, segment_id=str(place), passages=[item]) for place, item in enumerate(passages)]
    found = points(Question("Who steers the ferry?", "who"), sources, EMBEDDER)
    assert [point.text for point in found] == [texts[1]]
