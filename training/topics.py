"""The requests about whole videos of topics.yaml, with the files that each means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

EXAMPLES = Path(__file__).with_name("topics.yaml")
ALL = "all"


@dataclass(frozen=True)
class Asked:
    language: str
    text: str
    means: frozenset[str]  # names of files; empty where none is meant in particular


@dataclass(frozen=True)
class Topics:
    """One collection. `files`: what is said and shown in each."""

    files: Mapping[str, Sequence[str]]
    asked: Sequence[Asked]


def topics() -> Iterator[Topics]:
    """Raises ValueError where a request means a file that its collection does not have."""
    for name, told in yaml.safe_load(EXAMPLES.read_text(encoding="utf-8")).items():
        asked = [
            Asked(language, text, frozenset() if files == ALL else frozenset(files.split(", ")))
            for language, every in told["ask"].items()
            for files, texts in every.items()
            for text in texts
        ]
        if unknown := frozenset().union(*(item.means for item in asked)) - told["files"].keys():
            raise ValueError(f"{name} has no {', '.join(sorted(unknown))}")
        yield Topics(told["files"], asked)
