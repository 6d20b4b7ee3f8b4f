"""Objects of a remote store as local files: read over the network once while a process works on them, however many parts do."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import IO

MAX_BYTES = 4 * 1024**3  # kept beside those that are in use
MAX_COPIES = 64  # the same
IDLE_SECONDS = 60.0  # that a copy is kept for whoever comes next

Load = Callable[[str, IO[bytes]], Awaitable[None]]


class _Copy:
    """A file without a name, so that nothing is left of it when the process is killed, and a link to it, whose name is
    never used again: the number of a closed file is, so a path made of it would later lead to another tenant's file."""

    def __init__(self, key: str, load: Load, folder: Path) -> None:
        self.file = tempfile.TemporaryFile(prefix="arcus-")
        self.path = folder / uuid.uuid4().hex
        self.path.symlink_to(f"/proc/{os.getpid()}/fd/{self.file.fileno()}")
        self.users = 0
        self.is_whole = False
        self.loading = asyncio.create_task(self._load(key, load), name=f"copy-{key}")
        self.expiry: asyncio.TimerHandle | None = None

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        self.file.close()

    @property
    def size_bytes(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    async def _load(self, key: str, load: Load) -> None:
        await load(key, self.file)
        self.file.flush()
        self.is_whole = True


class LocalCopies:
    """`load` writes an object into an open file. Objects never change, so a copy is as good as the object."""

    def __init__(
        self,
        load: Load,
        *,
        max_bytes: int = MAX_BYTES,
        max_copies: int = MAX_COPIES,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._load = load
        self._max_bytes = max_bytes
        self._max_copies = max_copies
        self._idle_seconds = idle_seconds
        self._copies: dict[str, _Copy] = {}  # those used last come last

    @cached_property
    def _links(self) -> Path:
        folder = tempfile.mkdtemp(prefix="arcus-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @asynccontextmanager
    async def opened(self, key: str) -> AsyncIterator[Path]:
        """The object as a file that can be opened by its path, until the block ends. Raises what `load` raises."""
        copy = self._copies.get(key) or _Copy(key, self._load, self._links)
        self._copies[key] = copy
        copy.users += 1
        if copy.expiry is not None:
            copy.expiry.cancel()
        try:
            await asyncio.shield(copy.loading)
            yield copy.path
        finally:
            copy.users -= 1
            self._leave(key, copy)

    def _leave(self, key: str, copy: _Copy) -> None:
        if not copy.is_whole:
            self._give_up(key, copy)
        elif not copy.users:
            self._copies[key] = self._copies.pop(key)
            copy.expiry = asyncio.get_running_loop().call_later(self._idle_seconds, self._drop, key, copy)
            self._trim()

    def _give_up(self, key: str, copy: _Copy) -> None:
        """Of a copy that failed, or that nobody waits for: whoever comes next tries anew."""
        if self._copies.get(key) is copy and (copy.loading.done() or not copy.users):
            del self._copies[key]
        if not copy.users:
            copy.loading.cancel()
            copy.loading.add_done_callback(lambda _: copy.close())

    def _trim(self) -> None:
        unused = {key: copy.size_bytes for key, copy in self._copies.items() if not copy.users}
        while len(unused) > self._max_copies or sum(unused.values()) > self._max_bytes:
            oldest = next(iter(unused))
            del unused[oldest]
            self._drop(oldest, self._copies[oldest])

    def _drop(self, key: str, copy: _Copy) -> None:
        del self._copies[key]
        if copy.expiry is not None:
            copy.expiry.cancel()
        copy.close()
