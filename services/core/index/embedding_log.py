"""The log that index shards apply: every change of a collection's vectors, numbered per shard in commit order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, String, and_, bindparam, delete, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.errors import invalid
from services.core.store.database import Database
from services.core.store.schema import collection_shards, embeddings, index_log, shards

Operation = Literal["add", "remove", "move"]
# Kinds of embeddings that begin so are of pictures: each names the model, whose vectors are compared with no other's.
FRAME_SPACE = "frame:"
PARAMETERS_LIMIT = 10_000  # ids in one IN list; SQLite allows 32,766


@dataclass(frozen=True)
class LogRow:
    """One change. An add carries its vector (float32 little-endian), or None if its file is gone by now.

    A remove names a file of a collection, or with an empty file_id the whole collection. A move is the removal of a file
    that another shard holds from now on. `space`: whose vectors it is like; "" those of texts, else a FRAME_SPACE.
    """

    sequence: int
    operation: Operation
    tenant_id: str
    collection_id: str
    file_id: str
    segment_id: str
    embedding_id: int
    vector: bytes | None
    space: str = ""


class TrimmedError(Exception):
    """Removals that this reader has not applied are gone from the log: it must start anew."""


@dataclass(frozen=True)
class Placement:
    """A shard that holds files of a collection, and the newest row of its log."""

    collection_id: str
    shard: int
    last_sequence: int


@dataclass(frozen=True)
class Embedding:
    """One piece of text, or with a kind in FRAME_SPACE a picture, with its vector: what a hit of a search points at."""

    id: int
    description_id: str
    segment_id: str
    kind: str
    text: str
    start_time: float
    end_time: float


# Built once: making a query costs more than running it.
_is_text = embeddings.c.kind.not_like(f"{FRAME_SPACE}%")
_columns = [embeddings.c[name] for name in Embedding.__dataclass_fields__]
_some = select(*_columns).where(embeddings.c.id.in_(bindparam("wanted", expanding=True)))
_passages = (
    select(*_columns, embeddings.c.vector)
    .where(
        embeddings.c.description_id.in_(bindparam("descriptions", expanding=True)),
        embeddings.c.segment_id.in_(bindparam("segments", expanding=True)),
        _is_text,
    )
    .order_by(embeddings.c.id)
)
_placements = select(collection_shards.c.collection_id, shards.c.shard, shards.c.last_sequence).join(
    shards, shards.c.shard == collection_shards.c.shard
)


class EmbeddingLog:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._placed = _placements.where(
            database.among(collection_shards.c.collection_id, bindparam("collections", type_=String))
        )
        self._placed_text = str(self._placed.compile(dialect=sqlite.dialect()))

    async def read(self, shard: int, after_sequence: int, limit: int, *, trimmed_at_start: int = 0) -> list[LogRow]:
        """The next rows of a shard, in order, at most `limit`.

        Raises TrimmedError unless the reader has all removals that are gone from the log, or began at its first row when
        the log was already trimmed as far as `trimmed_at_start`.
        """
        query = (
            select(
                index_log, shards.c.trimmed_sequence, embeddings.c.segment_id, embeddings.c.vector, embeddings.c.kind
            )
            .join(shards, shards.c.shard == index_log.c.shard)
            .outerjoin(embeddings, embeddings.c.id == index_log.c.embedding_id)
            .where(index_log.c.shard == shard, index_log.c.sequence > after_sequence)
            .order_by(index_log.c.sequence)
            .limit(limit)
        )
        async with self._database.read() as connection:
            found = (await connection.execute(query)).all()
        # The log's last row is never trimmed: where no row is left to read, none was missed.
        if found and found[0].trimmed_sequence > max(after_sequence, trimmed_at_start):
            raise TrimmedError
        return [
            LogRow(
                row.sequence,
                row.operation,
                row.tenant_id,
                row.collection_id,
                row.file_id,
                row.segment_id or "",
                row.embedding_id or 0,
                row.vector,
                row.kind if row.kind and row.kind.startswith(FRAME_SPACE) else "",
            )
            for row in found
        ]

    async def trimmed_sequence(self, shard: int) -> int:
        """Up to where removals may be gone from the log."""
        query = select(shards.c.trimmed_sequence).where(shards.c.shard == shard)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar() or 0

    async def last_sequence(self, shard: int) -> int:
        """The newest row's."""
        query = select(shards.c.last_sequence).where(shards.c.shard == shard)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar() or 0

    async def placements(self, collection_ids: Iterable[str]) -> list[Placement]:
        """Where these collections are now: a search that sees these shards up to these rows sees all that was written."""
        values = {"collections": json.dumps(list(collection_ids))}
        return [Placement(*row) for row in await self._database.fetch(self._placed, values)]

    def placements_now(self, collection_ids: Iterable[str]) -> list[Placement] | None:
        """The same without waiting, in the order of the ids; None where they must be waited for."""
        wanted = list(dict.fromkeys(collection_ids))
        rows = self._database.glances.rows(self._placed_text, [json.dumps(wanted)])
        if rows is None:
            return None
        if len(wanted) > 1:
            order = {id: place for place, id in enumerate(wanted)}
            rows.sort(key=lambda row: order[row[0]])
        return [Placement(*row) for row in rows]

    async def check_dimensions(self, dimensions: int, engine: str) -> None:
        """Raises INVALID_ARGUMENT where texts have vectors of another length."""
        async with self._database.read() as connection:
            vector = (
                await connection.execute(select(embeddings.c.vector).where(_is_text).limit(1))
            ).scalar_one_or_none()
        if vector is not None and len(vector) != 4 * dimensions:
            raise invalid(
                f"This data holds vectors of {len(vector) // 4} dimensions, and engine {engine} makes {dimensions}: "
                "give the role embed back to the engine that made them, or set ARCUS_DATA_DIR (or ARCUS_DATABASE_URL) "
                "to a new place and upload again.",
                field="roles.embed",
            )

    async def embeddings(self, ids: Iterable[int]) -> dict[int, Embedding]:
        wanted = list(ids)[:PARAMETERS_LIMIT]
        return {row.id: Embedding(*row) for row in await self._database.fetch(_some, {"wanted": wanted})}

    async def passages(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[tuple[Embedding, bytes]]]:
        """Every text of these (description, segment) pairs with its vector, in order of making."""
        wanted = list(keys)
        values = {
            "descriptions": list({description_id for description_id, _ in wanted}),
            "segments": list({segment_id for _, segment_id in wanted}),
        }
        found: dict[tuple[str, str], list[tuple[Embedding, bytes]]] = {}
        for *columns, vector in await self._database.fetch(_passages, values):
            embedding = Embedding(*columns)
            found.setdefault((embedding.description_id, embedding.segment_id), []).append((embedding, vector))
        return found


