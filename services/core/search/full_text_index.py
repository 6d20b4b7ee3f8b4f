"""Writes what full-text search reads of a described segment: plain tokens, the same in both databases.

On SQLite each tenant's words are a table of their own: what a search reads is then the tenant's alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from services.core.search.tokens import index_tokens

_POSTGRES = text(
    "UPDATE segment_descriptions SET text_vector = CAST(:text AS tsvector), text_vector_speech = CAST(:speech AS tsvector), "
    "text_vector_scene_text = CAST(:scene_text AS tsvector) WHERE id = :id"
)


def words_table(tenant_id: str) -> str:
    """The name of a tenant's table on SQLite: it needs no quotes, whatever the id is made of."""
    return f"segment_words_{sha256(tenant_id.encode()).hexdigest()[:32]}"


def has_words_table(connection: Connection, tenant_id: str) -> bool:
    """Of SQLite."""
    found = text("SELECT 1 FROM sqlite_schema WHERE name = :name")
    return connection.execute(found, {"name": words_table(tenant_id)}).first() is not None


def make_words_table(connection: Connection, tenant_id: str) -> str:
    """On SQLite, where there is none yet. Of this tokenizer all that is not ASCII is part of a token: spaces alone end one."""
    table = words_table(tenant_id)
    connection.exec_driver_sql(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {table} USING fts5(text, speech, scene_text, tokenize='ascii')"
    )
    return table


def drop_words_table(connection: Connection, tenant_id: str) -> None:
    """PostgreSQL has none."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {words_table(tenant_id)}")


def index_segment(connection: Connection, id: int, tenant_id: str, written: str, content: Mapping[str, Any]) -> None:
    """id: of the row of segment_descriptions; content: a SegmentDescription as JSON."""
    parts = {"text": written, **{name: _said(content, name) for name in ("speech", "scene_text")}}
    is_sqlite = connection.dialect.name == "sqlite"
    write = " ".join if is_sqlite else _vector
    values = {name: write(index_tokens(part)) for name, part in parts.items()}
    statement = _POSTGRES
    if is_sqlite:
        table = make_words_table(connection, tenant_id)
        columns = "rowid, text, speech, scene_text"
        statement = text(f"INSERT INTO {table}({columns}) VALUES (:id, :text, :speech, :scene_text)")
    connection.execute(statement, {"id": id, **values})


def forget_segments(connection: Connection, tenant_id: str, ids: Sequence[int]) -> None:
    """ids: of rows of segment_descriptions that are deleted. PostgreSQL keeps their words in the rows themselves."""
    if ids and connection.dialect.name == "sqlite" and has_words_table(connection, tenant_id):
        connection.execute(text(f"DELETE FROM {words_table(tenant_id)} WHERE rowid = :id"), [{"id": id} for id in ids])


def unindexed(connection: Connection) -> list[tuple[str, int]]:
    """(description, how many of its segments no search by words finds). Reads whole tables."""
    counted = "SELECT description_id, count(*) FROM segment_descriptions WHERE {which} GROUP BY description_id"
    if connection.dialect.name != "sqlite":
        return [tuple(row) for row in connection.exec_driver_sql(counted.format(which="text_vector IS NULL"))]
    found: list[tuple[str, int]] = []
    for (tenant_id,) in connection.exec_driver_sql("SELECT DISTINCT tenant_id FROM segment_descriptions").all():
        which = "tenant_id = :tenant_id"
        if has_words_table(connection, tenant_id):
            which += (
                f" AND id NOT IN (SELECT id FROM {words_table(tenant_id)}_docsize)"  # a row for each that FTS5 holds
            )
        rows = connection.execute(text(counted.format(which=which)), {"tenant_id": tenant_id})
        found += [tuple(row) for row in rows]
    return found


def _said(content: Mapping[str, Any], part: str) -> str:
    return "\n".join(item.get("text") or "" for item in content.get(part) or ())


def _vector(tokens: list[str]) -> str:
    """As PostgreSQL writes a tsvector. Tokens hold letters and digits only."""
    return " ".join(f"'{token}':{place}" for place, token in enumerate(tokens, 1))
