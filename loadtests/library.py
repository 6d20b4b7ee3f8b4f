"""Many described files straight in the database, as the ingest application would have left them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select

from services.core.clock import now_ms
from services.core.index.embedding_log import append_adds
from services.core.index.shards import record
from services.core.library.collections import Collection
from services.core.media import MediaInfo, SegmentDescription, Speech, TimedText, Word
from services.core.store.database import Database
from services.core.store.schema import (
    collection_files,
    descriptions,
    embeddings,
    files,
    segment_descriptions,
    segmentations,
    segments,
)

SECONDS = 20
ROWS = 20_000


@dataclass(frozen=True)
class Library:
    """In order: the file ids, and the segment ids of all files, one after the other."""

    file_ids: list[str]
    segment_ids: list[str]


async def fill(
    database: Database,
    collection: Collection,
    said: Sequence[str],
    vectors: Sequence[bytes],
    *,
    file_count: int,
    with_words: bool = False,
) -> Library:
    """Segments that say these texts, in equal shares in `file_count` files; file n has metadata {"number": n}.

    vectors: one for each text, float32 little-endian, of unit length. with_words: each word has its time.
    """
    per_file, rest = divmod(len(said), file_count)
    if rest:
        raise ValueError(f"{len(said)} segments are no equal shares of {file_count} files")
    library = Library([str(uuid4()) for _ in range(file_count)], [str(uuid4()) for _ in said])
    rows = list(_rows(collection, library, said, vectors, per_file, with_words))
    async with database.write() as connection:
        await record(connection, collection.id, collection.shard)
        for table in (files, segmentations, segments, descriptions, segment_descriptions, collection_files, embeddings):
            of_table = [values for owner, values in rows if owner is table]
            for first in range(0, len(of_table), ROWS):
                await connection.execute(insert(table), of_table[first : first + ROWS])
        for file_id, description_id in [
            (values["file_id"], values["description_id"]) for owner, values in rows if owner is collection_files
        ]:
            made = select(embeddings.c.id).where(embeddings.c.description_id == description_id)
            await append_adds(
                connection,
                collection.shard,
                tenant_id=collection.tenant_id,
                collection_id=collection.id,
                file_id=file_id,
                embedding_ids=list((await connection.execute(made.order_by(embeddings.c.id))).scalars()),
            )
    return library


def _rows(
    collection: Collection,
    library: Library,
    said: Sequence[str],
    vectors: Sequence[bytes],
    per_file: int,
    with_words: bool,
) -> Iterator[tuple[Any, dict[str, Any]]]:
    owned = {"tenant_id": collection.tenant_id}
    cut = {"strategy": "uniform", "uniform_config": {"window_seconds": SECONDS, "hop_seconds": SECONDS}}
    for number, file_id in enumerate(library.file_ids):
        cut_id, description_id = str(uuid4()), str(uuid4())
        made = {**owned, "file_id": file_id, "created_at": now_ms()}
        info = MediaInfo("video", float(SECONDS * per_file), "mp4", has_audio=True)
        yield (
            files,
            {
                **owned,
                "id": file_id,
                "status": "completed",
                "filename": f"talk-{number}.mp4",
                "size_bytes": 1000 + number,
                "sha256": f"{number:064}",
                "object_key": f"tenants/{collection.tenant_id}/files/{file_id}/original",
                "source": "upload",
                "metadata": {"number": number},
                "media_info": info.to_json(),
                "segment_thumbnails": False,
                "created_at": now_ms(),
            },
        )
        yield segmentations, {**made, "id": cut_id, "config": cut, "config_hash": "uniform", "status": "completed"}
        yield (
            descriptions,
            {
                **made,
                "id": description_id,
                "segmentation_id": cut_id,
                "config": collection.describe_config,
                "config_hash": "all",
                "status": "completed",
                "stage": "done",
                "segments_done": per_file,
                "segments_total": per_file,
                "title": f"Talk {number}",
                "summary": f"The talk of number {number}.",
            },
        )
        yield (
            collection_files,
            {
                **owned,
                "collection_id": collection.id,
                "file_id": file_id,
                "description_id": description_id,
                "segmentation_id": cut_id,
                "segmentation_config": cut,
                "shard": collection.shard,
                "added_at": now_ms(),
            },
        )
        for position in range(per_file):
            place = number * per_file + position
            start, text, segment_id = position * SECONDS, said[place], library.segment_ids[place]
            span = {"start_time": float(start), "end_time": float(start + SECONDS)}
            content = SegmentDescription(
                title=f"Part {position + 1}",
                summary=text,
                visual_scene_description=(TimedText("A person speaks before a screen", start, start + SECONDS),),
                scene_text=(TimedText(f"SLIDE {place}", start, start + SECONDS),),
                speech=(Speech(text, start + 1, start + 9, "Speaker 1", _timed(text, start) if with_words else ()),),
            )
            key = {**owned, "segment_id": segment_id, "description_id": description_id}
            yield (
                segments,
                {
                    **owned,
                    **span,
                    "id": segment_id,
                    "segmentation_id": cut_id,
                    "file_id": file_id,
                    "position": position,
                    "metadata": {},
                },
            )
            yield segment_descriptions, {**key, "content": content.to_json(), "text": text}
            yield embeddings, {**key, **span, "kind": "speech", "text": text, "vector": vectors[place]}


def _timed(text: str, start: float) -> tuple[Word, ...]:
    each = text.split()
    return tuple(
        Word(word, start + 1 + 8 * n / len(each), start + 1 + 8 * (n + 1) / len(each)) for n, word in enumerate(each)
    )
