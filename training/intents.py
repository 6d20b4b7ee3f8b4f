"""Learns the intents of questions about tables, and says how well unseen phrasings are told.

    python -m training.intents        # writes ray_jobs/engines/embedded/extractive/slots/intents.npz

The examples are slots/intents.json, filled in with rows, columns and values of unlike domains. The figures are of five folds by
phrasing: no phrasing is judged by a model that has seen it filled in otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import LogisticRegression

from ray_jobs.engines.embedded.extractive.languages import LANGUAGES
from ray_jobs.engines.embedded.extractive.slots.lexicon import examples
from ray_jobs.engines.embedded.extractive.slots.vectors import WEIGHTS, vectors

TIMES, FOLDS, REGULARISATION = 2, 5, 30.0


def filled() -> Iterator[tuple[str, str, int, str]]:
    """(language, intent, number of the phrasing, question)."""
    choice = random.Random(7).choice
    phrasing = 0
    for language in LANGUAGES:
        kinds = examples(language)
        for intent in [kind for kind in kinds if kind not in ("rows", "columns", "values")]:
            for text in kinds[intent]:
                phrasing += 1
                for _ in range(TIMES if "{" in text else 1):
                    names = {"r": "rows", "c": "columns", "c2": "columns", "v": "values"}
                    question = text.format(**{slot: choice(kinds[kind]) for slot, kind in names.items()})
                    yield (
                        language,
                        intent,
                        phrasing,
                        question.replace(" ", "") if language in ("zh", "ja") else question,
                    )


def main() -> None:
    made = sorted(filled(), key=lambda item: item[2])
    found = vectors([item[3] for item in made])
    intents = np.array([item[1] for item in made])
    folds = np.array([item[2] * 2_654_435_761 % 97 % FOLDS for item in made])
    mean = found.mean(axis=0)
    told = np.empty(len(made), dtype=object)
    for fold in range(FOLDS):
        told[folds == fold] = _fitted(found[folds != fold] - mean, intents[folds != fold]).predict(
            found[folds == fold] - mean
        )
    print(f"{len(made)} examples of {made[-1][2]} phrasings; unseen phrasings told: {(told == intents).mean():.3f}")
    for name, values in (("language", np.array([item[0] for item in made])), ("intent", intents)):
        print(
            "  ".join(f"{value} {(told == intents)[values == value].mean():.2f}" for value in dict.fromkeys(values)),
            f"({name})",
        )
    nouns = [noun for language in LANGUAGES for kind in ("rows", "columns") for noun in examples(language)[kind]]
    model = _fitted(found - mean, intents)
    np.savez(WEIGHTS, intents=model.classes_.astype("U16"), weights=model.coef_.astype(np.float32),
             bias=model.intercept_.astype(np.float32), mean=mean, words=vectors(nouns).mean(axis=0))  # fmt: skip
    print(f"wrote {WEIGHTS.name}")


def _fitted(found: np.ndarray, intents: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=REGULARISATION, max_iter=2_000, class_weight="balanced").fit(found, intents)


if __name__ == "__main__":
    main()
