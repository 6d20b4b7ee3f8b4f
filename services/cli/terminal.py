"""Shows text of users and videos on a terminal: what would steer it is shown as an escape."""

from __future__ import annotations

import re

# Control characters of C0 and C1 without tab and line feed, lone surrogates, and what turns the direction of text or hides.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)


def visible(text: str) -> str:
    """ESC reads \\x1b, a right-to-left override \\u202e; lines and tabs stay."""
    return _STEERING.sub(lambda match: _escape(match[0]), text)


def visible_line(text: str) -> str:
    """`visible` in one line, as for a name."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
