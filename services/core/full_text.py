"""Full-text search over described segments: FTS5 on SQLite, tsvector on PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, text

from services.core.database import Database

MAX_TERMS = 32
_WORD = re.compile(r"\w+", re.UNICODE)

_SQLITE = """
SELECT d.segment_id, m.collection_id, m.file_id, d.description_id, -bm25(segment_text) AS score
FROM segment_text
JOIN segment_descriptions d ON d.id = segment_text.rowid
JOIN collection_files m ON m.description_id = d.description_id
WHERE segment_text MATCH :query AND m.tenant_id = :tenant_id AND m.collection_id IN :collection_ids
ORDER BY score DESC, d.id LIMIT :limit
"""

_POSTGRES = """
SELECT d.segment_id, m.collection_id, m.file_id, d.description_id,
       ts_rank_cd(d.text_vector, to_tsquery('english', :query), 1) AS score
FROM segment_descriptions d
JOIN collection_files m ON m.description_id = d.description_id
WHERE d.text_vector @@ to_tsquery('english', :query)
  AND m.tenant_id = :tenant_id AND m.collection_id IN :collection_ids
ORDER BY score DESC, d.id LIMIT :limit
"""


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
        statement = _SQLITE if database.is_sqlite else _POSTGRES
        self._statement = text(statement).bindparams(bindparam("collection_ids", expanding=True))

    async def search(
        self, tenant_id: str, collection_ids: Sequence[str], words: Sequence[str], limit: int
    ) -> list[TextHit]:
        """Segments of the tenant's collections that hold any of the words, best first."""
        terms = [term for word in words for term in _WORD.findall(word.lower())][:MAX_TERMS]
        if not terms or not collection_ids:
            return []
        if self._database.is_sqlite:
            query = " OR ".join(f'"{term}"' for term in terms)
        else:
            query = " | ".join(f"'{term}'" for term in terms)
        values = {
            "query": query,
            "tenant_id": tenant_id,
            "collection_ids": list(collection_ids),
            "limit": limit,
        }
        async with self._database.read() as connection:
            return [TextHit(*row) for row in await connection.execute(self._statement, values)]
