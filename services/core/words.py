"""Words that say what a text is about, for full-text search and for telling whether a passage speaks to a question."""

from __future__ import annotations

from services.core.search.tokens import index_tokens, is_unspaced, joined, phrase_tokens, terms
from services.core.stemming import stem

__all__ = ["STOP_WORDS", "Held", "content_words", "stem", "stems"]

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


def content_words(text: str) -> list[str]:
    """In order, once each, in lower case, without the words that say nothing.

    Where all say nothing, those written as names inside the sentence count, held together: "What did The Who do?".
    """
    found = [word for token in text.replace("_", " ").split() for word in _words(token)]
    kept = [word for word in dict.fromkeys(found) if word not in STOP_WORDS]
    return kept or _names(text)


def stems(text: str) -> set[str]:
    """Content words by their stems: enough to tell that "tides" is "tide"."""
    return {stem(word) if word.isascii() and " " not in word else word for word in content_words(text)}


class Held:
    """What a passage holds of the words of a question."""

    def __init__(self, text: str) -> None:
        self._tokens = index_tokens(text)
        self._single = set(self._tokens)
        self._written = f" {' '.join(self._tokens)} "

    def __contains__(self, word: str) -> bool:
        tokens = phrase_tokens(word)
        if len(tokens) == 1 and tokens[0] in self._single:
            return True
        # A lone letter of a script without spaces is the beginning of a token; other tokens end where they end.
        ending = "" if is_unspaced(word) else " "
        written = f" {' '.join(tokens)}{ending}"
        return (bool(tokens) and written in self._written) or (joined(word) or "\0") in self._single

    def share(self, wanted: set[str]) -> float:
        """The share of the words that is held, in [0, 1]."""
        return sum(word in self for word in wanted) / len(wanted) if wanted else 0.0


def _words(token: str) -> list[str]:
    """An English word with its apostrophe is one word, that what it says nothing is known by."""
    bare = token.strip(".,;:!?\"'()[]{}<>…“”‘’«»¿¡*").lower().replace("’", "'")
    if bare in STOP_WORDS:
        return [bare]
    return (
        [bare.removesuffix("'s")]
        if bare.removesuffix("'s").isascii() and bare.removesuffix("'s").isalpha()
        else terms(token)
    )


def _names(text: str) -> list[str]:
    words = text.split()
    runs: list[list[str]] = [[]]
    for place, word in enumerate(words):
        if place and word[:1].isupper() and word.lower() != "i":
            runs[-1].append(" ".join(phrase_tokens(word)))
        else:
            runs.append([])
    return list(dict.fromkeys(" ".join(run) for run in runs if any(run)))
