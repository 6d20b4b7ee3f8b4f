"""Vectors as texts have them, and a database whose log spreads them over shards."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.core.engines.config import parse_engine_config
from services.core.index.embedder import ensure_embedder
from services.core.index.shards import ensure_shards
from services.core.store.database import Database

DIMENSIONS = 384
TENANT, COLLECTION, DESCRIPTION = "tenant", "collection", "description"
PER_FILE = 200
PER_SEGMENT = 4
STEP = 50_000
SPREAD = 0.6  # length of what sets a vector apart from its subject, beside the subject's 1


def clustered(count: int, seed: int) -> np.ndarray:
    """float32 [count, 384], of unit length, around a subject for every 500."""
    random = np.random.default_rng(seed)
    centres = _unit(random.standard_normal((max(8, count // 500), DIMENSIONS), np.float32))
    made = np.empty((count, DIMENSIONS), np.float32)
    for start in range(0, count, STEP):
        stop = min(start + STEP, count)
        apart = random.standard_normal((stop - start, DIMENSIONS), np.float32) * (SPREAD / DIMENSIONS**0.5)
        made[start:stop] = _unit(centres[random.integers(0, len(centres), stop - start)] + apart)
    return made


def near(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Questions: each beside a vector that is held, not on it."""
    random = np.random.default_rng(seed)
    apart = random.standard_normal((count, DIMENSIONS), np.float32) * (SPREAD / DIMENSIONS**0.5)
    return _unit(vectors[random.integers(0, len(vectors), count)] + apart)


def write_shards(url: str, path: Path, vectors: np.ndarray, shards: int, collections: Sequence[str] = ()) -> None:
    """Stores row n as embedding n + 1, in the log of its file's shard, without the files that it would come from.

    collections: of each row; all are in COLLECTION where it is empty.
    """
    of_row = np.array(collections or [COLLECTION] * len(vectors))

    async def make_tables() -> None:
        database = Database(url)
        await database.migrate()
        await ensure_shards(database, shards)
        await ensure_embedder(database, parse_engine_config(""))
        await database.close()

    asyncio.run(make_tables())
    numbers = np.arange(len(vectors))
    shard_of = numbers // PER_FILE % shards
    sequences = np.empty(len(vectors), np.int64)
    for shard in range(shards):
        mine = shard_of == shard
        sequences[mine] = np.arange(1, mine.sum() + 1)
    with (
        contextlib.closing(sqlite3.connect(path)) as connection,
        connection,
    ):  # a bare connection checks no foreign keys
        connection.executemany(
            "INSERT INTO embeddings (id, tenant_id, description_id, segment_id, kind, text, start_time, end_time, vector)"
            f" VALUES (?, '{TENANT}', '{DESCRIPTION}', ?, 'summary', '', 0, 1, ?)",
            ((row + 1, f"segment-{row // PER_SEGMENT:030}", vector.tobytes()) for row, vector in enumerate(vectors)),
        )
        connection.executemany(
            "INSERT INTO index_log (shard, sequence, operation, tenant_id, collection_id, file_id, embedding_id)"
            f" VALUES (?, ?, 'add', '{TENANT}', ?, ?, ?)",
            (
                (int(shard), int(sequence), str(of_row[row]), f"file-{row // PER_FILE:030}", row + 1)
                for row, (shard, sequence) in enumerate(zip(shard_of, sequences, strict=True))
            ),
        )
        for shard in range(shards):
            held = int((shard_of == shard).sum())
            connection.execute("UPDATE shards SET last_sequence = ? WHERE shard = ?", (held, shard))
            names, counts = np.unique(of_row[shard_of == shard], return_counts=True)
            connection.executemany(
                "INSERT INTO collection_shards VALUES (?, ?, ?)",
                ((str(name), shard, int(count)) for name, count in zip(names, counts, strict=True)),
            )


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)
