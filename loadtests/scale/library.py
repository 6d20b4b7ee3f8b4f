"""Rows of described files, as the ingest application leaves them, made many at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from sqlalchemy import Table, select, text, update

from loadtests.scale.filling import fill, new_id
from services.core.index.shards import ensure_shards
from services.core.search.full_text_index import make_words_table
from services.core.search.tokens import index_tokens
from services.core.store.database import Database
from services.core.store.schema import (
    collection_files,
    collection_shards,
    collections,
    descriptions,
    embeddings,
    files,
    index_log,
    segment_descriptions,
    segmentations,
    segments,
    shards,
)

AT_ONCE = 20_000  # segments whose rows are made before they are written
WORD = "tide"  # that every segment says
DIMENSIONS = 384
KEPT = 5  # of so many files, and of so many segments of each, one is marked as kept
MARK = {"part": "kept"}
SECONDS = 20.0
TABLES = (files, segmentations, descriptions, collection_files, segments, segment_descriptions, embeddings, index_log)
_serial = count(10_000_000)  # of rows that have numbers, beyond those that the database gives


@dataclass
class Filled:
    collection_ids: list[str] = field(default_factory=list)
    file_ids: list[str] = field(default_factory=list)


async def fill_library(
    database: Database,
    tenant_id: str,
    *,
    files_of: int,
    segments_of: int,
    collections_of: int = 1,
    are_searched: bool = True,
) -> Filled:
    """Collections that share so many described files of so many segments each, one embedding for a segment, in shard 0.

    are_searched: whether searches by words find them.
    """
    if not await database.fetch(select(shards.c.shard).limit(1)):
        await ensure_shards(database, 1)
    made = Filled([new_id() for _ in range(collections_of)])
    await fill(database, collections, [_collection(database, tenant_id, id) for id in made.collection_ids])
    held = [files_of * segments_of // collections_of] * collections_of
    rows = [
        {"collection_id": id, "shard": 0, "vectors": number}
        for id, number in zip(made.collection_ids, held, strict=True)
    ]
    await fill(database, collection_shards, rows)
    (last,) = await database.fetch(select(shards.c.last_sequence).where(shards.c.shard == 0))
    sequence = count(last[0] + 1)
    each = max(1, AT_ONCE // segments_of)
    for first in range(0, files_of, each):
        some: dict[Table, list[dict[str, Any]]] = {table: [] for table in TABLES}
        for number in range(first, min(first + each, files_of)):
            made.file_ids.append(new_id())
            place = tenant_id, made.collection_ids[number % collections_of], made.file_ids[-1]
            for table, row in _file(database, place, number, _vectors(number, segments_of), sequence):
                some[table].append(row)
        for table, found in some.items():
            await fill(database, table, found)
        if are_searched:
            await _index_words(database, tenant_id, [row["id"] for row in some[segment_descriptions]])
    async with database.write() as connection:
        await connection.execute(update(shards).where(shards.c.shard == 0).values(last_sequence=next(sequence) - 1))
    return made


def _json(database: Database, value: Any) -> Any:
    """COPY takes JSON as its text."""
    return value if database.is_sqlite else json.dumps(value)


def _vectors(number: int, count: int) -> Sequence[bytes]:
    """So many, of unit length, which are the same each time."""
    made = np.random.default_rng(number).standard_normal((count, DIMENSIONS), np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return [vector.tobytes() for vector in made]


def _collection(database: Database, tenant_id: str, id: str) -> dict[str, Any]:
    nothing = _json(database, {})
    configs = {"describe_config": nothing, "segmentation_config": nothing, "thumbnails_config": nothing}
    own = {"id": id, "tenant_id": tenant_id, "name": id, "collection_type": "media-descriptions", "created_at": 0}
    return {**own, **configs, "shard": 0}


def _file(
    database: Database, place: tuple[str, str, str], number: int, vectors: Sequence[bytes], sequence: Iterator[int]
) -> Iterator[tuple[Table, dict[str, Any]]]:
    tenant_id, collection_id, file_id = place
    cut_id, description_id, nothing, kept = new_id(), new_id(), _json(database, {}), _json(database, MARK)
    own: dict[str, Any] = {"tenant_id": tenant_id, "created_at": number}
    cut = {"config": nothing, "config_hash": "h", "status": "completed"}
    yield (
        files,
        {
            **own,
            "id": file_id,
            "status": "completed",
            "filename": f"{number}.mp4",
            "size_bytes": 1,
            "sha256": "",
            "object_key": f"tenants/{tenant_id}/files/{file_id}/original",
            "source": "upload",
            "metadata": kept if number % KEPT == 0 else nothing,
            "segment_thumbnails": False,
        },
    )
    yield segmentations, {**own, **cut, "id": cut_id, "file_id": file_id}
    done = {
        "stage": "done",
        "segments_done": len(vectors),
        "segments_total": len(vectors),
        "title": "",
        "summary": "",
    }
    of_cut = {"file_id": file_id, "segmentation_id": cut_id}
    yield descriptions, {**own, **cut, **done, **of_cut, "id": description_id}
    yield (
        collection_files,
        {
            "tenant_id": tenant_id,
            "collection_id": collection_id,
            **of_cut,
            "description_id": description_id,
            "segmentation_config": nothing,
            "segment_thumbnails": False,
            "shard": 0,
            "added_at": number,
        },
    )
    content = _json(database, {"speech": [{"text": WORD}]})
    for position, vector in enumerate(vectors):
        segment_id, embedding_id = new_id(), next(_serial)
        span = {"start_time": SECONDS * position, "end_time": SECONDS * (position + 1)}
        yield (
            segments,
            {
                "tenant_id": tenant_id,
                **of_cut,
                **span,
                "id": segment_id,
                "position": position,
                "metadata": kept if position % KEPT == 0 else nothing,
            },
        )
        of_segment = {"tenant_id": tenant_id, "description_id": description_id, "segment_id": segment_id}
        yield segment_descriptions, {**of_segment, "id": next(_serial), "content": content, "text": WORD}
        yield embeddings, {**of_segment, **span, "id": embedding_id, "kind": "speech", "text": WORD, "vector": vector}
        logged = {"tenant_id": tenant_id, "collection_id": collection_id, "file_id": file_id}
        yield (
            index_log,
            {**logged, "shard": 0, "sequence": next(sequence), "operation": "add", "embedding_id": embedding_id},
        )


async def _index_words(database: Database, tenant_id: str, ids: Sequence[int]) -> None:
    """So that searches by words find each."""
    tokens = index_tokens(WORD)
    async with database.write() as connection:
        if database.is_sqlite:
            table = await connection.run_sync(make_words_table, tenant_id)
            await connection.execute(
                text(f"INSERT INTO {table}(rowid, text, speech, scene_text) VALUES (:id, :word, :word, '')"),
                [{"id": id, "word": " ".join(tokens)} for id in ids],
            )
        else:
            vector = " ".join(f"'{token}':{place}" for place, token in enumerate(tokens, 1))
            told = text(
                "UPDATE segment_descriptions SET text_vector = CAST(:vector AS tsvector) WHERE id BETWEEN :first AND :last"
            )
            await connection.execute(told, {"vector": vector, "first": min(ids), "last": max(ids)})