async def append(connection: AsyncConnection, shard: int, rows: list[dict[str, Any]]) -> None:
    """Numbers and writes rows in the caller's transaction; holds the shard's lock until it ends."""
    if not rows:
        return
    advance = (
        update(shards)
        .where(shards.c.shard == shard)
        .values(last_sequence=shards.c.last_sequence + len(rows))
        .returning(shards.c.last_sequence)
    )
    last = (await connection.execute(advance)).scalar_one()
    first = last - len(rows) + 1
    await connection.execute(
        insert(index_log),
        [{"shard": shard, "sequence": first + offset, **row} for offset, row in enumerate(rows)],
    )


async def append_adds(
    connection: AsyncConnection,
    shard: int,
    *,
    tenant_id: str,
    collection_id: str,
    file_id: str,
    embedding_ids: list[int],
) -> None:
    same = {"operation": "add", "tenant_id": tenant_id, "collection_id": collection_id, "file_id": file_id}
    await append(connection, shard, [{**same, "embedding_id": id} for id in embedding_ids])
    await _count(connection, shard, collection_id, len(embedding_ids))


async def append_removal(
    connection: AsyncConnection,
    shard: int,
    *,
    tenant_id: str,
    collection_id: str,
    file_id: str = "",
    operation: Operation = "remove",
) -> None:
    """Removes a file, or a whole collection, from a shard. Its earlier adds leave the log: no replica needs them."""
    await append_removals(connection, shard, [(tenant_id, collection_id, file_id)], operation)
    place = index_log.c.collection_id == collection_id
    await drop_adds(connection, shard, and_(place, index_log.c.file_id == file_id) if file_id else place)


async def append_removals(
    connection: AsyncConnection, shard: int, places: Sequence[tuple[str, str, str]], operation: Operation = "remove"
) -> None:
    """`places`: tenant, collection and file of each. Earlier adds stay in the log."""
    names = ("tenant_id", "collection_id", "file_id")
    rows = [dict(zip(names, place, strict=True)) for place in places]
    await append(connection, shard, [{**row, "operation": operation, "embedding_id": None} for row in rows])


async def drop_adds(
    connection: AsyncConnection, shard: int, which: ColumnElement[bool], *, most: int | None = None
) -> int:
    """Takes adds from the log, which no replica needs: a removal is there, or is to come. Returns how many."""
    await connection.execute(select(shards.c.shard).where(shards.c.shard == shard).with_for_update())
    of_shard = index_log.c.shard == shard
    adds = select(index_log.c.sequence).where(of_shard, which, index_log.c.operation == "add").limit(most)
    gone = delete(index_log).where(of_shard, index_log.c.sequence.in_(adds)).returning(index_log.c.collection_id)
    dropped = Counter((await connection.execute(gone)).scalars())
    for collection_id, count in dropped.items():
        await _count(connection, shard, collection_id, -count)
    return dropped.total()


async def _count(connection: AsyncConnection, shard: int, collection_id: str, added: int) -> None:
    """Only ever under the shard's lock, so that nobody waits in a circle."""
    place = (collection_shards.c.collection_id == collection_id) & (collection_shards.c.shard == shard)
    await connection.execute(update(collection_shards).where(place).values(vectors=collection_shards.c.vectors + added))
