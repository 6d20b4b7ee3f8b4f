"""Makes what a video says inert where it is quoted: it forges no citation, shows no picture, makes no link, holds no tag."""

from __future__ import annotations

import re

# Square brackets that `services.nimbus.answers.citations` would take for a marker, digits of every script among them.
_MARK = re.compile(r"\[([\d,; ]{1,40})\]")
_LINK = re.compile(r"\](?=[(\[])")  # [text](address), ![text](address) and [text][name] of Markdown
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
# Cc without tab and line feed, and what turns the direction of text or hides in it.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def unmarked(text: str) -> str:
    """Without markers, links and pictures: "[3]" reads "(3)", and what a link is made of comes apart."""
    return _LINK.sub("] ", _MARK.sub(r"(\1)", _HIDDEN.sub("", text)))


def unlinked(text: str) -> str:
    """In one line, without links, pictures and tags: "<b>" reads "‹b>", which no page takes for a tag."""
    return _TAG.sub("‹", _LINK.sub("] ", _HIDDEN.sub("", " ".join(text.split()))))


def inert(text: str) -> str:
    """Without what either takes away; lines stay."""
    return _TAG.sub("‹", unmarked(text))
