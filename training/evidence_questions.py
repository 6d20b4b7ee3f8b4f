"""Tells how well evidence is told by weights that are learned from evidence_questions.yaml, for the embedder in use.

    python -m training.evidence_questions          # prints; the weights in use are those of training/evidence.py

Every question is asked of the passages of its collection, as if they had been retrieved, once of many and once of few; one
that has an answer, also without the segment that answers it, and of another collection, as one that nothing answers. The
figures are of questions about collections that the weights were not learned from, each left out in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive import forms
from ray_jobs.engines.embedded.extractive.evidence import measured, possible, quotable
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.multilingual import MultilingualEmbedder
from training.evidence import Example, learned

EXAMPLES = Path(__file__).with_name("evidence_questions.yaml")
EMBEDDER = "multilingual-e5-small"
KINDS = {"screen": "scene_text", "seen": "visual_scene_description", "heard": "audio_description"}
UTTERANCES = 2  # of a segment
SEGMENTS = (12, 2)  # that are retrieved for one question: of a large collection and of a small one
NONE = "none"
PLACED = ("moment", "which_file")  # forms that what is shown with the answer answers too


@dataclass(frozen=True)
class Segment:
    """`vectors`: float32 [len(passages), dimensions]; `names`: of the passages."""

    filename: str
    names: tuple[str, ...]
    passages: tuple[pb.Passage, ...]
    vectors: np.ndarray


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
    right = np.array([names[passage.text] in answers for _, passage in found])
    return Example(collection, bool(right.any()), rows, right, possible(question, rows), EMBEDDER)


def main() -> None:
    embedder = MultilingualEmbedder()
    embedder.setup()
    learned(EMBEDDER, list(examples(embedder)))


if __name__ == "__main__":
    main()
