"""Tells the form of a question in any of seven languages, by its vector.

The weights are a logistic regression over vectors of example questions; `training/forms.py` makes them and says how many
unseen phrasings it tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np

from ray_jobs.engines.embedded import multilingual
from ray_jobs.engines.embedded.extractive.question import Form, Question
from ray_jobs.engines.embedded.extractive.slots.calls import asks_for_whole

WEIGHTS = Path(__file__).with_name("forms.npz")
MAX_CHARACTERS = 400  # that are read of a question
# Probability of a form below which a question is taken as an open one: of unseen phrasings about unseen topics, half of those
# that are told with less are of another form than the likeliest.
LEAST = 0.35
WHOLE = 0.3  # probability from which the whole is told: a part of it seldom serves whoever wanted all
NEARLY = 0.8  # of the probability of the likeliest form, that the whole needs besides
# Probability that a question asks for whole videos, of a second and a third opinion: below, a question with the likeliest form
# "whole" is of another, and above, one of another that is told with less than SURE_FORM is for the whole. Of 514 requests of
# collections that nothing was learned from, 0.78 are told so, and 0.09 of 252 questions that sound alike; by the
# second alone, 0.72 and 0.08.
MAY_BE_ENTIRE, SURE_ENTIRE, SURE_FORM = 0.3, 0.6, 0.7
_OF_FILES = ("which_file", "catalog")  # forms that ask which videos, not what they tell
MAY_SAY_WHICH = 0.3  # probability from which a request for what is shown may say on what
SURE_SHOWN = 0.8  # probability from which it is asked what something that is seen says
SURE_MEASURE = 0.5  # probability of a measure below which a number of any will do
LANGUAGES = ("en", "de", "fr", "es", "pt", "zh", "ja")  # of the examples, and of replies
_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u3400-\u9fff]")


def question_vectors(texts: Sequence[str]) -> np.ndarray:
    """float32 [len(texts), 384] of unit length."""
    return multilingual.MultilingualEmbedder().embed([text[:MAX_CHARACTERS] for text in texts], queries=True)


def read(text: str) -> Question:
    """The question with its form and language. Raises ENGINE_UNAVAILABLE where there is no model to tell them by."""
    asked = " ".join(text.split())[:MAX_CHARACTERS]
    if not asked:
        return Question(text)
    vector = multilingual.query_vector(asked) - _weights()["mean"]
    likely = _told(vector, "forms")
    entire = _told(vector, "entire")["True"]
    if is_open(likely):  # its tokens are read for that
        entire = agreed(entire, asks_for_whole(asked))
    form = taken(likely, entire)
    languages, leaning = _told(vector, "languages"), _told(vector, "leaning")
    language = language_by_script(asked) or max(languages, key=languages.__getitem__)
    return Question(text, form, language, likely[form], leaning["True"] > leaning["False"])


def agreed(one: float, other: float) -> float:
    """The probability that two opinions come to: the mean of their log-odds."""
    odds = [np.log(each) - np.log1p(-each) for each in np.clip([one, other], 1e-6, 1 - 1e-6)]
    return float(1 / (1 + np.exp(-np.mean(odds))))


def taken(likely: Mapping[str, float], entire: float) -> Form:
    """The form that a question is answered by, of the probability of each, and of that it asks for whole videos at all."""
    best = max(likely, key=likely.__getitem__)
    if entire > SURE_ENTIRE and _is_unsure(likely, best):
        return "whole"
    if _is_nearly_whole(likely, best):
        if entire > MAY_BE_ENTIRE:
            return "whole"
        best = max((form for form in likely if form != "whole"), key=likely.__getitem__)
    return cast(Form, best) if likely[best] >= LEAST else "what"


def is_open(likely: Mapping[str, float]) -> bool:
    """Whether the form depends on whether whole videos are asked for."""
    best = max(likely, key=likely.__getitem__)
    return _is_unsure(likely, best) or _is_nearly_whole(likely, best)


def _is_unsure(likely: Mapping[str, float], best: str) -> bool:
    return likely[best] < SURE_FORM and best not in _OF_FILES


def _is_nearly_whole(likely: Mapping[str, float], best: str) -> bool:
    return likely["whole"] >= max(WHOLE, likely["which_file"], NEARLY * likely[best])


def wanted_measure(text: str, least: float = SURE_MEASURE) -> str:
    """What a question that asks for a number wants measured, as facts.MEASURES calls it, or "count"; "" where that is less
    probable than `least`, so that any will do."""
    likely = _told(_vector(text, "mean"), "measures")
    best = max(likely, key=likely.__getitem__)
    return best if likely[best] >= least else ""


def says_which(text: str, least: float = 0.5) -> bool:
    """Whether a request about whole videos, or for what is shown, says which it means, as "the video about pruning" does."""
    return _is(text, "topical", least)


def says_several(text: str) -> bool:
    """Whether a request that says which videos it means, means more than one, as "the talks about pruning" does."""
    return _is(text, "several")


def topic_vector(question: Question) -> np.ndarray:
    """float32 [384]: what a request about whole videos has beyond any such request in its language: which videos it means."""
    return _vector(question.text, f"plain_{question.language}")


def asked_to_read(text: str) -> str:
    """ "figures" where it is asked what a chart or a table shows, "lettering" where it is what a sign or a slide says, by
    itself or on a topic; else ""."""
    likely = _told(_vector(text, "mean"), "shown")
    best = max(likely, key=likely.__getitem__)
    return best if best != "neither" and likely[best] >= SURE_SHOWN else ""


def asks_for_mention(text: str) -> bool:
    """Whether a question for yes or no asks if something is said or shown at all, as "is garlic mentioned?" does."""
    return _is(text, "mentions")


def _vector(text: str, less: str) -> np.ndarray:
    """float32 [384]: of a question, less the one of that name that many have in common."""
    return multilingual.query_vector(" ".join(text.split())[:MAX_CHARACTERS]) - _weights()[less]


def _is(text: str, what: str, least: float = 0.5) -> bool:
    likely = _told(_vector(text, "mean"), what)
    return likely["True"] > least


@lru_cache(maxsize=1)
def _weights() -> dict[str, np.ndarray]:
    with np.load(WEIGHTS, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def _told(vector: np.ndarray, what: str) -> dict[str, float]:
    """The probability of each class."""
    weights = _weights()
    scores = weights[f"{what}_weights"] @ vector + weights[f"{what}_bias"]
    likelihood = np.exp(scores - scores.max())
    return dict(zip(map(str, weights[what]), map(float, likelihood / likelihood.sum()), strict=True))


def language_by_script(text: str) -> str:
    """Japanese and Chinese are known by their letters; "" for the others."""
    if _KANA.search(text):
        return "ja"
    return "zh" if _HAN.search(text) else ""
