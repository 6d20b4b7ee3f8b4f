"""Pictures that a question shows: read from the parts of its messages, kept as they were sent."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from services.core.errors import invalid

MAX_PICTURES = 16  # of one request
DETAILS = ("auto", "low", "high")
PREFIX = "data:"
STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


def is_picture(part: Any) -> bool:
    """As responses have it (input_image), and as chat completions do (image_url)."""
    return isinstance(part, dict) and part.get("type") in ("input_image", "image_url")


def read_picture(part: dict[str, Any], field: str) -> bytes:
    """The file behind the part's data URL. Raises INVALID_ARGUMENT that names the field."""
    field = f"{field}.image_url"
    url, holder = part.get("image_url"), part
    if isinstance(url, dict):
        field, holder = f"{field}.url", url
        url = url.get("url")
    if holder.get("detail") not in (None, *DETAILS):
        raise invalid(f"{field}: detail must be one of: {', '.join(DETAILS)}", field=field)
    if not isinstance(url, str) or not url.startswith(PREFIX):
        raise invalid(
            f"{field} must hold the picture itself, as data:image/png;base64,…: this server fetches nothing from other "
            "addresses; what is uploaded is named in knowledge_base",
            field=field,
        )
    head, _, text = url[len(PREFIX) :].partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError
        picture = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"{field} is no data URL in base64: write data:image/png;base64,…", field=field) from error
    if not picture.startswith(STARTS) and not (picture[:4] == b"RIFF" and picture[8:12] == b"WEBP"):
        raise invalid(f"{field} is neither PNG, JPEG, WebP nor GIF", field=field)
    return picture
