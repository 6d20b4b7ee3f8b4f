"""In which language a reply is written, apart from what it quotes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

import py3langid

from loadtests.evaluation.collections import LANGUAGES

LEAST_LETTERS = 8  # of a text whose language can be told; of Chinese and Japanese:
LEAST_SIGNS = 3
CLOSE = 3.0  # between two languages' scores (log-likelihoods): then it may be either
_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|「[^」\n]*」|『[^』\n]*』|`[^`\n]*`')
_NO_WORDS = re.compile(r"\[[\d, ]+\]|[\w.-]+\.(?:mp4|mkv|mov|webm)\b|\d+")


def is_in(language: str, reply: str, quotes: Iterable[str]) -> bool | None:
    """None where there is too little to tell. A reply of nothing but quotes is in their language."""
    for text in (_without(reply, quotes), _NO_WORDS.sub(" ", reply)):
        text = " ".join(text.split())
        letters = sum(unicodedata.category(sign)[0] == "L" for sign in text)
        wide = sum(unicodedata.east_asian_width(sign) == "W" for sign in text)
        if wide >= LEAST_SIGNS or letters >= LEAST_LETTERS:
            scores = dict(_told_apart()(text))
            return scores[language] >= max(scores.values()) - CLOSE
    return None


@cache
def _told_apart() -> Callable[[str], list[tuple[str, float]]]:
    """Its model takes seconds to load, so it is loaded where a reply is judged."""
    py3langid.set_languages(list(LANGUAGES))
    return py3langid.rank


def _without(reply: str, quotes: Iterable[str]) -> str:
    """The reply without names of files, numbers and whatever stands in a quote, as a whole or by its lines and sentences."""
    pieces = {
        piece.strip()
        for quote in quotes
        for piece in (quote, *quote.split("\n"), *re.split(r"(?<=[.!?。！？])\s*", quote))
        if len(piece.strip()) > 2
    }
    for piece in sorted(pieces, key=len, reverse=True):
        reply = re.sub(re.escape(piece), " ", reply, flags=re.IGNORECASE)
    return _NO_WORDS.sub(" ", _QUOTED.sub(" ", reply))
