"""Learns which passages answer a question from the examples in evidence_questions/, for each embedder that is built in.

    python -m training.evidence          # writes evidence.json and reading.npz in ray_jobs/engines/embedded/extractive

The figures are of questions about collections that nothing was learned from, in FOLDS folds, both without and with reading
token by token; the threshold is chosen by them too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ray_jobs.engines.embedded.embedder import EmbeddedEmbedder
from ray_jobs.engines.embedded.extractive import evidence, reading
from ray_jobs.engines.embedded.extractive.evidence import FEATURES, MAX_READ, WEIGHTS, attended, likeliest, weighed
from ray_jobs.engines.embedded.extractive.reading import Reading, alike, within
from ray_jobs.engines.embedded.multilingual import MultilingualEmbedder
from ray_jobs.engines.embedded.token_states import States, reader
from training.evidence_examples import NONE, Asked, Example, collections, examples, passages, segments

EMBEDDERS: dict[str, Any] = {"multilingual-e5-small": MultilingualEmbedder, "all-MiniLM-L6-v2": EmbeddedEmbedder}
ONE_IN = {"multilingual-e5-small": 1, "all-MiniLM-L6-v2": 3}  # questions that are measured
REGULARISATION = 0.3
FOLDS = 3
REFUSED = 0.2  # of the questions that have an answer, by the threshold
IMPOSSIBLE = -20.0  # odds
BATCH = 64  # questions that are read together

Fit = tuple[np.ndarray, float]
Judged = Mapping[
    tuple[Asked, str], np.ndarray
]  # by the question and the collection that it is asked of, of each passage


class Told:
    """What the tokens of all questions and passages tell. `likest`: as `Reading.likest`, of all passages of a collection;
    `segments`: of each of these."""

    def __init__(self, asked: Iterable[tuple[Asked, str]]) -> None:
        from training.reading import means  # torch, for who only reads the examples

        pairs = list(dict.fromkeys(asked))
        every = list(dict.fromkeys(each for each, _ in pairs))
        self.passages = {name: reader().states(passages(told)) for name, told in collections().items()}
        self.segments = {name: np.array(segments(told)) for name, told in collections().items()}
        self.questions: dict[Asked, States] = {}
        for first in range(0, len(every), BATCH):
            some = every[first : first + BATCH]
            states = reader().states([each.question.text for each in some], queries=True)
            self.questions.update(zip(some, states, strict=True))
        of_passages = [states for each in self.passages.values() for states in each]
        self.means = means(list(self.questions.values()), of_passages)
        self.reading = Reading(self.means)
        self.likest = {
            (each, name): self.reading.likest(self.questions[each], self.passages[name]) for each, name in pairs
        }

    def near(self, item: Example, read: np.ndarray) -> np.ndarray:
        """float32 [read, tokens]: as `reading.within`, of the passages at these places of an example."""
        places = item.places[read]
        return within(self.likest[item.asked, item.collection][places], self.segments[item.collection][places])

    def alike(self, item: Example, read: np.ndarray) -> np.ndarray:
        """float64 [read, features] of the same."""
        likest = self.likest[item.asked, item.collection][item.places[read]]
        rarity = self.questions[item.asked].rarity
        told = alike(likest, self.near(item, read), rarity[rarity > 0])
        return np.concatenate([item.rows[read], told], axis=1)


def fitted(told: Sequence[tuple[np.ndarray, np.ndarray]]) -> Fit:
    """(weights [features], bias) of (rows, answers) for each question. Each weighs the same, and so do what answers it and what
    doesn't. What only repeats a question is left out: titles do and answer nothing, but who asks where something is has it
    answered so."""
    from sklearn.linear_model import LogisticRegression  # two seconds, for who only reads the examples

    rows = np.concatenate([rows for rows, _ in told])
    answers = np.concatenate([answers for _, answers in told])
    shares = [np.where(right, 1 / max(1, right.sum()), 1 / max(1, (~right).sum())) for _, right in told]
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    model = LogisticRegression(C=REGULARISATION, max_iter=5_000)
    model.fit((rows - mean) / scale, answers, np.concatenate(shares))
    weights = model.coef_[0] / scale
    return weights, float(model.intercept_[0] - weights @ mean)


def _adds(item: Example) -> np.ndarray:
    return item.possible & (item.rows[:, FEATURES.index("adds")] > 0)


def _entry(fit: Fit) -> dict[str, Any]:
    return {"weights": [round(float(value), 4) for value in fit[0]], "bias": round(fit[1], 4)}


def fits(made: Sequence[Example], told: Told) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is weighed of measures alone, and of what is read by these."""
    kept = [(item, _adds(item)) for item in made]
    measured = _entry(fitted([(item.rows[some], item.answers[some]) for item, some in kept if some.any()]))
    rows = []
    for item in made:
        read = chosen(measured, item)
        some = read[_adds(item)[read]]
        if len(some):
            alike = told.alike(item, read)[np.isin(read, some)]
            rows.append((alike, item.answers[some]))
    return measured, _entry(fitted(rows))


