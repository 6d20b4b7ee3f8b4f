"""The examples that `training/evidence.py` and `training/reading.py` learn from, in evidence_questions/ and yes_no/, as if
retrieved.

Every question is asked of the passages of its collection; one that has an answer, once more without the segment that answers
it, and of another collection, as one that nothing answers. Of two questions that one passage answers, or that nothing answers,
some are asked together: "Where was it built, and how high is it?"
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded import multilingual
from ray_jobs.engines.embedded.extractive import evidence, forms, short_answer
from ray_jobs.engines.embedded.extractive.evidence import measured, possible, quotable
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.multilingual import MultilingualEmbedder, query_vector
from training.example_files import read_examples

EXAMPLES = Path(__file__).with_name("evidence_questions")
YES_OR_NO = Path(__file__).with_name("yes_no")
UNCLEAR = "unclear"
KINDS = {"screen": "scene_text", "seen": "visual_scene_description", "heard": "audio_description"}
UTTERANCES = 2  # of a segment
SEGMENTS = (12, 2)  # that are retrieved for one question: of a large collection and of a small one
NONE = "none"
PLACED = ("moment", "which_file")  # forms that what is shown with the answer answers too
JOINED = 1  # question that is joined of those that one passage answers; of those that nothing answers, an eighth
MAX_JOINED_CHARACTERS = 90  # of each
JOINTS = {
    "en": (", and ", "?"),
    "de": (", und ", "?"),
    "fr": (", et ", " ?"),
    "es": (", y ", "?"),
    "pt": (", e ", "?"),
    "zh": ("，", "？"),
    "ja": ("、", "？"),
}
# What only the texts tell, and every question, or every embedder, would ask again.
REMEMBERED = {
    multilingual: ("_query_vector",),
    evidence: ("facts", "language_of", "content_words", "Held", "short_answer", "wanted_measure"),
    short_answer: ("facts", "language_of", "content_terms", "Held", "sentences", "measures_else"),
}


@dataclass(frozen=True)
class Segment:
    """`vectors`: float32 [len(passages), dimensions]; `names`: of the passages."""

    filename: str
    names: tuple[str, ...]
    passages: tuple[pb.Passage, ...]
    vectors: np.ndarray


@dataclass(frozen=True)
class Asked:
    """One question. `is_joined`: of two that were written apart; `has_clauses`: whether it asks for two things."""

    collection: str
    question: Question
    answer: str  # the name of a passage, or NONE
    is_joined: bool = False

    @property
    def has_clauses(self) -> bool:
        return self.is_joined or JOINTS[self.question.language][0] in self.question.text


@dataclass(frozen=True)
class Example:
    """Everything retrieved for one question: `rows` [n, features] as `measured`, `answers` bool [n], `places` int [n] among
    the passages of `collection`."""

    asked: Asked
    collection: str
    places: np.ndarray
    rows: np.ndarray
    answers: np.ndarray
    possible: np.ndarray
    is_made: bool = False  # of a question that has an answer, which is not among what was retrieved

    @property
    def answerable(self) -> bool:
        return bool(self.answers.any())


def collections() -> dict[str, dict[str, Any]]:
    """By name: `files` and what is asked of them."""
    return read_examples(EXAMPLES)


@cache
def yes_or_no() -> dict[str, dict[str, dict[str, dict[str, list[str]]]]]:
    """Questions for yes or no, by collection, passage, language, and what the passage says to them: yes, no or UNCLEAR."""
    return read_examples(YES_OR_NO)


def passages(told: Mapping[str, Any]) -> list[str]:
    """Those of a collection, each once, in the order of `Example.places`."""
    return list(dict.fromkeys(text for texts in told["files"].values() for text in texts.values()))


def segments(told: Mapping[str, Any]) -> list[int]:
    """For each of `passages` the number of the segment that it is in."""
    numbers: dict[str, int] = {}
    for number, (filename, names) in enumerate(_parts(told["files"])):
        for name in names:
            numbers.setdefault(told["files"][filename][name], number)
    return [numbers[text] for text in passages(told)]


def questions(collection: str, told: Mapping[str, Any]) -> Iterator[Asked]:
    """The same each time."""
    chance = random.Random(collection)
    for language, every in told["ask"].items():
        for answer, texts in every.items():
            for text in texts:
                yield Asked(collection, _read(text, language), answer)
            pairs = [(a, b) for place, a in enumerate(texts) for b in texts[place + 1 :]]
            pairs = [pair for pair in pairs if all(len(text) <= MAX_JOINED_CHARACTERS for text in pair)]
            most = JOINED if answer != NONE else len(texts) // 8
            for first, second in chance.sample(pairs, min(most, len(pairs))):
                yield Asked(collection, _read(_together(first, second, language), language), answer, is_joined=True)
    for answer, by_language in yes_or_no().get(collection, {}).items():
        for language, by_verdict in by_language.items():
            for verdict, texts in by_verdict.items():
                for text in texts:
                    yield Asked(collection, _read(text, language), NONE if verdict == UNCLEAR else answer)


def _read(text: str, language: str) -> Question:
    return replace(forms.read(text), language=language)


def _together(first: str, second: str, language: str) -> str:
    joint, mark = JOINTS[language]
    second = second.strip().strip("¿")
    return first.strip().rstrip("?？。. ") + joint + second[:1].lower() + second[1:].rstrip("?？。. ") + mark


def examples(embedder: Any, every: int = 1) -> Iterator[Example]:
    """Of one in `every` questions. Those of one question follow each other."""
    told = collections()
    with _remembered():
        held = {collection: list(_segments(each["files"], embedder)) for collection, each in told.items()}
        others = dict(zip(held, [*list(held)[1:], *list(held)[:1]], strict=True))
        places = {name: {text: at for at, text in enumerate(passages(each))} for name, each in told.items()}
        for collection, each in told.items():
            for asked in islice(questions(collection, each), 0, None, every):
                vector = _vector(embedder, asked.question.text)
                answers = {asked.answer}
                if asked.question.form in PLACED:
                    answers.add(f"screen_{asked.answer}")
                rest = [segment for segment in held[collection] if asked.answer not in segment.names]
                other = others[collection]
                for most in SEGMENTS:
                    yield _example(asked, collection, vector, held[collection], answers, most, places[collection])
                    if asked.answer != NONE and rest:
                        made = _example(asked, collection, vector, rest, set(), most, places[collection])
                        yield replace(made, is_made=True)
                if asked.answer != NONE and not asked.is_joined:
                    made = _example(asked, other, vector, held[other], set(), SEGMENTS[0], places[other])
                    yield replace(made, is_made=True)


def _vector(embedder: Any, text: str) -> np.ndarray:
    """float32 [dimensions]: where it is the one that the form of a question is told by, it is made once."""
    if isinstance(embedder, MultilingualEmbedder):
        return query_vector(text)
    return np.asarray(embedder.embed([text], queries=True)[0])


@contextmanager
def _remembered() -> Iterator[None]:
    with ExitStack() as stack:
        for module, names in REMEMBERED.items():
            for name in names:
                stack.enter_context(patch.object(module, name, _remembering(module, name)))
        yield


@cache
def _remembering(module: Any, name: str) -> Any:
    return lru_cache(100_000)(getattr(module, name))


def _segments(files: Mapping[str, Mapping[str, str]], embedder: Any) -> Iterator[Segment]:
    for filename, part in _parts(files):
        texts = files[filename]
        found = [pb.Passage(kind=kind_of(name), text=texts[name]) for name in part]
        yield Segment(filename, tuple(part), tuple(found), embedder.embed([item.text for item in found]))


def _parts(files: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """The file and the passages of each segment: what is said, a few utterances each with what is shown meanwhile; what is
    shown by itself, apart."""
    for filename, texts in files.items():
        said = [name for name in texts if kind_of(name) == "speech"]
        parts = [said[first : first + UTTERANCES] for first in range(0, len(said), UTTERANCES)]
        for name in texts:
            if name not in said:
                meanwhile = next((part for part in parts if name.partition("_")[2] in part), None)
                parts.append([name]) if meanwhile is None else meanwhile.append(name)
        yield from ((filename, part) for part in parts)


def kind_of(name: str) -> str:
    """Of a passage, by the beginning of its name."""
    return KINDS.get(name.partition("_")[0], "speech")


def _example(
    asked: Asked,
    collection: str,
    query: np.ndarray,
    segments: Sequence[Segment],
    answers: set[str],
    most: int,
    places: Mapping[str, int],
) -> Example:
    """What is retrieved: the `most` segments that are likest, best first."""
    sources = []
    names = {}
    for segment in segments:
        source = pb.Source(filename=segment.filename, segment_id=f"{segment.filename}/{segment.names[0]}")
        for name, passage, vector in zip(segment.names, segment.passages, segment.vectors, strict=True):
            source.passages.add(kind=passage.kind, text=passage.text, score=float(vector @ query))
            names[passage.text] = name
        sources.append(source)
    sources.sort(key=lambda source: -max(passage.score for passage in source.passages))
    found = list(quotable(sources[:most]))
    rows = measured(asked.question, found)
    right = np.array([names[passage.text] in answers for _, passage in found])
    at = np.array([places[passage.text] for _, passage in found])
    return Example(asked, collection, at, rows, right, possible(asked.question, rows))
