"""The entities of a file as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.core.library.entities import FileEntities


def entities_data(found: FileEntities, pictures: Mapping[str, str]) -> dict[str, Any]:
    """`pictures`: links to thumbnails by segment id, empty when they were not asked for."""
    return {
        "entities": found.entities or {},
        "segment_entities": [
            {
                "start_time": part.start_time,
                "end_time": part.end_time,
                "entities": part.entities,
                **({"thumbnail_url": pictures[part.segment_id]} if part.segment_id in pictures else {}),
            }
            for part in found.segments
        ],
    }
