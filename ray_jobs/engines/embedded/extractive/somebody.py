"""Tells the names of people and organisations from headlines, dishes and places, which have capitals as well.

The weights are a logistic regression over vectors of example names in several languages; `training/names.py` makes them and
says how many unseen names it tells.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from ray_jobs.engines.embedded import multilingual

WEIGHTS = Path(__file__).with_name("names.npz")
MAX_CHARACTERS = 80  # that are read of a name
SURE_OTHER = 0.6  # likelihood from which a name is of neither: an answer that is not given costs more than a wrong one


def is_somebody(name: str) -> bool:
    """Whether a name may be of a person or an organisation. Takes some 20 ms, the first time that a tenant's answer asks."""
    weights = _weights()
    scores = weights["weights"] @ (multilingual.query_vector(name[:MAX_CHARACTERS]) - weights["mean"]) + weights["bias"]
    likelihood = np.exp(scores - scores.max())
    return bool((likelihood / likelihood.sum())[weights["classes"] == "other"] < SURE_OTHER)


@lru_cache(maxsize=1)
def _weights() -> dict[str, np.ndarray]:
    with np.load(WEIGHTS, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}
