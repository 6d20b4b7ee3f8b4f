"""JSON of users' own shape: what every database, and a protobuf Struct, can hold; and not too much of it."""

from __future__ import annotations

import json
from typing import Any

from services.core.errors import invalid

MAX_LEVELS = 30  # protobuf reads 100 nested messages, of which each level takes three
MAX_BODY_BYTES = 512 * 1024  # of a request that asks no question: metadata with every character escaped fits
MAX_VALUES = 50_000  # of a request; what each costs to read is far more than its bytes
MAX_METADATA_CHARACTERS = 65_536
MAX_DIGITS = 300  # what a double can hold


def check_plain(value: Any, field: str, max_characters: int) -> None:
    """Raises INVALID_ARGUMENT for NaN, NUL characters, broken Unicode, too many levels, or too much of it."""
    check_levels(value, field)
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
        json.loads(text, parse_int=_bounded_integer)
    except ValueError as error:
        raise invalid(f"{field} must be plain JSON: {error}", field=field) from error
    if "\\u0000" in text:
        raise invalid(f"{field} must not hold NUL characters (\\u0000)", field=field)
    if len(text) > max_characters:
        raise invalid(f"{field} has at most {max_characters} characters of JSON", field=field)


def check_metadata(value: dict[str, Any] | None) -> None:
    """Of what users keep with a file, a response or a chat. Raises INVALID_ARGUMENT for what no database keeps, or too much."""
    check_plain(value, "metadata", MAX_METADATA_CHARACTERS)


def check_levels(value: Any, field: str) -> None:
    """Raises INVALID_ARGUMENT for what is nested deeper than MAX_LEVELS."""
    if not has_levels(value, MAX_LEVELS):
        raise invalid(f"{field} is nested deeper than {MAX_LEVELS} levels", field=field)


def has_levels(value: Any, most: int) -> bool:
    """Whether objects and arrays are nested in at most so many levels."""
    if not isinstance(value, dict | list):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return most > 0 and all(has_levels(part, most - 1) for part in parts)


def _bounded_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)
