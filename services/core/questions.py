"""What can be told of a question by its words alone."""

from __future__ import annotations

import re

_BROAD = re.compile(
    r"\b(summar\w+|overview|key (?:topics|points|ideas)|main (?:topics|points|ideas|themes)|topics|themes|"
    r"what (?:is|are) (?:this|these|the) (?:video|clip|lecture)s? about|what happens|in common|each video|all videos)\b",
    re.I,
)


def is_broad(question: str) -> bool:
    """Whether the question asks for the whole of the videos rather than for a fact in them."""
    return _BROAD.search(question) is not None
