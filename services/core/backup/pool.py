"""Copies of objects by their SHA-256, shared by the backups of a folder, and the list that names them by key."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from services.core.backup.manifest import damaged
from services.core.store.objects import StoredObject

OBJECTS = "objects"  # the pool of all backups of a folder
LIST = "objects.sqlite"  # of one backup
STEP_BYTES = 1024**2
TEMPORARY = ".partial-"
_TABLES = """
CREATE TABLE objects (
  key TEXT PRIMARY KEY, folder TEXT NOT NULL, kind TEXT NOT NULL, row_id TEXT NOT NULL,
  size_bytes INTEGER, sha256 TEXT, tag TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL DEFAULT 'wanted'  -- wanted, copied, gone, lost
);
CREATE INDEX objects_by_folder ON objects (folder, key);
CREATE INDEX objects_by_content ON objects (sha256);
"""


class Pool:
    """A file is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def clear(self) -> None:
        """For whoever alone writes: makes the folder, and takes away what one left that was killed."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for path in self._folder.glob(f"{TEMPORARY}*"):
            path.unlink()

    def path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def holds(self, sha256: str, size_bytes: int) -> bool:
        path = self.path(sha256)
        return path.exists() and path.stat().st_size == size_bytes

    async def add(self, chunks: AsyncIterator[bytes]) -> StoredObject:
        digest, size_bytes = hashlib.sha256(), 0
        draft = self._folder / f"{TEMPORARY}{uuid4()}"
        try:
            with draft.open("xb") as file:
                async for chunk in chunks:
                    size_bytes += len(chunk)
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            stored = StoredObject(size_bytes, digest.hexdigest())
            self.path(stored.sha256).parent.mkdir(mode=0o700, exist_ok=True)
            draft.rename(self.path(stored.sha256))
        finally:
            draft.unlink(missing_ok=True)
        return stored

    def leave(self, wanted: Callable[[str], bool]) -> None:
        """Takes away what is not `wanted` by its checksum."""
        for folder in sorted(path for path in self._folder.iterdir() if path.is_dir()):
            for path in folder.iterdir():
                if not wanted(path.name):
                    path.unlink()

    async def chunks(self, sha256: str, size_bytes: int) -> AsyncIterator[bytes]:
        """Raises INVALID_ARGUMENT that names the file where it is not what was stored, at the latest behind its last byte."""
        path, digest = self.path(sha256), hashlib.sha256()
        try:
            if path.stat().st_size != size_bytes:
                raise damaged(path, "it has another size")
            with path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, STEP_BYTES):
                    digest.update(chunk)
                    yield chunk
        except OSError as error:
            raise damaged(path, "it can't be read") from error
        if digest.hexdigest() != sha256:
            raise damaged(path, "its checksum is another")


@dataclass(frozen=True)
class Entry:
    """An object that a row of `kind` (files, thumbnails) names. sha256: empty where no row tells it and it is not copied."""

    key: str
    folder: str
    kind: str
    row_id: str
    size_bytes: int
    sha256: str
    tag: str


_COLUMNS = ", ".join(Entry.__dataclass_fields__)


class ObjectList:
    """A SQLite file of its own, so that no list of objects is whole in memory."""

    def __init__(self, path: Path, *, is_new: bool = False) -> None:
        self._database = sqlite3.connect(path if is_new else f"{path.absolute().as_uri()}?mode=ro", uri=not is_new)
        if is_new:
            self._database.executescript(_TABLES)

    def close(self) -> None:
        self._database.commit()
        self._database.close()

    def want(self, kind: str, row_id: str, key: str, size_bytes: int | None, sha256: str | None) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO objects (key, folder, kind, row_id, size_bytes, sha256) VALUES (?, ?, ?, ?, ?, ?)",
            (key, key.rsplit("/", 1)[0], kind, row_id, size_bytes or 0, sha256 or ""),
        )

    def folders(self) -> Iterator[list[Entry]]:
        """Those wanted, a folder at a time."""
        after = ""
        while True:
            query = "SELECT min(folder) FROM objects WHERE state = 'wanted' AND folder > ?"
            (folder,) = self._database.execute(query, (after,)).fetchone()
            if folder is None:
                return
            query = f"SELECT {_COLUMNS} FROM objects WHERE state = 'wanted' AND folder = ? ORDER BY key"
            yield [Entry(*row) for row in self._database.execute(query, (folder,))]
            after = folder

    def copied(self, key: str, sha256: str, size_bytes: int, tag: str) -> None:
        self._database.execute(
            "UPDATE objects SET state = 'copied', size_bytes = ?, sha256 = ?, tag = ? WHERE key = ?",
            (size_bytes, sha256, tag, key),
        )

    def missed(self, key: str, *, is_gone: bool) -> None:
        """gone: deleted since the database's copy was made; lost: it should be there."""
        self._database.execute("UPDATE objects SET state = ? WHERE key = ?", ("gone" if is_gone else "lost", key))

    def find(self, key: str) -> Entry | None:
        """One that was copied."""
        query = f"SELECT {_COLUMNS} FROM objects WHERE key = ? AND state = 'copied'"
        row = self._database.execute(query, (key,)).fetchone()
        return Entry(*row) if row else None

    def names(self, sha256: str) -> bool:
        """Whether a copy of that content belongs to it."""
        query = "SELECT 1 FROM objects WHERE sha256 = ? AND state = 'copied' LIMIT 1"
        return self._database.execute(query, (sha256,)).fetchone() is not None

    def of(self, state: str) -> Iterator[Entry]:
        with closing(
            self._database.execute(f"SELECT {_COLUMNS} FROM objects WHERE state = ? ORDER BY key", (state,))
        ) as rows:
            for row in rows:
                yield Entry(*row)

    def count(self, state: str) -> tuple[int, int]:
        """How many, and their bytes."""
        query = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM objects WHERE state = ?"
        return self._database.execute(query, (state,)).fetchone()
