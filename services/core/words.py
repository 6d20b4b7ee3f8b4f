"""Words that say what a text is about, for full-text search and for telling whether a passage speaks to a question."""

from __future__ import annotations

import re

# Words that say nothing of what is asked: function words, and how questions about videos are put.
STOP_WORDS = frozenset(
    """a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing down during each few for from further had has have having he her here hers him his how i
    if in into is it its itself just like many me more most much my no nor not now of off on once one only or other our
    out over own please same she should so some such tell than that the their them then there these they this those
    through to too under until up very was we were what when where which while who whom why will with would you your
    video videos clip clips file files lecture speaker say says said talk talks show shows shown mention mentions
    mentioned discuss discussed describe explain give""".split()
)
_WORD = re.compile(r"[\w']+")


def content_words(text: str) -> list[str]:
    """In order, once each, in lower case, without the words that say nothing."""
    words = (word.strip("'_").lower() for word in _WORD.findall(text))
    return list(dict.fromkeys(word for word in words if word and word not in STOP_WORDS))


def stems(text: str) -> set[str]:
    """Content words by their stems: enough to tell that "tides" is "tide"."""
    return {stem(word) for word in content_words(text)}


def stem(word: str) -> str:
    """What a word, its plural, and its -ing and -ed forms share: tide and tides, price and pricing, open and opened."""
    word = re.sub(r"['’]s$", "", word.lower())
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 5 and word.endswith(("ing", "ed")):
        word = word[: -3 if word.endswith("ing") else -2]
        if word[-1] == word[-2] and word[-1] not in "lsz":  # planned, running
            word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word
