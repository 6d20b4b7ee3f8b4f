"""What of a description can be found: its pieces for the vector index and its words for full-text search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.core.media import SegmentDescription, Span, attributed

MAX_PIECES = 96
MAX_CHARACTERS = 1_000  # MiniLM reads 256 word pieces, about this many characters
MIN_LINE_WORDS = 2


@dataclass(frozen=True)
class Piece:
    """`text` is what is embedded; `quoted`, what is kept with it, names the speaker as well."""

    kind: str
    text: str
    start_time: float
    end_time: float
    speaker: str = ""

    @property
    def quoted(self) -> str:
        return attributed(self.speaker, self.text)


def pieces(content: SegmentDescription, span: Span) -> list[Piece]:
    """Everything that gets a vector of its own, with its time; at most MAX_PIECES, the most telling first.

    Each utterance and block of on-screen text, all that is said as one, the picture, and each line on the screen: a
    question about one line of a slide is like that line, not like the whole slide.
    """
    found = [piece for piece in _pieces(content, span) if piece.text.strip()]
    unique = {(piece.kind, piece.speaker, piece.text): piece for piece in reversed(found)}
    return list(reversed(unique.values()))[:MAX_PIECES]


def _pieces(content: SegmentDescription, span: Span) -> Iterator[Piece]:
    for item in content.speech:
        yield Piece("speech", item.text[:MAX_CHARACTERS], item.start_time, item.end_time, item.speaker)
    for block in content.scene_text:
        yield Piece("scene_text", block.text[:MAX_CHARACTERS], block.start_time, block.end_time)
    for kind, parts in (
        ("visual_scene_description", content.visual_scene_description),
        ("audio_description", content.audio_description),
    ):
        text = " ".join(part.text for part in parts)
        if text:
            yield Piece(kind, text[:MAX_CHARACTERS], parts[0].start_time, parts[-1].end_time)
    said = " ".join(item.text for item in content.speech)
    shown = ". ".join(line for block in content.scene_text[:1] for line in block.text.split("\n")[:1])
    if said or shown:
        yield Piece("summary", f"{shown}. {said}".strip(". ")[:MAX_CHARACTERS], span.start_time, span.end_time)
    for block in content.scene_text:
        for line in block.text.split("\n"):
            if len(line.split()) >= MIN_LINE_WORDS:
                yield Piece("scene_text", line[:MAX_CHARACTERS], block.start_time, block.end_time)


def full_text(content: SegmentDescription) -> str:
    """Everything said, shown and described, for full-text search."""
    parts = [content.title]
    for group in (content.speech, content.scene_text, content.visual_scene_description, content.audio_description):
        parts += [item.text for item in group]
    return "\n".join(part for part in parts if part)
