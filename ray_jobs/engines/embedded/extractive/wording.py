"""How an extractive answer is put into words: a sentence for each point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ray_jobs.engines.embedded.titles import shortened
from services.core.media import said_by, timecode

if TYPE_CHECKING:
    from ray_jobs.engines.embedded.extractive.evidence import Point
    from ray_jobs.engines.embedded.extractive.style import Style

MAX_QUOTE = 320


def phrase(point: Point, several_files: bool, style: Style) -> str:
    """One sentence: where it stands, what it says, and its source."""
    where = place(point, several_files, style)
    speaker, text = said_by(point.text) if point.kind == "speech" else ("", point.text)
    text = shortened("; ".join(text.split("\n")) if point.kind == "scene_text" else text, MAX_QUOTE)
    match point.kind:
        case "speech":
            who = speaker or "the speaker"
            line = f"{_opening(where, f'{who} says', f'{who[:1].upper()}{who[1:]} says')}: “{text}”"
        case "scene_text":
            line = f"{_opening(where, 'the screen shows', 'The screen shows')}: “{text}”"
        case _:
            line = f"{where[:1].upper()}{where[1:]}: {text.rstrip('.')}" if where else text.rstrip(".")
    return f"{line} [{point.number}]."


def place(point: Point, several_files: bool, style: Style) -> str:
    """Where a point stands: "in talk.mp4 at 01:15"."""
    where = f"at {timecode(point.start_time)}" if style.timestamps else ""
    return f"in {point.filename} {where}".strip() if several_files else where


def _opening(where: str, middle: str, alone: str) -> str:
    return f"{where[:1].upper()}{where[1:]}, {middle}" if where else alone
