"""Writes what full-text search reads of a described segment: plain tokens, the same in both databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from services.core.search.tokens import index_tokens

_SQLITE = (
    text("INSERT INTO segment_text(rowid, text) VALUES (:id, :text)"),
    text("INSERT INTO segment_words(rowid, speech, scene_text) VALUES (:id, :speech, :scene_text)"),
)
_POSTGRES = (
    text(
        "UPDATE segment_descriptions SET text_vector = CAST(:text AS tsvector), text_vector_speech = CAST(:speech AS tsvector), "
        "text_vector_scene_text = CAST(:scene_text AS tsvector) WHERE id = :id"
    ),
)


def index_segment(connection: Connection, id: int, written: str, content: Mapping[str, Any]) -> None:
    """id: of the row of segment_descriptions; content: a SegmentDescription as JSON."""
    parts = {
        "text": written,
        **{
            name: "\n".join(item.get("text") or "" for item in content.get(name) or ())
            for name in ("speech", "scene_text")
        },
    }
    is_sqlite = connection.dialect.name == "sqlite"
    write = " ".join if is_sqlite else _vector
    values = {name: write(index_tokens(part)) for name, part in parts.items()}
    for statement in _SQLITE if is_sqlite else _POSTGRES:
        connection.execute(statement, {"id": id, **values})


def _vector(tokens: list[str]) -> str:
    """As PostgreSQL writes a tsvector. Tokens hold letters and digits only."""
    return " ".join(f"'{token}':{place}" for place, token in enumerate(tokens, 1))
