"""Meanings of words and questions: which column a word speaks of, which intent a question has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from ray_jobs.engines.embedded.multilingual import query_vector

WEIGHTS = Path(__file__).with_name("intents.npz")
MAX_CHARACTERS = 400
# Translations of one noun are 0.5 to 0.9 alike once what all words share is taken away, other words under 0.4 (measured on 60
# words of seven languages).
ALIKE, MARGIN = 0.5, 0.15
MIN_PROBABILITY = 0.03


def vectors(texts: list[str]) -> np.ndarray:
    """float32 [len(texts), 384], each row of unit length."""
    return np.stack([query_vector(text[:MAX_CHARACTERS]) for text in texts])


@cache
def _weights() -> dict[str, np.ndarray]:
    with np.load(WEIGHTS, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def _meaning(text: str) -> np.ndarray:
    centred = vectors([text])[0] - _weights()["words"]
    return np.asarray(centred / np.linalg.norm(centred))


def _likeness(word: str, names: tuple[str, ...]) -> np.ndarray:
    """float [len(names)]: of what each means to what the word does, in whatever language."""
    meant = _meaning(word)
    return np.array([float(_meaning(name) @ meant) for name in names])


def nearest(word: str, names: tuple[str, ...]) -> int | None:
    """Which of the names a word means, in whatever language; None where none is surely meant."""
    if not names:
        return None
    likeness = _likeness(word, names)
    best = int(likeness.argmax())
    rivals = np.delete(likeness, best)
    is_sure = likeness[best] >= ALIKE and (not len(rivals) or likeness[best] - rivals.max() >= MARGIN)
    return best if is_sure else None


def alike(word: str, names: tuple[str, ...]) -> list[int]:
    """All of the names that a word may mean, in whatever language: those that are as likely as the likeliest."""
    likeness = _likeness(word, names)
    best = likeness.max(initial=0.0)
    return [place for place, found in enumerate(likeness) if best >= ALIKE and best - found < MARGIN]


def is_surely(word: str, names: tuple[str, ...], rivals: tuple[str, ...]) -> bool:
    """Whether a word means one of the names, in whatever language, and surely none of the rivals: inspections, no inspector."""
    own, others = (float(_likeness(word, group).max(initial=0.0)) for group in (names, rivals))
    return own >= ALIKE and own - others >= MARGIN


def intents(question: str) -> tuple[str, ...]:
    """The intents that a question may have, likeliest first."""
    weights = _weights()
    scores = weights["weights"] @ (vectors([question])[0] - weights["mean"]) + weights["bias"]
    likelihood = np.exp(scores - scores.max())
    likelihood /= likelihood.sum()
    return tuple(
        str(weights["intents"][place]) for place in np.argsort(-likelihood) if likelihood[place] >= MIN_PROBABILITY
    )
