"""Examples that are written down, in the YAML files of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def read_examples(folder: Path) -> dict[str, Any]:
    """What is told of each collection, by its name, in the order of the files."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.yaml")):
        found |= yaml.safe_load(path.read_text(encoding="utf-8"))
    return found
