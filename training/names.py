"""Learns who or what a name names from names.json.

    python -m training.names          # writes ray_jobs/engines/embedded/extractive/names.npz

The figures are of names that were not learned from, in ten folds.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ray_jobs.engines.embedded.extractive.forms import question_vectors
from ray_jobs.engines.embedded.extractive.somebody import WEIGHTS

EXAMPLES = Path(__file__).with_name("names.json")
FOLDS = 10
REGULARISATION = 10.0  # C of the logistic regression: best of 3, 10 and 30 by the folds


def main() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    every: dict[str, list[str]] = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    names = [name for some in every.values() for name in some]
    classes = np.array([kind for kind, some in every.items() for _ in some])
    vectors = question_vectors(names)
    mean = vectors.mean(axis=0)
    model = LogisticRegression(C=REGULARISATION, max_iter=2_000, class_weight="balanced")
    told = cross_val_predict(model, vectors - mean, classes, cv=StratifiedKFold(FOLDS, shuffle=True, random_state=7))
    print(f"{len(names)} names; of unseen ones are told {np.mean(told == classes):.3f}")
    for kind in every:
        of_kind = classes == kind
        wrong = [
            f"{name} ({found})"
            for name, found in zip(np.array(names)[of_kind], told[of_kind], strict=True)
            if found != kind
        ]
        print(f"  {kind} {1 - len(wrong) / of_kind.sum():.3f}, but not: {', '.join(wrong)}")
    model.fit(vectors - mean, classes)
    np.savez(
        WEIGHTS,
        mean=mean.astype(np.float32),
        classes=model.classes_.astype("U16"),
        weights=model.coef_.astype(np.float32),
        bias=model.intercept_.astype(np.float32),
    )
    print(f"wrote {WEIGHTS.name}")


if __name__ == "__main__":
    main()
