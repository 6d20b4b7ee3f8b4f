"""An SQLite database of the newest tables: each process of the tests makes one, which takes long, and copies it then."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from tests.contract.postgres_server import migrate


def copy_migrated(path: Path) -> None:
    """Puts one there, where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_migrated(), path)


@cache
def _migrated() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="arcus-migrated-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "arcus.db"
    with ThreadPoolExecutor(1) as thread:  # who asks may have a loop that runs
        thread.submit(asyncio.run, migrate(f"sqlite+aiosqlite:///{path}")).result()
    return path
