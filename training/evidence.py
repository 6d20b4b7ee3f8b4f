"""Learns which passages answer a question from the examples in evidence_questions.yaml, for each embedder that is built in.

    python -m training.evidence          # writes ray_jobs/engines/embedded/extractive/evidence.json

Every question is asked of the passages of its collection, as if they had been retrieved; one that has an answer, once more
without the segment that answers it, and of another collection, as one that nothing answers. The figures are of questions
about collections that the weights were not learned from, each left out in turn; the threshold is chosen by them too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.embedder import EmbeddedEmbedder
from ray_jobs.engines.embedded.extractive import forms
from ray_jobs.engines.embedded.extractive.evidence import FEATURES, WEIGHTS, measured, possible, quotable
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.multilingual import MultilingualEmbedder

EXAMPLES = Path(__file__).with_name("evidence_questions.yaml")
EMBEDDERS: dict[str, Any] = {"multilingual-e5-small": MultilingualEmbedder, "all-MiniLM-L6-v2": EmbeddedEmbedder}
KINDS = {"screen": "scene_text", "seen": "visual_scene_description", "heard": "audio_description"}
UTTERANCES = 2  # of a segment
SEGMENTS = (12, 2)  # that are retrieved for one question: of a large collection and of a small one
NONE = "none"
PLACED = ("moment", "which_file")  # forms that what is shown with the answer answers too
REGULARISATION = 0.3
REFUSED = 0.25  # of the questions that have an answer, by the threshold


@dataclass(frozen=True)
class Segment:
    """`vectors`: float32 [len(passages), dimensions]; `names`: of the passages."""

    filename: str
    names: tuple[str, ...]
    passages: tuple[pb.Passage, ...]
    vectors: np.ndarray


@dataclass(frozen=True)
class Example:
    """Everything retrieved for one question: `rows` [n, features] as `measured`, `answers` bool [n]."""

    collection: str
    rows: np.ndarray
    answers: np.ndarray
    possible: np.ndarray
    is_made: bool = False  # of a question that has an answer, which is not among what was retrieved

    @property
    def answerable(self) -> bool:
        return bool(self.answers.any())


def examples(embedder: Any) -> Iterator[Example]:
    collections = list(yaml.safe_load(EXAMPLES.read_text(encoding="utf-8")).items())
    held = [list(_segments(told["files"], embedder)) for _, told in collections]
    for place, (collection, told) in enumerate(collections):
        other = held[(place + 1) % len(held)]
        for language, asked in told["ask"].items():
            for answer, texts in asked.items():
                for text, vector in zip(texts, embedder.embed(texts, queries=True), strict=True):
                    question = replace(forms.read(text), language=language)
                    answers = {answer, f"screen_{answer}"} if question.form in PLACED else {answer}
                    rest = [segment for segment in held[place] if answer not in segment.names]
                    for most in SEGMENTS:
                        yield _example(collection, question, vector, held[place], answers, most)
                        for segments in (rest, other) if answer != NONE else ():
                            made = _example(collection, question, vector, segments, set(), most)
                            yield replace(made, is_made=True)


def _segments(files: Mapping[str, Mapping[str, str]], embedder: Any) -> Iterator[Segment]:
    """What is said, a few utterances each with what is shown meanwhile; what is shown by itself, apart."""
    for filename, texts in files.items():
        said = [name for name in texts if _kind(name) == "speech"]
        parts = [said[first : first + UTTERANCES] for first in range(0, len(said), UTTERANCES)]
        for name in texts:
            if name not in said:
                meanwhile = next((part for part in parts if name.partition("_")[2] in part), None)
                parts.append([name]) if meanwhile is None else meanwhile.append(name)
        for part in parts:
            passages = [pb.Passage(kind=_kind(name), text=texts[name]) for name in part]
            yield Segment(filename, tuple(part), tuple(passages), embedder.embed([item.text for item in passages]))


def _kind(name: str) -> str:
    return KINDS.get(name.partition("_")[0], "speech")


def _example(
    collection: str, question: Question, query: np.ndarray, segments: Sequence[Segment], answers: set[str], most: int
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
    rows = measured(question, found)
    right = [names[passage.text] in answers for _, passage in found]
    return Example(collection, rows, np.array(right), possible(question, rows))


def fitted(made: Sequence[Example]) -> tuple[np.ndarray, float]:
    """(weights [features], bias). Each question weighs the same, and so do what answers it and what doesn't. What only
    repeats a question is left out: titles do and answer nothing, but who asks where something is has it answered so."""
    from sklearn.linear_model import LogisticRegression  # two seconds, for who only reads the examples

    told = [(item, item.possible & (item.rows[:, FEATURES.index("adds")] > 0)) for item in made]
    told = [(item, kept) for item, kept in told if kept.any()]
    rows = np.concatenate([item.rows[kept] for item, kept in told])
    answers = np.concatenate([item.answers[kept] for item, kept in told])
    shares = []
    for item, kept in told:
        right = item.answers[kept]
        shares.append(np.where(right, 1 / max(1, right.sum()), 1 / max(1, (~right).sum())))
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    model = LogisticRegression(C=REGULARISATION, max_iter=5_000)
    model.fit((rows - mean) / scale, answers, np.concatenate(shares))
    weights = model.coef_[0] / scale
    return weights, float(model.intercept_[0] - weights @ mean)


def main() -> None:
    every: dict[str, list[Example]] = {}
    for name, kind in EMBEDDERS.items():
        embedder = kind()
        embedder.setup()
        every[name] = list(examples(embedder))
    told = {name: learned(name, made) for name, made in every.items()}
    # Of an embedder that is not known, likeness counts only beside that of the other passages, as it does of any that is.
    both = [item for made in every.values() for item in made]
    for item in both:
        item.rows[:, [column.startswith("likeness") for column in FEATURES]] = 0.0
    told["any"] = learned("any", both)
    WEIGHTS.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def learned(embedder: str, made: Sequence[Example]) -> dict[str, object]:
    """Its entry; prints how well questions are told that the weights were not learned from."""
    best = np.zeros(len(made))
    first = np.zeros(len(made), bool)
    for collection in dict.fromkeys(item.collection for item in made):
        weights, bias = fitted([item for item in made if item.collection != collection])
        for place, item in enumerate(made):
            if item.collection == collection:
                scores = item.possible / (1 + np.exp(-(item.rows @ weights + bias)))
                best[place], first[place] = scores.max(), item.answers[scores.argmax()]
    answerable = np.array([item.answerable for item in made])
    unanswerable = ~answerable & np.array([not item.is_made for item in made])
    print(f"{embedder}: {answerable.sum()} questions with an answer, {unanswerable.sum()} without")
    print(f"what answers comes first: {first[answerable].mean():.3f}")
    for refused in (0.05, 0.1, 0.15, 0.2, REFUSED):
        at = np.quantile(best[answerable], refused)
        kept_out = np.mean(best[unanswerable] < at)
        print(f"  threshold {at:.2f}: answerable refused {refused:.2f}, unanswerable refused {kept_out:.2f}")
    threshold = np.quantile(best[answerable], REFUSED)
    weights, bias = fitted(made)
    print(dict(zip(FEATURES, np.round(weights, 2).tolist(), strict=True)))
    return {
        "weights": [round(float(value), 4) for value in weights],
        "bias": round(bias, 4),
        "threshold": round(float(threshold), 2),
    }


if __name__ == "__main__":
    main()
