"""How an extractive answer is put into words: what instructions ask of its form, and a sentence for each point."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ray_jobs.engines.embedded.titles import shortened
from services.core.media import clock

if TYPE_CHECKING:
    from ray_jobs.engines.embedded.generator import Point

MAX_QUOTE = 320
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_COUNT = re.compile(
    r"\b(\d{1,2}|one|two|three|four|five|six|seven|eight)\s+(?:\w+\s+)?(?:bullet\s*)?(?:points?|sentences?|items?|bullets)\b",
    re.I,
)


@dataclass(frozen=True)
class Style:
    """What the embedded engine honours of instructions: bullets, a number of points, brevity, no timestamps."""

    bullets: bool = False
    timestamps: bool = True
    max_points: int = 0  # 0: as many as fit the question

    @classmethod
    def read(cls, instructions: str) -> Style:
        count = _COUNT.search(instructions)
        points = 0
        if count:
            word = count.group(1).lower()
            points = _NUMBERS.get(word) or int(word)
        elif re.search(r"\b(brief|briefly|short|concise|one sentence)\b", instructions, re.I):
            points = 2
        return cls(
            bullets=bool(re.search(r"\b(bullets?|bulleted|list)\b", instructions, re.I)),
            timestamps=not re.search(r"\b(no|without|omit|avoid)\s+timestamps?\b", instructions, re.I),
            max_points=max(0, min(points, 50)),
        )

    def write(self, lines: Sequence[str]) -> str:
        if self.bullets:
            return "\n".join(f"- {line}" for line in lines)
        return " ".join(lines)


def phrase(point: Point, several_files: bool, style: Style) -> str:
    """One sentence: where it stands, what it says, and its source."""
    where = f"at {clock(point.start_time)}" if style.timestamps else ""
    if several_files:
        where = f"in {point.filename} {where}".strip()
    text = shortened("; ".join(point.text.split("\n")) if point.kind == "scene_text" else point.text, MAX_QUOTE)
    match point.kind:
        case "speech":
            line = f"{_opening(where, 'the speaker says', 'The speaker says')}: “{text}”"
        case "scene_text":
            line = f"{_opening(where, 'the screen shows', 'The screen shows')}: “{text}”"
        case _:
            line = f"{where[:1].upper()}{where[1:]}: {text.rstrip('.')}" if where else text.rstrip(".")
    return f"{line} [{point.number}]."


def _opening(where: str, middle: str, alone: str) -> str:
    return f"{where[:1].upper()}{where[1:]}, {middle}" if where else alone
