"""Full-text search over described segments, within a tenant: FTS5 on SQLite, tsvector on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import bindparam, text
from sqlalchemy.exc import OperationalError

from services.core.search.full_text_index import words_table
from services.core.search.tokens import ends_open, joined, phrase_tokens
from services.core.store.database import Database

MAX_TERMS = 32
PREFIX_CHARACTERS = 5
Part = Literal["all", "speech", "scene_text"]
Distinct = Literal["description", "segment", "file"]

_SQLITE = """
SELECT d.segment_id, m.collection_id, m.file_id, d.description_id, h.score
FROM (SELECT rowid AS id, -bm25({table}) AS score FROM {table} WHERE {table} MATCH :query) h
JOIN segment_descriptions d ON d.id = h.id
JOIN collection_files m ON m.description_id = d.description_id
WHERE m.tenant_id = :tenant_id AND m.collection_id IN :collection_ids
  AND m.file_id NOT IN (SELECT id FROM files WHERE deleted_at IS NOT NULL) {narrowing}
"""
_POSTGRES = """
SELECT d.segment_id, m.collection_id, m.file_id, d.description_id,
       ts_rank_cd(d.{vector}, CAST(:query AS tsquery), 1) AS score
FROM segment_descriptions d
JOIN collection_files m ON m.description_id = d.description_id
WHERE arcus_words(d.{vector}, d.tenant_id) @@ CAST(:query_within AS tsquery)
  AND m.tenant_id = :tenant_id AND m.collection_id IN :collection_ids
  AND m.file_id NOT IN (SELECT id FROM files WHERE deleted_at IS NOT NULL) {narrowing}
"""
_ORDER = " ORDER BY h.score DESC, d.id LIMIT :limit"
_DISTINCT = """
SELECT segment_id, collection_id, file_id, description_id, score FROM (
  SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY score DESC, segment_id, collection_id) AS place FROM ({hits}) f
) r WHERE place = 1 ORDER BY score DESC, segment_id LIMIT :limit
"""
_COLUMNS = {"all": "text", "speech": "speech", "scene_text": "scene_text"}
_VECTORS = {"all": "text_vector", "speech": "text_vector_speech", "scene_text": "text_vector_scene_text"}
_KEYS = {"segment": "segment_id", "file": "file_id"}


@dataclass(frozen=True)
class TextHit:
    segment_id: str
    collection_id: str
    file_id: str
    description_id: str
    score: float


class FullText:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(
        self,
        tenant_id: str,
        collection_ids: Sequence[str],
        words: Sequence[str],
        limit: int,
        *,
        phrases: Sequence[str] = (),
        part: Part = "all",
        distinct: Distinct = "description",
        file_ids: Collection[str] | None = None,
        segment_ids: Collection[str] | None = None,
    ) -> list[TextHit]:
        """Segments of the tenant's collections that hold any of the words and all of the phrases, best first.

        `part`: where they must stand. `distinct`: a hit for each description of a segment, for each segment, or for each
        file, that of its best segment. Only among these files and segments, where any are named.
        """
        query = self._query(words, phrases, part, _sqlite_phrase if self._database.is_sqlite else _postgres_phrase)
        if not query or not collection_ids:
            return []
        values = {
            "query": query,
            "tenant_id": tenant_id,
            "collection_ids": list(collection_ids),
            "limit": limit,
        }
        narrowing = ""
        if not self._database.is_sqlite:
            # An index knows no places: what is asked of it are words, so that only rows that hold them all are looked into.
            words_of_query = self._query(words, phrases, part, _postgres_words)
            values["query_within"] = f"{_tenant_lexeme(tenant_id)} & ({words_of_query})"
            if words_of_query != query:
                narrowing = f" AND ts_match_vq(d.{_VECTORS[part]}, CAST(:query AS tsquery))"  # @@, but of no index
        for name, column, ids in (("file_ids", "m.file_id", file_ids), ("segment_ids", "d.segment_id", segment_ids)):
            if ids is not None:
                values[name] = json.dumps(list(ids))
                narrowing += f" AND {column} IN ({self._elements(name)})"
        statement = text(self._statement(tenant_id, part, distinct, narrowing))
        statement = statement.bindparams(bindparam("collection_ids", expanding=True))
        try:
            return [TextHit(*row) for row in await self._database.fetch(statement, values)]
        except OperationalError as error:
            if "no such table" in str(error.orig):  # nothing of this tenant's is described yet
                return []
            raise

    def _statement(self, tenant_id: str, part: Part, distinct: Distinct, narrowing: str) -> str:
        if self._database.is_sqlite:
            hits = _SQLITE.format(table=words_table(tenant_id), narrowing=narrowing)
        else:
            hits = _POSTGRES.format(vector=_VECTORS[part], narrowing=narrowing)
        if distinct == "description":
            return hits + (_ORDER if self._database.is_sqlite else _ORDER.replace("h.score", "score"))
        return _DISTINCT.format(key=_KEYS[distinct], hits=hits)

    def _elements(self, name: str) -> str:
        if self._database.is_sqlite:
            return f"SELECT value FROM json_each(:{name})"
        return f"SELECT json_array_elements_text(CAST(:{name} AS json))"

    def _query(
        self, words: Sequence[str], phrases: Sequence[str], part: Part, phrase: Callable[[Sequence[str], bool], str]
    ) -> str:
        both, either = (" AND ", " OR ") if self._database.is_sqlite else (" & ", " | ")

        def written(texts: Sequence[str], begins: bool) -> list[str]:
            """Each as a phrase; a hyphenated word also as one word."""
            found = []
            for said in texts[:MAX_TERMS]:
                forms = [(phrase_tokens(said)[:MAX_TERMS], ends_open(said))]
                forms += [([whole], False)] if (whole := joined(said)) else []
                shown = [
                    phrase(tokens, is_open or (begins and _begins(tokens, part))) for tokens, is_open in forms if tokens
                ]
                found += [f"({either.join(shown)})"] if shown else []
            return found

        any_word = either.join(written(words, begins=True))
        parts = written(phrases, begins=False)
        query = both.join([*parts, f"({any_word})"] if any_word else parts)
        return f"{_COLUMNS[part]} : ({query})" if query and self._database.is_sqlite else query


def _sqlite_phrase(tokens: Sequence[str], is_open: bool) -> str:
    return f'"{" ".join(tokens)}"{"*" if is_open else ""}'


def _postgres_phrase(tokens: Sequence[str], is_open: bool, by: str = " <-> ") -> str:
    return "(" + by.join(f"'{token}'" for token in tokens) + (":*)" if is_open else ")")


def _postgres_words(tokens: Sequence[str], is_open: bool) -> str:
    return _postgres_phrase(tokens, is_open, by=" & ")


def _tenant_lexeme(tenant_id: str) -> str:
    """By which the indexes find a tenant's segments; it is no token of a text, as these hold letters and digits only."""
    escaped = tenant_id.replace("\\", "\\\\").replace("'", "''")
    return f"'@{escaped}'"


def _begins(tokens: Sequence[str], part: Part) -> bool:
    """Whether longer words count too: a search for president finds presidential, one for car finds no carpet."""
    return part != "all" and len(tokens) == 1 and len(tokens[0]) >= PREFIX_CHARACTERS
