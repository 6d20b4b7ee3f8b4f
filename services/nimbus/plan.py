"""Plans a question for nimbus-002-preview: sub-questions, and whether each video is to be asked on its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_PARTS = 6

_SPLIT = re.compile(
    r"\?\s+|;\s*|\.\s+(?=[A-Z])|,?\s+and (?=(?:what|when|where|who|why|how|which|is|are|does|do|did)\b)", re.I
)
_COMPARE = re.compile(
    r"\b(?:compare|contrast|difference between|differences between)\b\s*(.+?)\s+(?:and|with|to|versus|vs\.?)\s+(.+)",
    re.I,
)
_BROAD = re.compile(
    r"\b(summar\w+|overview|key (?:topics|points|ideas)|main (?:topics|points|ideas|themes)|topics|themes|"
    r"what (?:is|are) (?:this|these|the) (?:video|clip|lecture)s? about|what happens|in common|each video|all videos)\b",
    re.I,
)


@dataclass(frozen=True)
class Plan:
    """What to look for: each part is searched by itself; `per_file` also searches every video by itself."""

    parts: tuple[str, ...]
    per_file: bool


def is_broad(question: str) -> bool:
    """Whether the question asks for the whole of the videos rather than for a fact in them."""
    return _BROAD.search(question) is not None


def plan_question(question: str) -> Plan:
    """Deterministic, for engines without a language model. At most MAX_PARTS parts."""
    compared = _COMPARE.search(question)
    pieces = [piece.strip(" ?.!") for piece in _SPLIT.split(question)]
    parts = [piece for piece in pieces if len(piece.split()) >= 2]
    if compared:
        parts = [side.strip(" ?.!") for side in compared.groups()]
    if len(parts) < 2:
        parts = [question.strip()]
    return Plan(tuple(dict.fromkeys(parts))[:MAX_PARTS], per_file=is_broad(question) or bool(compared))
