"""How well evidence is told where somebody else does what is asked for: of questions that nothing was learned from.

    python -m training.evidence_held

The collections of subjects_held/ are of the form of evidence_questions/: every third of those that were written for it in sixteen
languages; the others are learned from. Three fifths of their questions without an answer ask of somebody, or something, else
what is told of one. Prints how many questions are answered with the passage that answers them, how many with another, and how
many are refused, by whether a passage of their collection answers them and by how many passages it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive import evidence, forms
from ray_jobs.engines.embedded.multilingual import MultilingualEmbedder, query_vector
from training.evidence_examples import NONE, kind_of
from training.example_files import read_examples

HELD = Path(__file__).with_name("subjects_held")
EMBEDDER = "multilingual-e5-small"
FEW, SOME = 3, 7  # passages of a collection


@dataclass(frozen=True)
class Judged:
    passages: int  # of its collection
    language: str
    is_answerable: bool
    outcome: str  # right, wrong or refused


def collections() -> dict[str, Any]:
    return read_examples(HELD)


def judged(told: Mapping[str, Any], embedder: MultilingualEmbedder) -> Iterator[Judged]:
    """Each question of one collection, all of whose passages are retrieved."""
    texts = {name: text for each in told["files"].values() for name, text in each.items()}
    vectors = embedder.embed(list(texts.values()))
    for language, asked in told["ask"].items():
        for answer, questions in asked.items():
            for text in questions:
                question = replace(forms.read(text), language=language)
                points = evidence.points(question, _sources(texts, vectors @ query_vector(text)), EMBEDDER)
                outcome = "refused"
                if points and points[0].score >= evidence.threshold(EMBEDDER):
                    outcome = "right" if points[0].text == texts.get(answer) else "wrong"
                yield Judged(len(texts), language, answer != NONE, outcome)


def _sources(texts: Mapping[str, str], scores: np.ndarray) -> list[pb.Source]:
    made = []
    for (name, text), score in zip(texts.items(), scores, strict=True):
        source = pb.Source(filename="held.mp4", segment_id=name)
        source.passages.add(kind=kind_of(name), text=text, score=float(score))
        made.append(source)
    return sorted(made, key=lambda source: -source.passages[0].score)


def main() -> None:
    embedder = MultilingualEmbedder()
    embedder.setup()
    every = [each for told in collections().values() for each in judged(told, embedder)]
    sizes = {f"up to {FEW} passages": (0, FEW), f"up to {SOME}": (FEW, SOME), "more": (SOME, 10**9)}
    for is_answerable in (True, False):
        of = [each for each in every if each.is_answerable is is_answerable]
        print("with an answer:" if is_answerable else "without an answer:")
        _print("all", of)
        for name, (above, most) in sizes.items():
            _print(name, [each for each in of if above < each.passages <= most])
        for language in sorted({each.language for each in of}):
            _print(language, [each for each in of if each.language == language])


def _print(name: str, of: list[Judged]) -> None:
    counts = Counter(each.outcome for each in of)
    shares = ", ".join(
        f"{outcome} {counts[outcome] / max(1, len(of)):.2f}" for outcome in ("right", "wrong", "refused")
    )
    print(f"  {name}: {len(of)} questions: {shares}")


if __name__ == "__main__":
    main()
