"""Numbers of command lines, which are refused before anything starts."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def some_seconds(text: str) -> float:
    """More than none, up to a day."""
    return _number(text, "seconds, more than 0 and up to 86400", lambda value: 0 < value <= 86_400)


def count(least: int) -> Callable[[str], int]:
    """A whole number, at least so many."""

    def parsed(text: str) -> int:
        told = f"a whole number, at least {least}"
        return int(_number(text, told, lambda value: value == int(value) and value >= least))

    return parsed


def times_beyond(text: str) -> float:
    """0 for no, or more than 1."""
    return _number(text, "0, or more than 1", lambda value: value == 0 or value > 1)


def _number(text: str, what: str, holds: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not holds(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value
