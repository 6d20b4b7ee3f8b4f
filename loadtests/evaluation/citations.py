"""Whether a citation holds: its time lies in its file, and its words are in the file's description at that time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("speech", "scene_text", "visual_scene_description", "audio_description")
SLACK_SECONDS = 0.5
COMPARED_CHARACTERS = 200


@dataclass(frozen=True)
class Described:
    """A file as Arcus describes it."""

    duration_seconds: float
    description: Mapping[str, Any]


def quotes(note: Mapping[str, Any]) -> list[str]:
    """What a citation holds of its file."""
    held = [item for kind in KINDS for item in note.get(kind) or ()]
    return [item["text"] if isinstance(item, dict) else str(item) for item in held]


def is_valid(note: Mapping[str, Any], file: Described) -> bool:
    start, end = note["start_time"], note["end_time"]
    if not 0 <= start < end <= file.duration_seconds + SLACK_SECONDS:
        return False
    there = _letters(
        " ".join(
            part["text"]
            for kind in KINDS
            for part in file.description.get(kind) or ()
            if part["start_time"] < end and part["end_time"] >= start
        )
    )
    held = quotes(note)
    return bool(held) and all(_letters(text)[:COMPARED_CHARACTERS] in there for text in held)


def _letters(text: str) -> str:
    """Letters and digits only: spacing and punctuation are typography."""
    return re.sub(r"[\W_]", "", text.casefold())
