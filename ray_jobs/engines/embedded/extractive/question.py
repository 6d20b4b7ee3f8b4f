"""What a question asks for: its form, and the language it is put in."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Question:
    """`text` reads without the conversation before it. `probability`: of the form, in [0, 1]."""

    text: str
    form: Form = "what"
    language: str = "en"
    probability: float = 1.0
    leans: bool = False  # on what was said before it
