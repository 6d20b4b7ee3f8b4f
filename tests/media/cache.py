"""Each clip is made once, whoever asks and however many ask at once, and again when anything it is made from changes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from functools import cache
from pathlib import Path

from tests.media import damage, numbered, recordings, scenes, talks

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "media"
STALE_SECONDS = 24 * 3600

RECIPES = numbered.RECIPES | scenes.RECIPES | recordings.RECIPES | talks.RECIPES | damage.RECIPES
NAMES = tuple(sorted(RECIPES))


def clip(name: str) -> Path:
    """The path of a clip of the catalogue. Raises KeyError for a name that isn't in it.

    The file is not to be changed: all tests of a checkout share it.
    """
    recipe, folder = RECIPES[name], _folder()
    path = folder / name
    if path.exists():
        return path
    with (folder / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            unfinished = folder / f".{os.getpid()}-{name}"
            recipe(unfinished)
            os.replace(unfinished, path)
    return path


@cache
def _folder() -> Path:
    """build/media/HASH, where HASH tells the scripts and what they read; folders of other hashes go after a day."""
    digest = hashlib.sha256()
    for source in sorted(path for path in HERE.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(f"{source.relative_to(HERE)}\0".encode() + source.read_bytes())
    folder = BUILD / digest.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    for other in BUILD.iterdir():
        if other != folder and time.time() - other.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
    return folder
