"""The name of a file as its client meant it, from the Content-Disposition of a part of a form."""

from __future__ import annotations

from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from urllib.parse import unquote_to_bytes

MAX_NAME_CHARACTERS = 4096  # of which a name keeps 255
ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))  # all that the WHATWG's form encoding escapes; never "%" itself


def parameters(disposition: bytes) -> dict[str, str]:
    """Parameters by their names in lower case; of two of one name the first counts. Values are UTF-8, else Latin-1."""
    try:
        text = disposition.decode()
    except UnicodeDecodeError:
        text = disposition.decode("latin-1")
    found: dict[str, str] = {}
    for segment in _segments(text):
        name, equals, value = segment.partition("=")
        if equals:
            found.setdefault(name.strip().lower(), _unquoted(value.strip()))
    return found


def filename_of(given: dict[str, str]) -> str:
    """`filename*` (RFC 5987) before `filename`, which may hold the WHATWG's escapes or be of encoded words (RFC 2047)."""
    name = _extended(given.get("filename*", "")) or _plain(given.get("filename", ""))
    return name.replace("\0", "")


def _plain(value: str) -> str:
    value = value[:MAX_NAME_CHARACTERS]
    if value.startswith("=?") and value.endswith("?="):  # as .NET writes names that are not ASCII
        try:
            pieces = decode_header(value)
            return "".join(
                piece if isinstance(piece, str) else piece.decode(charset or "ascii") for piece, charset in pieces
            )
        except (HeaderParseError, LookupError, ValueError):
            return value
    if value[1:3] == ":\\" or value[:2] == "\\\\":  # a whole path, as old browsers send it
        value = value.rpartition("\\")[2]
    for escape, character in ESCAPES:
        value = value.replace(escape, character)
    return value


def _extended(value: str) -> str:
    """charset'language'percent-encoded; empty where it is none."""
    charset, _, rest = value[: 3 * MAX_NAME_CHARACTERS].partition("'")
    _, quote, encoded = rest.partition("'")
    if not quote:
        return ""
    try:
        return unquote_to_bytes(encoded).decode(charset or "utf-8")
    except (LookupError, ValueError):
        return ""


def _segments(text: str) -> Iterator[str]:
    """What stands between semicolons that are not inside quotes."""
    start, position, quoted = 0, 0, False
    while position < len(text):
        character = text[position]
        if quoted and character == "\\":
            position += 1
        elif character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            yield text[start:position]
            start = position + 1
        position += 1
    yield text[start:]


def _unquoted(value: str) -> str:
    """Only quotes and backslashes are escaped by a backslash: browsers send any other as it is."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    pieces = value[1:-1].split("\\\\")
    return "\\".join(piece.replace('\\"', '"') for piece in pieces)
