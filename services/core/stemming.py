"""What the forms of an English word share."""

from __future__ import annotations

import re


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
