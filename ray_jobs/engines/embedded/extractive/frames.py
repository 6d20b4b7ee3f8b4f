"""The words of the engine's own in a reply, in the language of the question; what it quotes stays in its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from services.core.media import timecode

_PATH = Path(__file__).with_name("frames.json")


@dataclass(frozen=True)
class Frames:
    """The sentences of one language, by name."""

    templates: dict[str, str]

    def say(self, name: str, **values: Any) -> str:
        """The sentence with its values, and without what would stand behind an empty place."""
        return re.sub(r"^[\s:：、，]+", "", self.templates[name].format(**values))

    def quote(self, text: str) -> str:
        return self.templates["quote"].format(text=text)

    def listed(self, items: Sequence[str]) -> str:
        """ "a, b and c"."""
        if len(items) < 2:
            return "".join(items)
        return self.templates["and"].format(first=self.templates["comma"].join(items[:-1]), last=items[-1])

    def place(self, filename: str = "", start_time: float | None = None, end_time: float | None = None) -> str:
        """Where something stands: "in talk.mp4 at 01:15–01:20"; of both that which is given. Seconds."""
        if start_time is None:
            return self.templates["in"].format(file=filename) if filename else ""
        time = timecode(start_time)
        if end_time is not None and timecode(end_time) != time and end_time > start_time:
            time += f"–{timecode(end_time)}"
        return self.templates["in_at" if filename else "at"].format(file=filename, time=time)


@lru_cache
def frames(language: str) -> Frames:
    """Of a language that has none: the English ones."""
    every: dict[str, dict[str, str]] = json.loads(_PATH.read_text(encoding="utf-8"))
    return Frames(every.get(language, every["en"]))
