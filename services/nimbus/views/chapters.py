"""The chapters of a file: those that its container marks, else runs of segments about one thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.core.library.descriptions import DescribedSegment
from services.core.media import Chapter

Json = dict[str, Any]


def chapters_of(marks: Sequence[Chapter], segments: Sequence[DescribedSegment]) -> list[Json]:
    """In order of time, none overlapping the next. Segments without a title belong to the chapter before them."""
    if marks:
        return [_chapter(mark.title or f"Chapter {number}", mark) for number, mark in enumerate(marks, 1)]
    found: list[Json] = []
    for item in segments:
        title = item.content.title
        if found and title.casefold() in ("", found[-1]["description"].casefold()):
            found[-1]["end_time"] = max(found[-1]["end_time"], item.segment.end_time)
        elif title:
            if found:
                found[-1]["end_time"] = min(found[-1]["end_time"], item.segment.start_time)
            found.append(_chapter(title, item.segment))
    return found


def _chapter(description: str, span: Any) -> Json:
    return {"start_time": span.start_time, "end_time": span.end_time, "description": description}
