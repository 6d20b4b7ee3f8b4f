"""Titles and summaries made of what was read, heard and seen; nothing is added."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from services.core.media import SegmentDescription, Speech, TimedText

TITLE_CHARACTERS = 80


def segment_title(speech: Sequence[Speech], scene_text: Sequence[TimedText], kind: str) -> str:
    """The top line on the screen longest, else the first words said, else the kind of picture."""
    for block in sorted(scene_text, key=lambda block: block.start_time - block.end_time):
        for line in block.text.split("\n"):
            if sum(character.isalpha() for character in line) >= 4:
                return shortened(line, TITLE_CHARACTERS)
    if speech:
        return shortened(max(speech, key=lambda item: len(item.text)).text, TITLE_CHARACTERS)
    return kind


def segment_summary(speech: Sequence[Speech], scene_text: Sequence[TimedText], visual: Sequence[TimedText]) -> str:
    """One to three sentences: what is said, what is on the screen, what is seen."""
    parts = []
    if speech:
        parts.append(f"Someone says: “{shortened(max(speech, key=lambda item: len(item.text)).text, 240)}”.")
    if scene_text:
        longest = max(scene_text, key=lambda block: block.end_time - block.start_time)
        parts.append(f"On screen: {shortened('; '.join(longest.text.splitlines()), 240)}.")
    if visual:
        parts.append(visual[0].text)
    return " ".join(parts)


def summarise_file(segments: Sequence[SegmentDescription], filename: str, duration_seconds: float) -> tuple[str, str]:
    """(title, summary) of a file from its segments, in order."""
    title = next((segment.title for segment in segments if segment.title), "") or PurePath(filename).stem
    topics = list(dict.fromkeys(segment.title for segment in segments if segment.title))
    summary = f"{clock(duration_seconds)} of video."
    if topics:
        summary += " It covers: " + "; ".join(topics[:8]) + "."
    return title, summary


def shortened(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    return text[: characters - 1].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} second" + ("" if rest == 1 else "s")
    return f"{minutes} min {rest} s"
