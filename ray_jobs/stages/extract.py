"""What extraction is given and what it yields: the contract of every engine that extracts entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.core.library.descriptions import DescribedSegment
from services.core.library.entities import ValueSource

PassageKind = Literal["speech", "scene_text", "visual"]


@dataclass(frozen=True)
class Passage:
    """Something said, shown or seen. A block of text on the screen keeps its lines."""

    kind: PassageKind
    text: str
    start_time: float
    end_time: float


@dataclass(frozen=True)
class ExtractRequest:
    """`schema` is a JSON Schema that entity_schemas accepted: what a guided decoder is guided by."""

    schema: dict[str, Any]
    prompt: str
    passages: tuple[Passage, ...]
    tenant_id: str = ""


@dataclass(frozen=True)
class Extracted:
    """A record that fits the schema, or None where the passages support none; and where its values were found."""

    entities: dict[str, Any] | None
    sources: tuple[ValueSource, ...] = ()


def passages(described: Sequence[DescribedSegment], *, is_transcript_only: bool) -> tuple[Passage, ...]:
    """What is known of some segments, in order of time."""
    found: list[Passage] = []
    for item in described:
        content = item.content
        found += [Passage("speech", part.text, part.start_time, part.end_time) for part in content.speech]
        if not is_transcript_only:
            for kind, parts in (("scene_text", content.scene_text), ("visual", content.visual_scene_description)):
                found += [Passage(kind, part.text, part.start_time, part.end_time) for part in parts]  # type: ignore[arg-type]
    return tuple(sorted(found, key=lambda passage: passage.start_time))
