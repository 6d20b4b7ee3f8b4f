"""What of a description can be found: its pieces for the vector index and its words for full-text search."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.media import SegmentDescription, Span

MAX_PIECES = 96
MAX_CHARACTERS = 1_000  # MiniLM reads 256 word pieces


@dataclass(frozen=True)
class Piece:
    kind: str
    text: str
    start_time: float
    end_time: float


def pieces(content: SegmentDescription, span: Span) -> list[Piece]:
    """Each utterance, each block of text on the screen, the picture, the sound and the summary, with their times."""
    found = [Piece("speech", item.text, item.start_time, item.end_time) for item in content.speech]
    found += [Piece("scene_text", item.text, item.start_time, item.end_time) for item in content.scene_text]
    for kind, parts in (
        ("visual_scene_description", content.visual_scene_description),
        ("audio_description", content.audio_description),
    ):
        if parts:
            text = " ".join(part.text for part in parts)
            found.append(Piece(kind, text, parts[0].start_time, parts[-1].end_time))
    if content.summary:
        found.append(Piece("summary", f"{content.title}. {content.summary}", span.start_time, span.end_time))
    found = [
        Piece(item.kind, item.text[:MAX_CHARACTERS], item.start_time, item.end_time) for item in found if item.text
    ]
    return found[:MAX_PIECES]


def full_text(content: SegmentDescription) -> str:
    """Everything said, shown and described, for full-text search."""
    parts = [content.title]
    for group in (content.speech, content.scene_text, content.visual_scene_description, content.audio_description):
        parts += [item.text for item in group]
    return "\n".join(part for part in parts if part)
