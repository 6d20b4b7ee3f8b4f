"""Makes text of what a model wrote: no control characters, no halves of characters, no runs of whitespace."""

from __future__ import annotations

import re
from typing import Any

# Cc without tab and line feed, lone surrogates, noncharacters, the replacement character and byte order marks.
_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\ufffd\ufeff]")
_SPACE = re.compile(r"\s+")


def without_controls(text: str) -> str:
    """Text as it streams: every space and line stays."""
    return _BAD.sub("", text) if _BAD.search(text) else text


def cleaned(text: str) -> str:
    """One paragraph."""
    return _SPACE.sub(" ", _BAD.sub(" ", text)).strip()


def cleaned_values(value: Any) -> Any:
    """The JSON value with every string in it cleaned; names of properties stay."""
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, list):
        return [cleaned_values(item) for item in value]
    if isinstance(value, dict):
        return {name: cleaned_values(item) for name, item in value.items()}
    return value
