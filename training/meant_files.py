"""Learns which videos a request about whole videos means, from the requests in topics/.

    python -m training.meant_files    # writes ray_jobs/engines/embedded/extractive/meant_files.json

Run `python -m training.forms` first: it learns from the same requests whether one says which it means. The figures are of
collections that the weights were not learned from; whether a request says which is told there by what all were learned from,
so look for that in the figures of `training.forms`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb
from scipy.optimize import minimize

from ray_jobs.engines.embedded.extractive.forms import says_several
from ray_jobs.engines.embedded.extractive.meant_files import FEATURES, WEIGHTS, meant, measured
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.reading import softmax
from ray_jobs.engines.embedded.multilingual import passage_vector, query_vector
from training.topics import topics

FOLDS = 7
REGULARISATION = 1e-3
SHARE, SHARE_OF_SEVERAL = 0.7, 0.2  # of the likelihood of the likeliest file, from which another is meant too


@dataclass(frozen=True)
class Request:
    """`rows`: float64 [files, features] as `measured`; `means`: bool [files]."""

    collection: int
    text: str
    rows: np.ndarray
    means: np.ndarray


def requests() -> Iterator[Request]:
    """Those that say which files they mean."""
    for number, collection in enumerate(topics()):
        for asked in collection.asked:
            if not asked.means:
                continue
            files = [[_source(name, texts, query_vector(asked.text))] for name, texts in collection.files.items()]
            rows = measured(Question(asked.text, "whole", asked.language), files)
            yield Request(number, asked.text, rows, np.array([name in asked.means for name in collection.files]))


def _source(filename: str, texts: Sequence[str], query: np.ndarray) -> pb.Source:
    passages = [pb.Passage(kind="speech", text=text, score=float(passage_vector(text) @ query)) for text in texts]
    return pb.Source(filename=filename, file_id=filename, passages=passages)


def fitted(made: Sequence[Request]) -> np.ndarray:
    """[features]: of a softmax over the files of a collection; those that a request means share it."""
    scale = np.concatenate([item.rows - item.rows.mean(axis=0) for item in made]).std(axis=0) + 1e-6
    rows = [(item.rows - item.rows.mean(axis=0)) / scale for item in made]
    wanted = [item.means / item.means.sum() for item in made]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        likely = [softmax(each @ weights) for each in rows]
        lost = -sum(float(want @ np.log(found + 1e-12)) for want, found in zip(wanted, likely, strict=True))
        slope = sum(each.T @ (found - want) for each, want, found in zip(rows, wanted, likely, strict=True))
        return lost / len(made) + REGULARISATION * weights @ weights, slope / len(made) + 2 * REGULARISATION * weights

    return np.asarray(minimize(loss, np.zeros(len(FEATURES)), jac=True).x / scale)


def main() -> None:
    made = list(requests())
    told = []
    for fold in range(FOLDS):
        weights = fitted([item for item in made if item.collection % FOLDS != fold])
        for item in made:
            if item.collection % FOLDS == fold:
                likely = softmax(item.rows @ weights)
                found = meant(likely, says_several(item.text))
                told.append(
                    ((found == item.means).all(), (found >= item.means).all(), (found & item.means).any(), found.all())
                )
    exactly, whole, some, every = np.mean(told, axis=0)
    print(f"{len(made)} requests that mean some of the files of {made[-1].collection + 1} collections")
    print(
        f"exactly those are told: {exactly:.3f}, those and others too: {whole - exactly:.3f}, none of them: {1 - some:.3f}"
    )
    print(f"all files are told: {every:.3f}")
    weights = fitted(made)
    print(dict(zip(FEATURES, np.round(weights, 2).tolist(), strict=True)))
    learned = {
        "weights": [round(float(value), 4) for value in weights],
        "share": SHARE,
        "share_of_several": SHARE_OF_SEVERAL,
    }
    WEIGHTS.write_text(json.dumps(learned, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
