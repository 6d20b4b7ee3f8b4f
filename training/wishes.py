"""Learns what a clause wishes of an answer's form from wishes.json, and says how many unseen phrasings are told.

    python -m training.wishes          # writes ray_jobs/engines/embedded/extractive/wishes.npz
    python -m training.wishes --judge  # tells heldout_wishes.json by the weights that are there

A "|" stands between a question and the wish behind it. The figures are of five folds by phrasing: none is judged by a
model that has seen it behind a question.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from ray_jobs.engines.embedded.extractive.style import IN_INSTRUCTIONS
from ray_jobs.engines.embedded.extractive.wishes import NONE, WEIGHTS, clause_vector, features, wishes
from training.forms import examples as questions

EXAMPLES = Path(__file__).with_name("wishes.json")
HELD_OUT = Path(__file__).with_name("heldout_wishes.json")
_OF_FORM = ("", "whole", "each", "list")  # forms whose examples may wish something of the answer's form
FOLDS = 5
REGULARISATION = 100.0  # C of the logistic regression: best of 30 and 100 by the folds


@dataclass(frozen=True)
class Example:
    language: str
    wish: str
    phrasing: str
    text: str


def examples() -> Iterator[Example]:
    for language, every in json.loads(EXAMPLES.read_text(encoding="utf-8")).items():
        joint = "，" if language in ("zh", "ja") else " "
        for wish, texts in every.items():
            for text in texts:
                yield Example(language, wish, text.rpartition("|")[2].lower(), text.replace("|", joint))
    for item in {question.phrasing: question for question in questions()}.values():
        if item.form not in _OF_FORM:
            yield Example(item.language, NONE, item.text.lower(), item.text)


def main() -> None:
    made = list(examples())
    vectors = np.stack([clause_vector(item.text) for item in made])
    mean = vectors.mean(axis=0)
    rows = np.stack([features(item.text, vector, mean) for item, vector in zip(made, vectors, strict=True)])
    wished = np.array([item.wish for item in made])
    folds = np.array([zlib.crc32(item.phrasing.encode()) % FOLDS for item in made])
    told = np.empty(len(made), dtype=object)
    for fold in range(FOLDS):
        model = _fitted(rows[folds != fold], wished[folds != fold])
        likely = model.predict_proba(rows[folds == fold])
        sure = likely.max(axis=1) >= IN_INSTRUCTIONS
        told[folds == fold] = np.where(sure, model.classes_[likely.argmax(axis=1)], NONE)
    right = told == wished
    print(f"{len(made)} examples; of unseen phrasings are told: {right.mean():.3f}")
    for values in (np.array([item.language for item in made]), wished):
        print("  ", "  ".join(f"{value} {right[values == value].mean():.2f}" for value in dict.fromkeys(values)))
    model = _fitted(rows, wished)
    np.savez_compressed(
        WEIGHTS,
        mean=mean.astype(np.float32),
        classes=model.classes_.astype(str),
        weights=model.coef_.astype(np.float32),
        bias=model.intercept_.astype(np.float32),
    )


def _fitted(rows: np.ndarray, wished: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=REGULARISATION, max_iter=500).fit(rows, wished)


def judge() -> None:
    """Of phrasings that were written after the examples."""
    right: dict[str, list[bool]] = {}
    for language, items in json.loads(HELD_OUT.read_text(encoding="utf-8")).items():
        for text, expected in items:
            found = sorted({wish for _, some in wishes(text, IN_INSTRUCTIONS) for wish in some})
            right.setdefault(language, []).append(found == expected)
            if found != expected:
                print(f"   {language} {text!r}: {found}, not {expected}")
    shares = {language: sum(own) / len(own) for language, own in right.items()}
    total = sum(map(sum, right.values())) / sum(map(len, right.values()))
    print(f"{total:.2f}", "  ".join(f"{language} {share:.2f}" for language, share in shares.items()))


if __name__ == "__main__":
    judge() if "--judge" in sys.argv else main()
