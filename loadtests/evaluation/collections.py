"""The collections as their files tell them: scripts of videos, records of entities, and questions with their truth."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

HERE = Path(__file__).parent
PARTS = ("work", "choose", "final")
Kind = Literal[
    "whole", "moment", "list", "who", "how many", "fact", "compare", "which file", "extreme", "follow-up", "database",
    "entities", "yes or no", "paraphrase", "absent", "near miss",
]  # fmt: skip
UNANSWERABLE = ("absent", "near miss")
LANGUAGES = ("en", "de", "fr", "es", "pt", "zh", "ja")


@dataclass(frozen=True)
class Question:
    """`turns`: what is asked; only the last is graded. `facts`: what a reply must hold, each "one|another way to say it".

    `at`: moments (filename, part) that show the answer, any of which will do. `files`: those that must be cited, no other.
    `within`: the only files to ask. `bait`: what a wrong reply would hold.
    """

    kind: Kind
    turns: tuple[str, ...]
    language: str = "en"
    facts: tuple[str, ...] = ()
    share: float = 1.0  # of the facts that must be there
    at: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    bait: tuple[str, ...] = ()
    affirmed: bool | None = None

    @property
    def is_answerable(self) -> bool:
        return self.kind not in UNANSWERABLE


@dataclass(frozen=True)
class Collection:
    """`videos`: filename → its script, as `clips` makes it; `records`: filename → its entities, where `schema` is given.

    `recorded`: its videos are not made, but found in the folder ARCUS_MEDIA.
    """

    name: str
    part: str
    description: str
    videos: Mapping[str, Mapping[str, Any]]
    questions: tuple[Question, ...]
    schema: Mapping[str, Any] = field(default_factory=dict)
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recorded: bool = False


def read(part: str) -> list[Collection]:
    """The collections of one part, by name; recorded ones where ARCUS_MEDIA is set.

    Raises ValueError that names the file and what is wrong in it.
    """
    found = []
    for path in sorted((HERE / part).glob("*.yaml")):
        try:
            found.append(_collection(part, path.stem, yaml.safe_load(path.read_text())))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{part}/{path.name}: {error}") from error
    return [item for item in found if not item.recorded or os.environ.get("ARCUS_MEDIA")]


def _collection(part: str, name: str, told: dict[str, Any]) -> Collection:
    made = Collection(
        name,
        part,
        told.get("description", ""),
        told.get("videos", {}),
        tuple(_strict(_question(item), told.get("records", {})) for item in told["questions"]),
        told.get("schema", {}),
        told.get("records", {}),
        told.get("recorded", False),
    )
    for question in made.questions:
        for filename, shown in question.at:
            if shown not in made.videos[filename]["parts"]:
                raise ValueError(f"{question.turns[-1]!r}: {filename} has no part {shown}")
        unknown = {*question.files, *question.within} - {*made.videos, *made.records}
        if unknown:
            raise ValueError(f"{question.turns[-1]!r}: no file {sorted(unknown)}")
    return made


def _strict(question: Question, records: Mapping[str, Mapping[str, Any]]) -> Question:
    """A question whose answer is some of the records is answered wrongly by what names another of them."""
    ways = [{name.rsplit(".", 1)[0], str(next(iter(record.values())))} for name, record in records.items()]
    told = {way for fact in question.facts for way in fact.split("|")}
    others = tuple(way for each in ways if not each & told for way in sorted(each))
    named = any(each & told for each in ways)
    return replace(question, bait=(*question.bait, *others)) if named and question.is_answerable else question


def _question(told: dict[str, Any]) -> Question:
    """Single values stand for lists of one; a moment is written "filename#part"."""
    item = dict(told)
    kind, ask = item.pop("kind"), item.pop("ask")
    if kind not in get_args(Kind):
        raise ValueError(f"{ask!r}: no kind {kind!r}")
    language = item.pop("language", "en")
    if language not in LANGUAGES:
        raise ValueError(f"{ask!r}: no language {language!r}")
    made = Question(
        kind,
        _several(ask),
        language,
        facts=_several(item.pop("facts", ())),
        share=item.pop("share", 0.5 if kind == "whole" else 1.0),
        at=tuple(_moment(place) for place in _several(item.pop("at", ()))),
        files=_several(item.pop("files", ())),
        within=_several(item.pop("within", ())),
        bait=_several(item.pop("bait", ())),
        affirmed=item.pop("affirmed", None),
    )
    if item:
        raise ValueError(f"{ask!r}: unknown {sorted(item)}")
    if made.is_answerable and not (made.facts or made.at or made.files or made.affirmed is not None):
        raise ValueError(f"{ask!r}: nothing tells what is right")
    return made


def _several(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def _moment(place: str) -> tuple[str, str]:
    filename, _, part = place.partition("#")
    return filename, part
