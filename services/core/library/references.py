"""References to files, as requests give them: an id, or cloudglue://files/ID."""

from __future__ import annotations

from services.core.errors import ArcusError, Reason, invalid

FETCHES_NO_URLS = "This server does not fetch URLs: upload the file, then give its id or cloudglue://files/ID."


def file_id_of(reference: str, *, field: str = "url") -> str:
    """The id in a file reference: an id itself or cloudglue://files/ID. Raises INVALID_ARGUMENT."""
    id = reference.removeprefix("cloudglue://files/")
    if "://" in id and not reference.startswith("cloudglue://"):
        raise invalid(FETCHES_NO_URLS, field=field)
    if not id or "/" in id or len(id) > 64:
        raise ArcusError(
            Reason.INVALID_ARGUMENT,
            f"Not a file id or cloudglue://files/… URI: {reference[:100]!r}",
            field=field,
        )
    return id
