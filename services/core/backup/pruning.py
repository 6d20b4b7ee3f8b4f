"""Takes old backups of a folder away, and what only they named of the objects that they share."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

from services.core.backup.manifest import NAME, damaged
from services.core.backup.pool import LIST, OBJECTS, TEMPORARY, ObjectList, Pool


def whole_backups(folder: Path) -> list[Path]:
    """Those of `folder`, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"[0-9]*/{NAME}"))


def prune(folder: Path, keep: int) -> None:
    """Leaves the newest `keep` (at least 1).

    For whoever alone writes there. Raises INVALID_ARGUMENT, before anything goes, where a list of those left can't be read.
    """
    found = whole_backups(folder)
    old, left = found[:-keep], found[-keep:]
    with ExitStack() as stack:
        lists = [stack.enter_context(closing(_readable(path / LIST))) for path in left]
        for path in old:
            hidden = folder / f"{TEMPORARY}{path.name}"
            path.rename(hidden)  # at no time does half a backup look like one
            shutil.rmtree(hidden)
        Pool(folder / OBJECTS).leave(lambda sha256: any(each.names(sha256) for each in lists))


def _readable(path: Path) -> ObjectList:
    try:
        listed = ObjectList(path)
        listed.count("copied")
    except sqlite3.Error as error:
        raise damaged(path, "it can't be read") from error
    return listed
