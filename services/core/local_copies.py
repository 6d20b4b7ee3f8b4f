"""Objects of a remote store as local files: read over the network once while a process works on them, however many parts do."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

MAX_BYTES = 4 * 1024**3  # kept beside those that are in use
MAX_COPIES = 64  # the same
IDLE_SECONDS = 60.0  # that a copy is kept for whoever comes next

Load = Callable[[str, IO[bytes]], Awaitable[None]]


class _Copy:
    """A file without a name, so that nothing is left of it when the process is killed."""

    def __init__(self, key: str, load: Load) -> None:
        self.file = tempfile.TemporaryFile(prefix="arcus-")
        self.users = 0
        self.loading = asyncio.create_task(self._load(key, load), name=f"copy-{key}")
        self.expiry: asyncio.TimerHandle | None = None

    @property
    def path(self) -> Path:
        return Path(f"/proc/{os.getpid()}/fd/{self.file.fileno()}")

    @property
    def size_bytes(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    async def _load(self, key: str, load: Load) -> None:
        await load(key, self.file)
        self.file.flush()


class LocalCopies:
    """`load` writes an object into an open file. Objects never change, so a copy is as good as the object."""

    def __init__(self, load: Load, *, max_bytes: int = MAX_BYTES, idle_seconds: float = IDLE_SECONDS) -> None:
        self._load = load
        self._max_bytes = max_bytes
        self._idle_seconds = idle_seconds
        self._copies: dict[str, _Copy] = {}  # those used last come last

    @asynccontextmanager
    async def opened(self, key: str) -> AsyncIterator[Path]:
        """The object as a file that can be opened by its path, until the block ends. Raises what `load` raises."""
        copy = self._copies.get(key) or _Copy(key, self._load)
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
        is_whole = copy.loading.done() and not copy.loading.cancelled() and copy.loading.exception() is None
        if not is_whole and self._copies.get(key) is copy and (copy.loading.done() or not copy.users):
            del self._copies[key]  # whoever comes next tries anew
        if copy.users:
            return
        if not is_whole:
            copy.loading.cancel()
            copy.loading.add_done_callback(lambda _: copy.file.close())
            return
        self._copies[key] = self._copies.pop(key)
        copy.expiry = asyncio.get_running_loop().call_later(self._idle_seconds, self._drop, key, copy)
        unused = {key: copy.size_bytes for key, copy in self._copies.items() if not copy.users}
        while len(unused) > MAX_COPIES or sum(unused.values()) > self._max_bytes:
            oldest = next(iter(unused))
            del unused[oldest]
            self._drop(oldest, self._copies[oldest])

    def _drop(self, key: str, copy: _Copy) -> None:
        del self._copies[key]
        if copy.expiry is not None:
            copy.expiry.cancel()
        copy.file.close()
