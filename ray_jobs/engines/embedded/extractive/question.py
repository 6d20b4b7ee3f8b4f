"""What a question asks for: its form, and the language it is put in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Form = Literal[
    "whole",  # the videos as a whole
    "each",  # every video by itself
    "moment",  # when in a video
    "which_file",
    "list",  # everything that there is on something
    "compare",
    "catalog",  # what is known of the files: how many, how long, with speech
    "who",
    "number",
    "when",  # a date
    "where",  # a place
    "yes_no",
    "what",  # anything else
]


_KEYCAP = re.compile("[0-9#*]\ufe0f?\u20e3")  # a sign that is written with a digit


@dataclass(frozen=True)
class Question:
    """`text` reads without the conversation before it. `probability`: of the form, in [0, 1]."""

    text: str
    form: Form = "what"
    language: str = "en"
    probability: float = 1.0
    leans: bool = False  # on what was said before it


def is_wordless(text: str) -> bool:
    """Whether a question has neither letter nor digit: it is signs alone, and asks for nothing."""
    return not any(map(str.isalnum, _KEYCAP.sub("", text)))


def signs(text: str) -> frozenset[str]:
    """The emoji and other pictographs of a text, without what only joins or colours them."""
    return frozenset(_KEYCAP.findall(text)) | {sign for sign in text if unicodedata.category(sign) == "So"}
