"""What can be told of a question by its words alone."""

from __future__ import annotations

import re

from services.core.words import content_words

_WHOLE = re.compile(
    r"\b(summar\w+|overview|key (?:topics|points|ideas)|main (?:topics|points|ideas|themes)|topics|themes|"
    r"what (?:is|are) (?:this|these|the|each|every) (?:video|clip|lecture|recording)s? about|what happens|in common)\b",
    re.I,
)
_EVERY = re.compile(r"\b(?:each|every|all)(?: of)?(?: the)? (?:video|clip|file|recording|lecture)s?\b", re.I)
_ASKING = frozenset("list name tell give please provide find write".split())


def is_broad(question: str) -> bool:
    """Whether the question asks for the whole of the videos rather than for a fact in them."""
    if _WHOLE.search(question):
        return True
    # "Tell me of each video" wants all of it; "list what each video says of the moon" wants the moon.
    return _EVERY.search(question) is not None and not set(content_words(_EVERY.sub(" ", question))) - _ASKING
