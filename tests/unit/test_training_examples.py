"""What the embedded engine learns from is not what it is judged by."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from loadtests.evaluation.collections import HERE, PARTS
from ray_jobs.engines.embedded.multilingual import MultilingualEmbedder
from training import evidence_examples
from training.catalog import EXAMPLES, UNASKED
from training.catalog_held import HELD
from training.evidence_examples import NONE, UNCLEAR, collections, examples, yes_or_no
from training.evidence_held import HELD as HELD_EVIDENCE
from training.evidence_held import collections as held_collections
from training.evidence_held import judged
from training.example_files import read_examples
from training.topics import topics


@pytest.mark.parametrize("part", PARTS)
def test_no_question_of_the_evaluation_is_among_the_examples_of_evidence(part: str) -> None:
    learned = {*_strings(collections()), *_strings(yes_or_no())}
    learned |= {text for each in topics() for text in _strings([*(asked.text for asked in each.asked), *each.facts])}
    judged = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (HERE / part).glob("*.yaml")]
    asked = set(_strings([question["ask"] for told in judged for question in told["questions"]]))
    assert len(asked) > 100
    assert sum(question in learned for question in asked) == 0


@pytest.mark.parametrize("part", PARTS)
def test_no_question_of_the_evaluation_is_among_those_about_files(part: str) -> None:
    judged = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (HERE / part).glob("*.yaml")]
    asked = set(_strings([question["ask"] for told in judged for question in told["questions"]]))
    held = set(_strings(list(_held())))
    assert sum(question in held for question in asked) == 0
    assert sum(question in _about_files() for question in asked) == 0


def test_what_is_learned_of_files_is_judged_by_other_questions() -> None:
    held = list(_held())
    assert len(held) > 450 and len(set(map(_plain, held))) == len(held)
    assert sum(_plain(text) in _about_files() for text in held) == 0


@pytest.mark.parametrize("part", PARTS)
def test_no_question_about_somebody_else_is_learned_or_in_the_evaluation(part: str) -> None:
    held = set(_strings([told["ask"] for told in held_collections().values()]))
    assert len(held) > 600
    assert held.isdisjoint(_strings([*collections().values(), *yes_or_no().values()]))
    asked = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (HERE / part).glob("*.yaml")]
    assert held.isdisjoint(_strings([question["ask"] for told in asked for question in told["questions"]]))


def test_each_question_of_a_held_collection_is_judged() -> None:
    collection = yaml.safe_load((HELD_EVIDENCE / "sample_sentences.yaml").read_text(encoding="utf-8"))["odd_grenier"]
    embedder = MultilingualEmbedder()
    embedder.setup()
    every = list(judged(collection, embedder))
    asked = [text for of in collection["ask"].values() for texts in of.values() for text in texts]
    assert len(every) == len(asked) and {each.outcome for each in every} <= {"right", "wrong", "refused"}
    assert any(each.outcome == "right" for each in every)
    assert all(each.outcome != "right" for each in every if not each.is_answerable)


def test_every_answer_of_the_examples_is_a_passage_that_stands_once() -> None:
    for told in [*collections().values(), *held_collections().values()]:
        names = [name for texts in told["files"].values() for name in texts]
        assert len(names) == len(set(names))
        assert {answer for asked in told["ask"].values() for answer in asked} <= {*names, "none"}
        texts = [text for texts in told["files"].values() for text in texts.values()]
        assert len(texts) == len(set(map(_plain, texts)))


def test_what_one_segment_tells_is_not_learned_from_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "files": {"lodge.mp4": {"otter": "The otter sleeps in the boat shed.", "stove": "The stove is lit at six."}},
        "ask": {"en": {"otter": ["Where does the otter sleep?"], NONE: ["Where do hares sleep?"]}},
    }
    monkeypatch.setattr(evidence_examples, "collections", lambda: {"lodge": told, "lodge_again": told})
    embedder = MultilingualEmbedder()
    embedder.setup()
    made = list(examples(embedder))
    assert all(len(item.rows) == 2 for item in made)
    assert {item.asked.answer for item in made if item.answerable} == {"otter"}
    assert all(item.collection != item.asked.collection for item in made if item.is_made)


def test_what_is_asked_for_yes_or_no_is_asked_of_a_passage_that_there_is() -> None:
    told = collections()
    for collection, asked in yes_or_no().items():
        assert asked.keys() <= {name for texts in told[collection]["files"].values() for name in texts}
        for by_language in asked.values():
            for by_verdict in by_language.values():
                assert by_verdict.keys() <= {"yes", "no", UNCLEAR}


def test_no_question_of_the_examples_is_asked_twice() -> None:
    every = collections().values()
    texts = [text for told in every for asked in told["ask"].values() for each in asked.values() for text in each]
    texts += [text for asked in yes_or_no().values() for each in asked.values() for text in _texts(each)]
    assert len(texts) == len(set(map(_plain, texts)))


def _held() -> Iterator[str]:
    for writers in yaml.safe_load(HELD.read_text(encoding="utf-8")).values():
        for calls in writers.values():
            for texts in calls.values():
                yield from texts


@cache
def _about_files() -> set[str]:
    """Each phrasing with each name of a file."""
    return {
        _plain(text.replace("{r}", str(rows)).replace("{q}", str(row)))
        for every in read_examples(EXAMPLES).values()
        for name, texts in every.items()
        if name not in UNASKED
        for text in texts
        for rows in every["rows"]
        for row in every["row"]
    }


def _texts(by_language: dict[str, dict[str, list[str]]]) -> list[str]:
    return [text for verdicts in by_language.values() for texts in verdicts.values() for text in texts]


def _strings(told: Any) -> Iterator[str]:
    """Every text, letters only, of one case."""
    if isinstance(told, str):
        yield _plain(told)
    elif isinstance(told, dict | list):
        for item in told.values() if isinstance(told, dict) else told:
            yield from _strings(item)


def _plain(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
