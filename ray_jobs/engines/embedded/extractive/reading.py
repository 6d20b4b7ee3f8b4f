"""Whether a passage answers a question, read token by token (`token_states.py`): what measures of the whole can't tell.

Two things are told. How alike they are: for each token of the question the likest of the passage, the rarer ones counting more
(late interaction, Khattab and Zaharia 2020). And what a small network judges, in which the question's tokens attend over the
passage's (decomposable attention, Parikh et al. 2016): whether what is asked for is among what is told. `training/reading.py`
makes its weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ray_jobs.engines.embedded.token_states import States

WEIGHTS = Path(__file__).with_name("reading.npz")
FEATURES = (
    "alike",  # the mean over the question's tokens of their likeness to the likest of the passage, by rarity
    "least_alike",  # the mean of the third of them that is least so
    "alike_contrast",  # how far above the other passages, in their standard deviations
)
LEAST_ALIKE = 1 / 3
MAX_TOKENS = 96  # of a passage that are attended over
SCALE = 4.0  # of what is projected: states are of unit length
RARITY = 10.0  # about that of a common word


class Reading:
    """`weights`: float32 arrays by name, of which `likeness` needs the two means alone."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = weights

    def of_question(self, states: States) -> tuple[np.ndarray, np.ndarray]:
        """(its tokens but for marks and prefix, float32 [tokens, 384] of unit length, about the mean of questions; the rarity
        of each)."""
        asked = states.rarity > 0
        return _unit(states.values[asked] - self._weights["question_mean"]), states.rarity[asked]

    def of_passage(self, states: States) -> np.ndarray:
        """All its tokens, float32 [tokens, 384] of unit length, about the mean of passages."""
        return _unit(states.values - self._weights["passage_mean"])

    def likeness(self, question: States, passages: Sequence[States]) -> np.ndarray:
        """float64 [len(passages), 2]: `alike` and `least_alike` of FEATURES."""
        tokens, rarity = self.of_question(question)
        told = np.zeros((len(passages), 2))
        least = int(np.ceil(len(tokens) * LEAST_ALIKE))
        for place, passage in enumerate(passages if len(tokens) else ()):
            said = self.of_passage(passage)[passage.rarity > 0]
            if len(said):
                likest = (tokens @ said.T).max(axis=1)
                told[place] = likest @ rarity / rarity.sum(), np.sort(likest)[:least].mean()
        return told

    def judged(self, question: States, passages: Sequence[States]) -> np.ndarray:
        """float64 [len(passages)]: what is added to the odds, in natural logarithms."""
        weights = self._weights
        tokens, rarity = self.of_question(question)
        made = np.zeros(len(passages))
        if not len(tokens):
            return made
        keys, values = tokens @ weights["asked_keys"], SCALE * (tokens @ weights["asked_values"])
        pooling = softmax(tokens @ weights["pooling"] + weights["pooling_rarity"] * rarity)
        for place, passage in enumerate(passages):
            said = self.of_passage(passage)[:MAX_TOKENS]
            likeness = tokens @ said.T
            attention = softmax(weights["likeness"] * likeness + keys @ (said @ weights["told_keys"]).T)
            found = attention @ (SCALE * (said @ weights["told_values"]))
            measures = [likeness.max(axis=1), (attention * likeness).sum(axis=1), rarity / RARITY]
            inner = np.concatenate([values, found, values * found, np.stack(measures, axis=1)], axis=1)
            hidden = np.maximum(inner @ weights["inner"] + weights["inner_bias"], 0)
            pooled = np.concatenate([pooling @ hidden, hidden.max(axis=0)])
            made[place] = pooled @ weights["outer"] + weights["outer_bias"]
        return made


def alike(likeness: np.ndarray) -> np.ndarray:
    """float64 [n, len(FEATURES)] of what `Reading.likeness` gave for the passages of one question."""
    first = likeness[:, :1]
    return np.concatenate([likeness, (first - first.mean()) / (first.std() + 0.01)], axis=1)


@cache
def reading() -> Reading:
    """With the weights as they were learned, which are kept in half precision."""
    with np.load(WEIGHTS) as kept:
        return Reading({name: kept[name].astype(np.float32) for name in kept.files})


def _unit(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return made


def softmax(scores: np.ndarray) -> np.ndarray:
    """Of the last axis, which is together 1."""
    made = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(made / made.sum(axis=-1, keepdims=True))
