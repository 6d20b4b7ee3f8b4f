"""A shard as bytes: written while it goes on answering, and read back.

A header, then each sub-index: its header, ids int64 [n], places of its segments' and files' names int32 [n] each, where it
has lists their centroids float32 [lists, dimensions] and the list of each vector int32 [n], then float32 [n, dimensions].
Where there are pictures, which have vectors of another length, each sub-index tells its space and dimensions: format 2.
A header is its length in 8 bytes and JSON. Everything is little-endian. Rows that were removed are left out.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ray_jobs.index.lists import Lists
from ray_jobs.index.shard import Key, Shard
from ray_jobs.index.sub_index import SubIndex
from ray_jobs.index.vectors import Vectors

TEXTS_ALONE, WITH_PICTURES = 1, 2  # formats: of texts alone, earlier versions read it too
STEP_ROWS = 8192
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]  # runs a call in the thread that owns the index


class UnreadableError(Exception):
    """The snapshot is damaged, or of another format or another kind of vectors: start without it."""


@dataclass(frozen=True)
class _Part:
    """A sub-index at one moment. Its vectors are only ever appended to, so that the first of them stay what they are."""

    key: Key
    dimensions: int
    vectors: Vectors
    lists: Lists | None
    assigned: np.ndarray | None
    kept: np.ndarray  # rows that are alive
    ids: np.ndarray
    segments: np.ndarray
    files: np.ndarray
    segment_names: dict[int, str]
    file_names: dict[int, str]


@dataclass(frozen=True)
class Capture:
    """What a snapshot holds, at one moment; taking it is quick. In the index's thread."""

    sequence: int
    moved_sequence: int
    dimensions: int
    parts: tuple[_Part, ...]

    @classmethod
    def of(cls, shard: Shard) -> Capture:
        parts = tuple(_part(key, sub_index) for key, sub_index in shard.sub_indexes.items())
        return cls(shard.sequence, shard.moved_sequence, shard.device.dimensions, parts)

    async def chunks(self, in_thread: InThread) -> AsyncIterator[bytes]:
        """The snapshot's bytes; the index's thread is asked for a few milliseconds at a time."""
        yield _header(
            format=WITH_PICTURES if any(part.key[2] for part in self.parts) else TEXTS_ALONE,
            dimensions=self.dimensions,
            sequence=self.sequence,
            moved_sequence=self.moved_sequence,
            sub_indexes=len(self.parts),
        )
        for part in self.parts:
            for columns in await asyncio.to_thread(_columns, part):
                yield columns
            for start in range(0, len(part.kept), STEP_ROWS):
                rows = part.kept[start : start + STEP_ROWS]
                yield await in_thread(lambda rows=rows, part=part: part.vectors.at(rows).tobytes())  # type: ignore[misc]


def restore(shard: Shard, path: Path, sha256: str) -> None:
    """Fills an empty shard. Raises UnreadableError, and may leave the shard half filled then."""
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise UnreadableError("its checksum is wrong")
    try:
        data = _Reader(np.memmap(path, np.uint8, "r"))
        header = data.header()
        if header["format"] not in (TEXTS_ALONE, WITH_PICTURES) or header["dimensions"] != shard.device.dimensions:
            raise UnreadableError(f"it is of format {header['format']} with {header['dimensions']} dimensions")
        for _ in range(header["sub_indexes"]):
            _restore_sub_index(shard, data)
    except (KeyError, ValueError, IndexError) as error:
        raise UnreadableError(str(error)) from error
    shard.sequence, shard.moved_sequence = header["sequence"], header["moved_sequence"]


def _part(key: Key, sub_index: SubIndex) -> _Part:
    rows, lists = sub_index.rows, sub_index.lists
    segment_names, file_names = rows.all_names()
    return _Part(
        key,
        sub_index.device.dimensions,
        sub_index.vectors,
        lists,
        None if lists is None else lists.assigned,
        np.flatnonzero(rows.alive),
        rows.ids,
        rows.segments,
        rows.files,
        segment_names,
        file_names,
    )


def _header(**values: Any) -> bytes:
    text = json.dumps(values).encode()
    return len(text).to_bytes(8, "little") + text


def _columns(part: _Part) -> Iterator[bytes]:
    segments, segment_places = np.unique(part.segments[part.kept], return_inverse=True)
    files, file_places = np.unique(part.files[part.kept], return_inverse=True)
    made = [
        _header(
            tenant=part.key[0],
            collection=part.key[1],
            **({"space": part.key[2], "dimensions": part.dimensions} if part.key[2] else {}),
            rows=len(part.kept),
            segments=[part.segment_names[number] for number in segments.tolist()],
            files=[part.file_names[number] for number in files.tolist()],
            lists=0 if part.lists is None else len(part.lists.centroids),
            probes=0 if part.lists is None else part.lists.probes,
        ),
        part.ids[part.kept].astype("<i8").tobytes(),
        segment_places.astype("<i4").tobytes(),
        file_places.astype("<i4").tobytes(),
    ]
    if part.lists is not None and part.assigned is not None:
        made += [part.lists.centroids.astype("<f4").tobytes(), part.assigned[part.kept].astype("<i4").tobytes()]
    return iter(made)


class _Reader:
    def __init__(self, data: np.ndarray) -> None:
        self._data = data
        self._at = 0

    def array(self, kind: str, count: int) -> np.ndarray:
        """Raises ValueError where the data ends before."""
        size = np.dtype(kind).itemsize * count
        if self._at + size > len(self._data):
            raise ValueError("it ends too early")
        values = np.frombuffer(self._data[self._at : self._at + size].tobytes(), kind)
        self._at += size
        return values

    def header(self) -> dict[str, Any]:
        (size,) = self.array("<u8", 1)
        return json.loads(self.array("u1", int(size)).tobytes())


def _restore_sub_index(shard: Shard, data: _Reader) -> None:
    header = data.header()
    count, dimensions = header["rows"], header.get("dimensions", shard.device.dimensions)
    key = (header["tenant"], header["collection"], header.get("space", ""))
    sub_index = shard.new_sub_index(key, dimensions)
    ids, segments, files = data.array("<i8", count), data.array("<i4", count), data.array("<i4", count)
    sub_index.rows.restore(ids, segments, header["segments"], files, header["files"])
    assigned = None
    if header["lists"]:
        centroids = data.array("<f4", header["lists"] * dimensions).reshape(header["lists"], dimensions)
        sub_index.use_lists(sub_index.device.lists(centroids), header["probes"])
        assigned = data.array("<i4", count)
    for start in range(0, count, STEP_ROWS):
        rows = min(STEP_ROWS, count - start)
        vectors = data.array("<f4", rows * dimensions).reshape(rows, dimensions)
        sub_index.append(vectors, None if assigned is None else assigned[start : start + rows])
    if sub_index.lists is not None:
        sub_index.try_lists_later()
    shard.hold(key, sub_index)
