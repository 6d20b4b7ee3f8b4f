"""The folder of real recordings that ARCUS_MEDIA names, and what is true of each by its ground_truth.json."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.embedded_models import reader, transcriber

__all__ = ["FOLDER", "TRUTH", "reader", "real", "transcriber"]

FOLDER = Path(os.environ["ARCUS_MEDIA"]) if os.environ.get("ARCUS_MEDIA") else None
if FOLDER is not None and not (FOLDER / "ground_truth.json").is_file():
    raise pytest.UsageError(f"ARCUS_MEDIA={FOLDER} has no ground_truth.json")
TRUTH: dict[str, dict[str, Any]] = json.loads((FOLDER / "ground_truth.json").read_text()) if FOLDER else {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if FOLDER is None:
        for item in items:
            if "media_suite" in item.path.parts:
                item.add_marker(pytest.mark.skip(reason="ARCUS_MEDIA does not name a folder of real recordings"))


def real(name: str) -> Path:
    """The path of a recording. Where the folder lacks it, the test fails: its ground truth promises it."""
    assert FOLDER is not None and (FOLDER / name).is_file(), f"{name} is not in {FOLDER}"
    return FOLDER / name
