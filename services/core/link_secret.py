"""The secret that signs links to pictures: of the settings, or made once and kept in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from services.core.errors import invalid
from services.core.settings import Settings

MIN_CHARACTERS = 16
FILE = "link_secret"


def link_secret(settings: Settings) -> str:
    """The same after each start, and in each front on one data folder. Raises INVALID_ARGUMENT where there can be none."""
    given = settings.link_secret.get_secret_value()
    return _checked("ARCUS_LINK_SECRET", given) if given else _kept(settings.data_dir / FILE)


def other_link_secret(settings: Settings) -> str:
    """One whose links are taken too; empty where there is none."""
    given = settings.link_other_secret.get_secret_value()
    return _checked("ARCUS_LINK_OTHER_SECRET", given) if given else ""


def _checked(setting: str, given: str) -> str:
    if len(given) < MIN_CHARACTERS:
        raise invalid(f"{setting} needs {MIN_CHARACTERS} characters or more; one may be made by: openssl rand -hex 32")
    return given


def _kept(path: Path) -> str:
    try:
        if not path.exists():
            _make(path)
        kept = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(
            f"The secret of links to pictures can't be kept in {path} ({error}); set ARCUS_LINK_SECRET, or "
            "ARCUS_DATA_DIR to a folder that can be written to."
        ) from error
    if len(kept) < MIN_CHARACTERS:
        raise invalid(f"{path} holds no secret of {MIN_CHARACTERS} characters or more; delete it, and another is made.")
    return kept


def _make(path: Path) -> None:
    """Whole or not at all: of fronts that start at once, all read what the first one wrote."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
