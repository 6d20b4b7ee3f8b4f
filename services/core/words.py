"""Words that say what a text is about, for full-text search and for telling whether a passage speaks to a question."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from services.core.search.tokens import folded, index_tokens, is_unspaced, joined, phrase_tokens, terms
from services.core.stemming import stem

__all__ = ["STOP_WORDS", "Held", "content_words", "is_stop_word", "stem", "stems", "unspaced_words"]

_CARRIERS = Path(__file__).with_name("carriers.json")  # by language; training/forms.py makes it

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


def content_words(text: str, language: str = "en") -> list[str]:
    """In order, once each, in lower case, without the words that say nothing in the language (ISO 639-1) of the text.

    Where all say nothing, those written as names inside the sentence count, held together: "What did The Who do?".
    """
    if language in ("zh", "ja"):
        text = " ".join(unspaced_words(text, language))
    found = [word for token in text.replace("_", " ").split() for word in _words(token)]
    kept = [word for word in dict.fromkeys(found) if not is_stop_word(word, language)]
    return kept or (_names(text) if language == "en" else [])


def is_stop_word(word: str, language: str) -> bool:
    """Whether a word says nothing of what is asked, in a language (ISO 639-1)."""
    return folded(word) in _stop_words(language)


def unspaced_words(text: str, language: str) -> list[str]:
    """What stands between the stop words of a text in a language without spaces, in order."""
    return [part for part in _stop_pattern(language).split(text) if any(map(str.isalnum, part))]


@cache
def _stop_words(language: str) -> frozenset[str]:
    """Function words, of the package stopwordsiso, and those that questions about videos are put in; folded."""
    import stopwordsiso

    carriers = json.loads(_CARRIERS.read_text(encoding="utf-8")).get(language, [])
    if language == "en":
        return STOP_WORDS.union(map(folded, carriers))
    listed = stopwordsiso.stopwords(language) if stopwordsiso.has_lang(language) else ()
    return frozenset(map(folded, [*listed, *carriers]))


@cache
def _stop_pattern(language: str) -> re.Pattern[str]:
    """Any stop word, the longest first, or what is neither letter nor digit: no part of it can match in two ways."""
    words = sorted(_stop_words(language), key=lambda word: (-len(word), word))
    return re.compile("|".join([*map(re.escape, words), r"[\W_]"]), re.I)


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
