"""Learns which passages answer a question from the part `work` of the evaluation, for the embedder that is configured.

    python -m training.evidence          # writes its entry in ray_jobs/engines/embedded/extractive/evidence.json

A passage answers where it lies at a moment that answers and holds one of the facts asked for. The figures are of questions about
collections that the weights were not learned from, each left out in turn; the threshold is chosen by them too. The parts
`choose` and `final` are not read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb
from sklearn.linear_model import LogisticRegression

from loadtests.evaluation.api import ask_all, hold
from loadtests.evaluation.clips import Span
from loadtests.evaluation.collections import Question, read
from loadtests.evaluation.grading import NEAR_SECONDS, holds
from loadtests.evaluation.in_process import opened
from ray_jobs.engines.embedded.extractive import generator
from ray_jobs.engines.embedded.extractive.compose import question_of
from ray_jobs.engines.embedded.extractive.evidence import FEATURES, WEIGHTS, measured, possible, quotable

KINDS = ("fact", "who", "how many", "moment", "yes or no", "paraphrase", "follow-up", "absent", "near miss")
REGULARISATION = 0.3
REFUSED_COST = 2.0


@dataclass(frozen=True)
class Example:
    """Everything retrieved for one question: `rows` [n, features] as `measured`, `answers` bool [n]."""

    collection: str
    answerable: bool
    rows: np.ndarray
    answers: np.ndarray
    possible: np.ndarray
    embedder: str
    is_made: bool = False  # of a question whose answer was taken out of what was retrieved


async def examples() -> list[Example]:
    made: list[Example] = []
    seen: list[pb.GenerateRequest] = []
    answer = generator.from_sources

    def watched(request: pb.GenerateRequest) -> str:
        seen.append(request)
        return answer(request)

    generator.from_sources = watched
    async with opened() as (http, settings):
        for held in await hold(http, settings, read("work")):
            for question in held.collection.questions:
                if question.kind not in KINDS:
                    continue
                seen.clear()
                await ask_all(http, [(held, question)])
                if seen and not seen[-1].broad:
                    made += _examples(held.collection.name, question, seen[-1], held.when)
    return made


def _examples(
    collection: str, question: Question, request: pb.GenerateRequest, when: Mapping[tuple[str, str], Span]
) -> Iterator[Example]:
    """The question with all that was retrieved; and once more without what answers it, as one that nothing answers."""
    found = list(quotable(request.sources))
    asked = question_of(request)
    answers = [question.is_answerable and _answers(question, source, passage, when) for source, passage in found]
    if not found or question.is_answerable != any(answers):
        return
    rows = measured(asked, found)
    yield Example(
        collection, question.is_answerable, rows, np.array(answers, bool), possible(asked, rows), request.embedder
    )
    rest = [item for item, answer in zip(found, answers, strict=True) if not answer]
    if question.is_answerable and rest:
        rows = measured(asked, rest)
        yield Example(
            collection, False, rows, np.zeros(len(rest), bool), possible(asked, rows), request.embedder, is_made=True
        )


def _answers(question: Question, source: pb.Source, passage: pb.Passage, when: Mapping[tuple[str, str], Span]) -> bool:
    in_time = not question.at or any(
        name == source.filename
        and when[name, part].start_time - NEAR_SECONDS <= passage.start_time
        and passage.end_time <= when[name, part].end_time + NEAR_SECONDS
        for name, part in question.at
    )
    return in_time and (not question.facts or any(holds(passage.text, fact) for fact in question.facts))


def fitted(made: Sequence[Example]) -> tuple[np.ndarray, float]:
    """(weights [features], bias). Each question weighs the same, and so do what answers it and what doesn't."""
    made = [item for item in made if item.possible.any()]
    rows = np.concatenate([item.rows[item.possible] for item in made])
    answers = np.concatenate([item.answers[item.possible] for item in made])
    shares = []
    for item in made:
        right = item.answers[item.possible]
        shares.append(np.where(right, 1 / max(1, right.sum()), 1 / max(1, (~right).sum())))
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    model = LogisticRegression(C=REGULARISATION, max_iter=5_000)
    model.fit((rows - mean) / scale, answers, np.concatenate(shares))
    weights = model.coef_[0] / scale
    return weights, float(model.intercept_[0] - weights @ mean)


def main() -> None:
    made = asyncio.run(examples())
    every = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    every[made[0].embedder] = learned(made[0].embedder, made)
    # Of an embedder that is not known, likeness counts only beside that of the other passages.
    for item in made:
        item.rows[:, [name.startswith(("likeness", "is_")) and name != "is_described" for name in FEATURES]] = 0.0
    every["any"] = learned("any", made)
    WEIGHTS.write_text(json.dumps(every, indent=1) + "\n", encoding="utf-8")


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
    asked = np.array([not item.is_made for item in made])
    print(f"{embedder}: {answerable.sum()} questions with an answer, {(~answerable & asked).sum()} without")
    print(f"what answers comes first: {first[answerable].mean():.3f}")
    rates = [
        (np.mean(best[answerable] < at), np.mean(best[~answerable & asked] < at), at)
        for at in np.arange(0.02, 0.98, 0.02)
    ]
    for refused, kept_out, at in rates[2::4]:
        print(f"  threshold {at:.2f}: answerable refused {refused:.3f}, unanswerable refused {kept_out:.3f}")
    # One answer that is there and is not given costs as much as this many that are made of what is not there.
    threshold = max(rates, key=lambda rate: rate[1] - REFUSED_COST * rate[0])[2]
    weights, bias = fitted(made)
    print(dict(zip(FEATURES, np.round(weights, 2), strict=True)), round(float(threshold), 2))
    return {
        "weights": [round(float(value), 4) for value in weights],
        "bias": round(bias, 4),
        "threshold": round(float(threshold), 2),
    }


if __name__ == "__main__":
    main()
