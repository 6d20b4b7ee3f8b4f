"""Sentences of a text in any script, and the one of them that tells what is asked."""

from __future__ import annotations

import re

from ray_jobs.engines.embedded.extractive.languages import language_of, stop_words
from services.core.search.tokens import terms
from services.core.words import Held

# A full stop ends a sentence before a space and what is no small letter; not behind an initial or "Dr.".
_END = re.compile(
    r"[。！？]++[”’」』»)]*+|(?<!\b[A-ZÀ-Þ])(?<!\b[A-ZÀ-Þ][a-z])(?<!\bMrs)(?<!\bProf)(?<![.!?…])[.!?…]++[\"”’»)]*+(?=\s+[^\sa-zà-ÿ])"
)


def sentences(text: str) -> list[str]:
    """In order, each without the space around it; a line of text on a screen is one too."""
    return [line.strip() for line in _END.sub("\\g<0>\n", text).splitlines() if line.strip()]


def content_terms(text: str) -> set[str]:
    """Words of a text that say something, in the text's own language."""
    said = stop_words(language_of(text))
    return {term for term in terms(text) if not said.issuperset(term.split("-"))}


def telling(question: str, passage: str, short: str = "") -> str:
    """The sentence of a passage that holds the short answer, or else most words of the question; the first of those that
    are equal."""
    found = sentences(passage)
    if len(found) < 2:
        return passage.strip()
    wanted = content_terms(question)
    return max(found, key=lambda sentence: (bool(short) and short in sentence, Held(sentence).share(wanted)))
