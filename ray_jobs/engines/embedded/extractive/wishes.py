"""Tells what a clause of instructions or of a question wishes of the form of an answer, in any of seven languages.

The weights are a logistic regression over vectors of example wishes; `training/wishes.py` makes them and says how many
unseen phrasings they tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

import numpy as np

from ray_jobs.engines.embedded import multilingual
from ray_jobs.engines.embedded.extractive.languages import closed_class, words_of

Wish = Literal[
    "bullets",
    "numbered",
    "prose",
    "count",  # of points or sentences
    "length",  # in words or characters
    "brief",
    "terse",  # the answer and nothing else
    "detailed",
    "timed",
    "untimed",
    "plain",  # without Markdown
    "language",
    "cannot",  # what an engine that quotes can't do
]
NONE = "none"
WEIGHTS = Path(__file__).with_name("wishes.npz")
FLAG_WEIGHT = 0.5  # of what is told by a word or a digit beside the vector
MAX_CHARACTERS = 20_000  # of a text that are read
MAX_CLAUSES = 24
MAX_CLAUSE = 200  # characters: what is longer is no wish

_CLAUSE = re.compile(
    r"[;!?。；！？\n,，、]+|\.(?=\s|$)|\s(?:and|und|et|y|e|but|aber|mais|pero|mas)\s|"
    r"\s(?=(?:without|ohne|sans|sin|sem)\s)|\s(?=(?:in|as|als|en|em|mit|with|con|com|avec)\s\d)"
)


def wishes(text: str, least: float, least_cannot: float = 0.0) -> Iterator[tuple[str, frozenset[Wish]]]:
    """(clause, what it wishes with at least that probability), in order; clauses that wish nothing are left out.

    `least_cannot`: that of what can't be done, where it is more.
    """
    clauses = [" ".join(clause.split()) for clause in _CLAUSE.split(text[:MAX_CHARACTERS])]
    short = dict.fromkeys(clause for clause in clauses if 1 < len(clause) <= MAX_CLAUSE)
    for clause in list(short)[:MAX_CLAUSES]:
        found = frozenset(
            wish
            for wish, probability in _told(clause)
            if probability >= (max(least, least_cannot) if wish == "cannot" else least)
        )
        if found:
            yield clause, found


def clause_vector(clause: str) -> np.ndarray:
    """float32 [384] of unit length. Raises ENGINE_UNAVAILABLE where there is no model to tell wishes by."""
    return multilingual.query_vector(clause)


def features(text: str, vector: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The vector, and whether the clause denies something and holds a digit, which vectors tell poorly."""
    flags = np.array([denies(text), bool(re.search(r"\d", text))], np.float32)
    return np.concatenate([vector - mean, FLAG_WEIGHT * flags])


def denies(text: str) -> bool:
    said = {word.lower().replace("’", "'") for word in words_of(text)}
    denials = closed_class("negation") | closed_class("omission")
    return bool(said & denials) or any(word in text for word in denials if ord(word[0]) >= 0x3000)


def _told(clause: str) -> tuple[tuple[Wish, float], ...]:
    """(wish, probability)."""
    weights = _weights()
    scores = weights["weights"] @ features(clause, clause_vector(clause), weights["mean"]) + weights["bias"]
    likely = np.exp(scores - scores.max())
    shares = zip(weights["classes"].tolist(), (likely / likely.sum()).tolist(), strict=True)
    return tuple((cast(Wish, wish), share) for wish, share in shares if wish != NONE)


@lru_cache(maxsize=1)
def _weights() -> dict[str, np.ndarray]:
    with np.load(WEIGHTS, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}
