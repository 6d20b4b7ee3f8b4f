"""What users keep with a file, a response or a chat as JSON."""

from __future__ import annotations

from typing import Any

from services.core.store.plain_json import check_plain

MAX_METADATA_CHARACTERS = 65_536


def check_metadata(value: dict[str, Any] | None) -> None:
    """Raises INVALID_ARGUMENT for what no database keeps, or too much of it."""
    check_plain(value, "metadata", MAX_METADATA_CHARACTERS)
