"""What a backup is made of. Its manifest is written last: a folder without one is no backup."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from services.core.errors import ArcusError, invalid
from services.core.store.migration import NEEDED
from services.core.store.objects import file_sha256

FORMAT = 1
NAME = "manifest.json"
DatabaseKind = Literal["sqlite", "postgresql"]


@dataclass(frozen=True)
class Part:
    """A file of the backup's own folder."""

    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Part:
        return cls(path.stat().st_size, file_sha256(path))


@dataclass(frozen=True)
class Manifest:
    """created_at: Unix milliseconds; rows: of each table; lost: objects that were not whole when they were to be copied."""

    database: DatabaseKind
    schema: str
    created_at: int
    parts: Mapping[str, Part]
    rows: Mapping[str, int]
    objects: int
    object_bytes: int
    lost: int
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        with (folder / NAME).open("w") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Of a backup whose parts are whole. Raises INVALID_ARGUMENT that names what is not."""
        path = folder / NAME
        try:
            values = json.loads(path.read_text())
            if values["format"] != FORMAT:
                raise invalid(
                    f"{path} is of format {values['format']}, and this Arcus knows {FORMAT}; use the Arcus that made it."
                )
            parts = {name: Part(**part) for name, part in values.pop("parts").items()}
            manifest = cls(parts=parts, **values)
        except FileNotFoundError as error:
            inside = max((each.parent.name for each in folder.glob(f"[0-9]*/{NAME}")), default="")
            hint = f" Its newest backup is {folder / inside}." if inside else ""
            raise invalid(f"{folder} is no backup, or not a whole one: it has no {NAME}.{hint}") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(path, "it can't be read") from error
        manifest._check(folder)
        return manifest

    def _check(self, folder: Path) -> None:
        if self.schema > NEEDED:
            raise invalid(
                f"{folder} is of a newer Arcus: its tables have version {self.schema}, and this one knows up to {NEEDED}. "
                "Restore it with that Arcus."
            )
        for name, part in self.parts.items():
            try:
                found = Part.of(folder / name)
            except OSError as error:
                raise damaged(folder / name, "it can't be read") from error
            if found != part:
                raise damaged(folder / name, "its checksum is another")


def damaged(path: Path, detail: str) -> ArcusError:
    return invalid(f"{path} is damaged: {detail}. Restore another backup, or put this file back.")