def chosen(measured: Mapping[str, Any], item: Example) -> np.ndarray:
    """The places of what is read."""
    return likeliest(weighed(measured, item.rows), item.possible, MAX_READ)


def judge(made: Sequence[Example], told: Told, measured: Mapping[str, Any], read: Mapping[str, Any]) -> Any:
    """The network that learned of these."""
    from training.reading import JOINED_WEIGHT, MADE_WEIGHT, Course, Lesson, tensors, trained

    courses = []
    for collection in dict.fromkeys(item.asked.collection for item in made):
        theirs = [item for item in made if item.asked.collection == collection == item.collection]
        asked = list(dict.fromkeys(item.asked for item in theirs))
        at = {each: place for place, each in enumerate(asked)}
        lessons = []
        for item in theirs:
            some = chosen(measured, item)
            if not len(some):
                continue
            odds = weighed(read, told.alike(item, some))
            first = attended(odds)
            if item.answerable and not item.answers[some[first]].any():
                continue
            if not item.answerable and not item.is_made and item.asked.answer != NONE:
                continue  # its answer was not retrieved, or is not known to be missing
            weight = (MADE_WEIGHT if item.is_made else 1.0) * (JOINED_WEIGHT if item.asked.is_joined else 1.0)
            near, these = told.near(item, some)[first], some[first]
            lessons.append(Lesson(at[item.asked], item.places[these], odds[first], item.answers[these], near, weight))
        course = Course([told.questions[each] for each in asked], told.passages[collection], lessons)
        courses.append((*tensors(course, told.reading), lessons))
    return trained(courses)


def judged_by(network: Any, pairs: Iterable[tuple[Asked, str]], told: Told) -> dict[tuple[Asked, str], np.ndarray]:
    from training.reading import Course, judged, tensors

    made: dict[tuple[Asked, str], np.ndarray] = {}
    by_collection: dict[str, list[Asked]] = {}
    for asked, collection in dict.fromkeys(pairs):
        by_collection.setdefault(collection, []).append(asked)
    for collection, every in by_collection.items():
        course = Course([told.questions[asked] for asked in every], told.passages[collection], ())
        where = told.segments[collection]
        near = [within(told.likest[asked, collection], where) for asked in every]
        for asked, row in zip(every, judged(network, *tensors(course, told.reading), near), strict=True):
            made[asked, collection] = row
    return made


def scored(
    item: Example, told: Told, measured: Mapping[str, Any], read: Mapping[str, Any], judged: Judged
) -> tuple[np.ndarray, np.ndarray]:
    """Odds by measures alone, and with reading, of each passage."""
    without = np.where(item.possible, weighed(measured, item.rows), IMPOSSIBLE)
    odds = np.full(len(without), IMPOSSIBLE)
    some = chosen(measured, item)
    if len(some):
        weights = {**read, "scale": read.get("scale", 1.0), "shift": read.get("shift", 0.0)}
        begun = weighed(read, told.alike(item, some))
        first = attended(begun)
        judgement = judged[item.asked, item.collection][item.places[some[first]]]
        odds[some] = evidence.joined(weights, begun, first, judgement)
    return without, odds


