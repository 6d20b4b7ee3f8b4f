"""The requests about whole videos in topics/, with the files that each means, and questions for one thing beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.example_files import read_examples

EXAMPLES = Path(__file__).with_name("topics")
ALL = "all"


@dataclass(frozen=True)
class Asked:
    language: str
    text: str
    means: frozenset[str]  # names of files; empty where none is meant in particular


@dataclass(frozen=True)
class Topics:
    """One collection. `files`: what is said and shown in each; `facts`: questions that ask for one thing of it."""

    files: Mapping[str, Sequence[str]]
    asked: Sequence[Asked]
    facts: Sequence[str] = ()


def topics() -> Iterator[Topics]:
    """Raises ValueError where a request means a file that its collection does not have."""
    for name, told in read_examples(EXAMPLES).items():
        asked = [
            Asked(language, text, frozenset() if files == ALL else frozenset(files.split(", ")))
            for language, every in told["ask"].items()
            for files, texts in every.items()
            for text in texts
        ]
        if unknown := frozenset().union(*(item.means for item in asked)) - told["files"].keys():
            raise ValueError(f"{name} has no {', '.join(sorted(unknown))}")
        yield Topics(told["files"], asked, [text for texts in told.get("facts", {}).values() for text in texts])
