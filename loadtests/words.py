"""What a tenant's own search by words costs, alone and beside another tenant's segments: a row of loadtests.scale."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from uuid import UUID, uuid5

from sqlalchemy import insert

from services.core.search.full_text import FullText, TextHit
from services.core.search.full_text_index import index_segment
from services.core.store.database import Database
from services.core.store.schema import (
    collection_files,
    collections,
    descriptions,
    files,
    segment_descriptions,
    segmentations,
    segments,
)

SEED = 7
KNOWN_WORDS = 5_000
TEXT_WORDS = 80  # of a segment
STEP = 1_000  # segments of one transaction
TAKEN = 100  # hits
QUESTIONS = {"frequent": ["ba"], "common": ["bo", "ce", "da"], "rare": ["bibe"]}
_SYLLABLES = [consonant + vowel for consonant in "bcdfgklmnprstvz" for vowel in "aeiou"]
_VOCABULARY = [*_SYLLABLES, *(first + second for first in _SYLLABLES for second in _SYLLABLES)][:KNOWN_WORDS]
_WEIGHTS = [1 / place for place in range(1, KNOWN_WORDS + 1)]  # Zipf's law


async def fill_segments(
    database: Database, tenant_id: str, number: int, seed: int = SEED, words: int = TEXT_WORDS
) -> str:
    """A collection with one file of so many described segments of so many words, drawn by Zipf's law; its id."""
    drawn = random.Random(seed)

    def id(what: str) -> str:
        return str(uuid5(UUID(tenant_id), what))

    own = {"tenant_id": tenant_id, "created_at": 0}
    cut = {"config": {}, "config_hash": "h", "status": "completed"}
    of_file = {"file_id": id("file"), "segmentation_id": id("cut")}
    rows = [
        (files, {**own, "id": id("file"), "status": "completed", "filename": "f", "size_bytes": 1, "sha256": ""}),
        (collections, {**own, "id": id("collection"), "name": "c", "collection_type": "media-descriptions"}),
        (segmentations, {**own, **cut, "id": id("cut"), "file_id": id("file")}),
        (descriptions, {**own, **cut, **of_file, "id": id("described"), "stage": "done", "title": "", "summary": ""}),
        (
            collection_files,
            {"tenant_id": tenant_id, "collection_id": id("collection"), "description_id": id("described"), **of_file},
        ),
    ]
    rest = {
        files: {"object_key": "k", "source": "upload", "metadata": {}, "media_info": None, "segment_thumbnails": False},
        collections: {"describe_config": {}, "segmentation_config": {}, "thumbnails_config": {}, "shard": 0},
        descriptions: {"segments_done": number, "segments_total": number},
        collection_files: {"segmentation_config": {}, "segment_thumbnails": False, "shard": 0, "added_at": 0},
    }
    async with database.write() as connection:
        for table, values in rows:
            await connection.execute(insert(table).values(**values, **rest.get(table, {})))
    for first in range(0, number, STEP):
        async with database.write() as connection:
            places = range(first, min(first + STEP, number))
            whole = {"tenant_id": tenant_id, **of_file, "start_time": 0.0, "end_time": 1.0, "metadata": {}}
            await connection.execute(
                insert(segments), [{**whole, "id": id(f"segment {place}"), "position": place} for place in places]
            )
            for place in places:
                said = " ".join(drawn.choices(_VOCABULARY, _WEIGHTS, k=words))
                content = {"speech": [{"text": said}]}
                row = {"description_id": id("described"), "segment_id": id(f"segment {place}"), "tenant_id": tenant_id}
                added = insert(segment_descriptions).values(**row, content=content, text=said)
                row_id = (await connection.execute(added.returning(segment_descriptions.c.id))).scalar_one()
                await connection.run_sync(index_segment, row_id, tenant_id, said, content)
    return id("collection")


async def searched(
    database: Database, tenant_id: str, collection_id: str, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[dict[str, list[float]], dict[str, Sequence[TextHit]]]:
    """(seconds of each search, the hits) by kind of question. The kinds take turns."""
    full_text = FullText(database)
    seconds: dict[str, list[float]] = {name: [] for name in QUESTIONS}
    hits: dict[str, Sequence[TextHit]] = {}
    for _ in range(rounds + 1):  # the first of each warms
        for name, words in QUESTIONS.items():
            started = clock()
            hits[name] = await full_text.search(tenant_id, [collection_id], words, TAKEN)
            seconds[name].append(clock() - started)
    return {name: taken[1:] for name, taken in seconds.items()}, hits
