"""Full-text search over described segments, within a tenant: FTS5 on SQLite, tsvector on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import bindparam, text
from sqlalchemy.exc import OperationalError

from services.core.search.full_text_index import words_table
from services.core.search.tokens import ends_open, joined, phrase_tokens
from services.core.store.database import Database

MAX_TERMS = 32
PREFIX_CHARACTERS = 5
Part = Literal["all", "speech", "scene_text"]
Distinct = Literal["description", "segment", "file"]

_SCOPE = """m.tenant_id = :tenant_id AND m.collection_id IN :collection_ids
  AND m.file_id NOT IN (SELECT id FROM files WHERE deleted_at IS NOT NULL) {narrowing}"""
# An item is what is searched once more: the phrases with one of the words. `bit` is its place in `held`, all that a hit holds.
_SQLITE_ITEMS = "SELECT 1 << key AS bit, value AS query FROM json_each(:items)"
_SQLITE_HITS = f"""
SELECT d.id, m.rowid AS member, h.held
FROM (
  SELECT {{table}}.rowid AS id, sum(i.bit) AS held FROM items i CROSS JOIN {{table}} WHERE {{table}} MATCH i.query GROUP BY 1
) h
JOIN segment_descriptions d ON d.id = h.id
JOIN collection_files m ON m.description_id = d.description_id
WHERE {_SCOPE}"""
# Of wide rows a temporary table costs more than looking them up once more.
_SQLITE_RANKED = """
SELECT d.id, d.segment_id, m.collection_id, m.file_id, d.description_id, s.score
FROM hits h JOIN scores s ON s.held = h.held
JOIN segment_descriptions d ON d.id = h.id JOIN collection_files m ON m.rowid = h.member"""
_POSTGRES_ITEMS = """
SELECT CAST(1 AS bigint) << CAST(place - 1 AS int) AS bit,
       CAST(item ->> 0 AS tsquery) AS words, CAST(item ->> 1 AS tsquery) AS places
FROM json_array_elements(CAST(:items AS json)) WITH ORDINALITY AS i(item, place)"""
# An index knows no places: what is asked of it are words, so that only rows that hold them all are looked into.
_POSTGRES_HITS = f"""
SELECT d.id, d.segment_id, m.collection_id, m.file_id, d.description_id, bit_or(i.bit) AS held
FROM items i
JOIN segment_descriptions d ON arcus_words(d.{{vector}}, d.tenant_id) @@ i.words
JOIN collection_files m ON m.description_id = d.description_id
WHERE {_SCOPE} AND (i.places IS NULL OR ts_match_vq(d.{{vector}}, i.places))
GROUP BY d.id, m.collection_id, m.file_id"""
_POSTGRES_RANKED = "SELECT h.*, s.score FROM hits h JOIN scores s ON s.held = h.held"
# What holds the same is scored alike: by the share of what is searched that it holds, where what fewer of the hits hold counts
# for more. Only hits are counted: both databases tell that alike, and no write has to count beforehand. Joined by bits and then
# grouped, 32 words of 10,000 hits took SQLite half as long again.
_RANKED = """
WITH items AS ({items}),
hits AS ({hits}),
kinds AS (SELECT held, count(*) AS number FROM hits GROUP BY held),
weights AS (
  SELECT bit, ln(1 + (SELECT CAST(sum(number) AS float) FROM kinds) / (SELECT sum(number) FROM kinds WHERE (held & bit) <> 0))
    AS weight
  FROM items WHERE EXISTS (SELECT 1 FROM kinds WHERE (held & bit) <> 0) GROUP BY bit
),
scores AS (
  SELECT held, CAST(round(CAST((SELECT sum(weight) FROM weights WHERE (held & bit) <> 0)
    / (SELECT sum(weight) FROM weights) AS numeric), 6) AS float) AS score
  FROM kinds GROUP BY held
),
ranked AS ({ranked})
"""
_ORDER = "SELECT {columns} FROM ranked ORDER BY score DESC, id, collection_id LIMIT :limit"
_DISTINCT = """
SELECT {columns} FROM (
  SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY score DESC, segment_id, collection_id) AS place FROM ranked
) r WHERE place = 1 ORDER BY score DESC, segment_id LIMIT :limit
"""
_HIT = "segment_id, collection_id, file_id, description_id, score"
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
        items = self._items(tenant_id, words, phrases, part)
        if not items or not collection_ids:
            return []
        values = {
            "items": json.dumps(items),
            "tenant_id": tenant_id,
            "collection_ids": list(collection_ids),
            "limit": limit,
        }
        narrowing = ""
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
            hits = _SQLITE_HITS.format(table=words_table(tenant_id), narrowing=narrowing)
            ranked = _RANKED.format(items=_SQLITE_ITEMS, hits=hits, ranked=_SQLITE_RANKED)
        else:
            hits = _POSTGRES_HITS.format(vector=_VECTORS[part], narrowing=narrowing)
            ranked = _RANKED.format(items=_POSTGRES_ITEMS, hits=hits, ranked=_POSTGRES_RANKED)
        if distinct == "description":
            return ranked + _ORDER.format(columns=_HIT)
        return ranked + _DISTINCT.format(columns=_HIT, key=_KEYS[distinct])

    def _elements(self, name: str) -> str:
        if self._database.is_sqlite:
            return f"SELECT value FROM json_each(:{name})"
        return f"SELECT json_array_elements_text(CAST(:{name} AS json))"

    def _items(self, tenant_id: str, words: Sequence[str], phrases: Sequence[str], part: Part) -> list[Any]:
        """As the statement reads them, each once: what two words ask alike counts once."""
        if self._database.is_sqlite:
            queries = _queries(words, phrases, part, _sqlite_phrase, " AND ", " OR ")
            return [f"{_COLUMNS[part]} : ({query})" for query in dict.fromkeys(queries)]
        places = _queries(words, phrases, part, _postgres_phrase, " & ", " | ")
        held = _queries(words, phrases, part, _postgres_words, " & ", " | ")
        within = _tenant_lexeme(tenant_id)
        pairs = dict.fromkeys(zip(held, places, strict=True))
        return [[f"{within} & ({words})", places if places != words else None] for words, places in pairs]


def _queries(
    words: Sequence[str],
    phrases: Sequence[str],
    part: Part,
    phrase: Callable[[Sequence[str], bool], str],
    both: str,
    either: str,
) -> list[str]:
    """All of the phrases with each of the words; or, without words, the phrases alone."""

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

    needed = written(phrases, begins=False)
    found = [both.join([*needed, word]) for word in written(words, begins=True)]
    return found or ([both.join(needed)] if needed else [])


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