def main() -> None:
    every: dict[str, list[Example]] = {}
    for name, kind in EMBEDDERS.items():
        embedder = kind()
        embedder.setup()
        every[name] = list(examples(embedder, ONE_IN[name]))
    # Of an embedder that is not known, likeness counts only beside that of the other passages, as it does of any that is.
    likeness = [column.startswith("likeness") for column in FEATURES]
    every["any"] = [
        Example(**{**vars(item), "rows": np.where(likeness, 0.0, item.rows)})
        for made in every.values()
        for item in made
    ]
    first = every["multilingual-e5-small"]
    told = Told((item.asked, item.collection) for item in first)
    heldout = [fits(kept, told) for kept, _ in folds(first)]
    judged: dict[tuple[Asked, str], np.ndarray] = {}
    for weights, (kept, left) in zip(heldout, folds(first), strict=True):
        network = judge(kept, told, *weights)
        judged |= judged_by(network, ((item.asked, item.collection) for item in left), told)
    entries = {
        name: learned(
            name, made, told, judged, heldout if made is first else [fits(kept, told) for kept, _ in folds(made)]
        )
        for name, made in every.items()
    }
    entry = entries["multilingual-e5-small"]
    from training.reading import exported

    network = judge(first, told, entry["measured"], entry["read"])
    np.savez_compressed(reading.WEIGHTS, **exported(network, told.means))
    WEIGHTS.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def folds(made: Sequence[Example]) -> Iterator[tuple[list[Example], list[Example]]]:
    """What is learned from, and what is not: questions of other collections."""
    names = list(dict.fromkeys(item.asked.collection for item in made))
    for fold in range(FOLDS):
        left = {name for place, name in enumerate(names) if place % FOLDS == fold}
        yield (
            [item for item in made if item.asked.collection not in left],
            [item for item in made if item.asked.collection in left],
        )


def learned(
    embedder: str,
    made: Sequence[Example],
    told: Told,
    judged: Judged,
    heldout: Sequence[tuple[dict[str, Any], dict[str, Any]]],
) -> dict[str, Any]:
    """Its entry; prints how well questions are told that it was not learned from."""
    items: list[Example] = []
    odds: list[tuple[np.ndarray, np.ndarray]] = []
    for weights, (_, left) in zip(heldout, folds(made), strict=True):
        items += left
        odds += [scored(item, told, *weights, judged) for item in left]
    print(f"{embedder}:")
    alone = _print("measured alone", items, [without for without, _ in odds])
    # The likelihood is that of a question as likely answered as not, whose passages count as one: as `fitted` weighs them.
    rows = [
        (with_reading[some, None], item.answers[some])
        for item, (_, with_reading) in zip(items, odds, strict=True)
        if (some := _adds(item) & (with_reading > IMPOSSIBLE)).any()
    ]
    scale, shift = fitted(rows)
    calibrated = [np.where(each > IMPOSSIBLE, scale[0] * each + shift, IMPOSSIBLE) for _, each in odds]
    threshold = _print("and read", items, calibrated)
    measured, read = fits(made, told)
    # Of what is not read, the same share is refused by the same threshold.
    measured["shift"] = round(float(np.log(threshold / (1 - threshold)) - np.log(alone / (1 - alone))), 4)
    read |= {"scale": round(float(scale[0]), 4), "shift": round(shift, 4)}
    return {"measured": measured, "read": read, "threshold": round(threshold, 2)}


def _print(title: str, items: Sequence[Example], odds: Sequence[np.ndarray]) -> float:
    """The threshold."""
    best = np.array([each.max() for each in odds])
    first = np.array([item.answers[each.argmax()] for item, each in zip(items, odds, strict=True)])
    best = 1 / (1 + np.exp(-best))
    asked = np.array([not item.asked.is_joined for item in items])
    clauses = np.array([item.asked.has_clauses and not item.is_made for item in items])
    answerable = np.array([item.answerable for item in items])
    unanswerable = np.array([item.asked.answer == NONE for item in items])
    print(f" {title}: {(answerable & asked).sum()} questions with an answer, {(unanswerable & asked).sum()} without")
    print(f"  what answers comes first: {first[answerable & asked].mean():.3f}")
    for refused in (0.05, 0.1, 0.15, 0.2, REFUSED):
        at = float(np.quantile(best[answerable & asked], refused))

        def share(kind: np.ndarray, at: float = at) -> str:
            return f"{np.mean(best[kind] < at):.2f}"

        print(
            f"  threshold {at:.2f}: answerable refused {refused:.2f}, unanswerable refused {share(unanswerable & asked)}; "
            f"of two clauses answerable {share(answerable & asked & clauses)}, unanswerable "
            f"{share(unanswerable & asked & clauses)}; joined {share(answerable & ~asked)}, {share(unanswerable & ~asked)}"
        )
    return float(np.quantile(best[answerable & asked], REFUSED))


if __name__ == "__main__":
    main()
