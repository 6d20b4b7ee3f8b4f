"""What users keep with a file as JSON: what every database can hold, and not too much of it."""

from __future__ import annotations

import json
from typing import Any

from services.core.errors import invalid

MAX_METADATA_CHARACTERS = 65_536
MAX_DIGITS = 300  # what a double can hold


def check_metadata(value: dict[str, Any] | None) -> None:
    """Raises INVALID_ARGUMENT for what no database keeps: NaN, NUL characters, broken Unicode, or too much of it."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
        json.loads(text, parse_int=_bounded_integer)
    except ValueError as error:
        raise invalid(f"metadata must be plain JSON: {error}", field="metadata") from error
    if "\\u0000" in text:
        raise invalid("metadata must not hold NUL characters (\\u0000)", field="metadata")
    if len(text) > MAX_METADATA_CHARACTERS:
        raise invalid(f"metadata has at most {MAX_METADATA_CHARACTERS} characters of JSON", field="metadata")


def _bounded_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)
