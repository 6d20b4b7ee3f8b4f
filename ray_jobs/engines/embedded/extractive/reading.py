"""Whether a passage answers a question, read token by token (`token_states.py`): what measures of the whole can't tell.

Two things are told. How alike they are: for each token of the question the likest of the passage, the rarer ones counting more
(late interaction, Khattab and Zaharia 2020). And what a small network judges, in which the question's tokens attend over the
passage's (decomposable attention, Parikh et al. 2016): whether what is asked for is among what is told. Both are also told how
alike each token is to the likest of all that was read of the passage's segment: whom "it" means is said in the sentence before.
`training/reading.py` makes its weights.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ray_jobs.engines.embedded.token_states import States

WEIGHTS = Path(__file__).with_name("reading.npz")
FEATURES = (
    "alike",  # the mean over the question's tokens of their likeness to the likest of the passage, by rarity
    "least_alike",  # the mean of the third of them that is least so
    "alike_near",  # the same two, to the likest of all that was read of the segment
    "least_alike_near",
    "alike_contrast",  # how far above the other passages, in their standard deviations
)
LEAST_ALIKE = 1 / 3
MAX_TOKENS = 96  # of a passage that are attended over
SCALE = 4.0  # of what is projected: states are of unit length
RARITY = 10.0  # about that of a common word


class Reading:
    """`weights`: float32 arrays by name, of which `likest` needs the two means alone."""

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

    def likest(self, question: States, passages: Sequence[States]) -> np.ndarray:
        """float32 [len(passages), tokens]: how alike each token of the question and the likest of a passage are."""
        tokens, _ = self.of_question(question)
        told = np.zeros((len(passages), len(tokens)), np.float32)
        for place, passage in enumerate(passages if len(tokens) else ()):
            said = self.of_passage(passage)[passage.rarity > 0]
            if len(said):
                told[place] = (tokens @ said.T).max(axis=1)
        return told

    def judged(self, question: States, passages: Sequence[States], near: np.ndarray) -> np.ndarray:
        """float64 [len(passages)]: what is added to the odds, in natural logarithms. near: what `within` gave of these."""
        weights = self._weights
        tokens, rarity = self.of_question(question)
        made = np.zeros(len(passages))
        if not len(tokens):
            return made
        keys, values = tokens @ weights["asked_keys"], SCALE * (tokens @ weights["asked_values"])
        pooling = softmax(tokens @ weights["pooling"] + weights["pooling_rarity"] * rarity)
        for place, (passage, around) in enumerate(zip(passages, near, strict=True)):
            said = self.of_passage(passage)[:MAX_TOKENS]
            likeness = tokens @ said.T
            attention = softmax(weights["likeness"] * likeness + keys @ (said @ weights["told_keys"]).T)
            found = attention @ (SCALE * (said @ weights["told_values"]))
            measures = [likeness.max(axis=1), (attention * likeness).sum(axis=1), rarity / RARITY, around]
            inner = np.concatenate([values, found, values * found, np.stack(measures, axis=1)], axis=1)
            hidden = np.maximum(inner @ weights["inner"] + weights["inner_bias"], 0)
            pooled = np.concatenate([pooling @ hidden, hidden.max(axis=0)])
            made[place] = pooled @ weights["outer"] + weights["outer_bias"]
        return made


def within(likest: np.ndarray, segments: Sequence[Hashable] | np.ndarray) -> np.ndarray:
    """float32 [n, tokens]: what `Reading.likest` gave, of all passages of each one's segment together."""
    numbers = {segment: number for number, segment in enumerate(dict.fromkeys(segments))}
    at = np.array([numbers[segment] for segment in segments], int)
    most = np.full((len(numbers), likest.shape[1]), -1.0, np.float32)
    np.maximum.at(most, at, likest)
    return np.asarray(most[at])


def alike(likest: np.ndarray, near: np.ndarray, rarity: np.ndarray) -> np.ndarray:
    """float64 [n, len(FEATURES)] of what `Reading.likest` and `within` gave for the passages of one question. rarity: of its
    tokens."""
    if not len(rarity):
        return np.zeros((len(likest), len(FEATURES)))
    least = int(np.ceil(len(rarity) * LEAST_ALIKE))
    told = []
    for each in (likest, near):
        told += [each @ rarity / rarity.sum(), np.sort(each, axis=1)[:, :least].mean(axis=1)]
    contrast = (told[0] - told[0].mean()) / (told[0].std() + 0.01)
    return np.stack([*told, contrast], axis=1).astype(float)


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
