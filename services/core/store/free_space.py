"""The free space that is kept on a disk: what is about to be written counts as written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.core.errors import ArcusError, Reason


class FreeSpace:
    """One per process and disk. Other processes count once their bytes are on the disk, so each may go over by what it
    holds in memory."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._pending_bytes = 0

    def check(self) -> None:
        """Raises STORAGE_FULL where the reserve is reached."""
        if shutil.disk_usage(self._folder).free - self._pending_bytes < self._reserve_bytes:
            raise ArcusError(
                Reason.STORAGE_FULL,
                "The disk is nearly full; free space on the server or delete files, then try again.",
            )

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """One writer's place, until the block ends."""
        writing = Writing(self)
        try:
            yield writing
        finally:
            writing.hold(0)

    def _change(self, more_bytes: int) -> None:
        self._pending_bytes += more_bytes
        if more_bytes > 0:
            self.check()


class Writing:
    """What one writer holds in memory that will be on the disk."""

    def __init__(self, space: FreeSpace) -> None:
        self._space = space
        self._held_bytes = 0

    def hold(self, bytes: int) -> None:
        """So many bytes are not written yet. Raises STORAGE_FULL where there is no room for them and all others'."""
        more, self._held_bytes = bytes - self._held_bytes, bytes
        self._space._change(more)

    def check(self) -> None:
        """Raises STORAGE_FULL where others, or what is written by now, have reached the reserve."""
        self._space.check()
