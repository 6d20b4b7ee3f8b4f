"""Which columns and values of the tables a question's words speak of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.entities.words import CONCEPTS, KINDS, Token, singular, stem, tokens, words_of

NUMBER_TYPES = ("BIGINT", "DOUBLE")
DATE_TYPES = ("DATE", "TIMESTAMP")
_AUXILIARY = frozenset("has is are was were with can have contains includes shows on at of in the a".split())
_UNITS = frozenset("seconds minutes hours grams kg usd eur count number total at on date name id".split())
_HOLDS = re.compile(r"“([^”]*)” holds ([^;]*)")  # in the description of collection_name
_COUNTED = re.compile(r"\((\d+) different values\)$")
# Columns that tell where a row is from, not what was found.
_PLACES = ("collection_id", "collection_name", "file_id", "filename", "segment_id", "start_time", "end_time")

# How sure it is that a word speaks of a column.
EXACT, ALIKE, MEANT, DESCRIBED = 4, 3, 2, 1


@dataclass(frozen=True)
class EntityColumn:
    table: str
    name: str
    type: str
    description: str
    examples: tuple[str, ...]
    distinct: int | None  # how many values there are, where that is known

    @property
    def label(self) -> str:
        return " ".join(words_of(self.name)) or self.name

    @property
    def sql(self) -> str:
        return ("f." if self.table == "files" else "e.") + quoted(self.name)

    @property
    def is_list(self) -> bool:
        return self.type.endswith("[]")

    @property
    def is_text(self) -> bool:
        return self.type in ("VARCHAR", "VARCHAR[]")

    @property
    def is_number(self) -> bool:
        return self.type in NUMBER_TYPES

    @property
    def is_date(self) -> bool:
        return self.type in DATE_TYPES

    @property
    def is_flag(self) -> bool:
        return self.type == "BOOLEAN"

    def mentioned_by(self, token: Token) -> int:
        """How surely a word speaks of this column; 0 where it does not."""
        if token.kind != "word":
            return 0
        name = [word for word in words_of(self.name) if word not in _AUXILIARY]
        if token.forms[0] in map(singular, name):
            return EXACT
        if token.forms[1] in map(stem, name):
            return ALIKE
        for names, meant in CONCEPTS:
            known = any(singular(word) in names or word in names for word in words_of(self.name))
            if known and (token.word in meant or token.forms[0] in meant):
                return MEANT
        described = words_of(_COUNTED.sub("", self.description))
        if token.forms[1] in {stem(word) for word in described if len(word) > 3 and word not in _UNITS}:
            return DESCRIBED
        return 0

    @property
    def told(self) -> list[str]:
        """Every word of its name and description."""
        return words_of(self.name) + words_of(self.description)

    @property
    def head_words(self) -> list[str]:
        """The words of its name that are not a unit or an auxiliary."""
        return [word for word in words_of(self.name) if word not in _AUXILIARY | _UNITS] or words_of(self.name)


@dataclass(frozen=True)
class ValueSpan:
    """Words of the question that are a value which occurs."""

    start: int
    end: int
    column: EntityColumn
    value: str
    is_whole: bool  # else they are a part of the value


class Columns:
    """The columns that one plan may use: those of `files`, and of one table of entities."""

    def __init__(self, tables: Sequence[pb.EntityTable], table: str) -> None:
        self.table = table
        self.all: list[EntityColumn] = []
        self.elsewhere: list[EntityColumn] = []  # of the other table, which this plan may not use
        self.collection_names: tuple[str, ...] = ()
        self._held: dict[str, str] = {}  # what collections hold, in the words of whoever named them
        self.rows = 0  # how many videos the table tells of, where that is known
        for item in tables:
            for column in item.columns:
                if column.name == "collection_name" and item.name == "files":
                    self.collection_names = tuple(column.examples)
                    self._held = dict(_HOLDS.findall(column.description))
                if (
                    column.name == "filename"
                    and item.name == table
                    and (counted := _COUNTED.search(column.description))
                ):
                    self.rows = int(counted[1])
                if column.name in _PLACES or column.type.startswith("JSON") or column.name in ("entities", "metadata"):
                    continue
                counted = _COUNTED.search(column.description)
                (self.all if item.name in ("files", table) else self.elsewhere).append(
                    EntityColumn(
                        item.name,
                        column.name,
                        column.type,
                        column.description,
                        tuple(column.examples),
                        int(counted[1]) if counted else None,
                    )
                )

    def row_words(self, collection: str) -> set[str]:
        """What a video of the collection may be called: words of its name, plurals of its description, and their like."""
        own = set(map(singular, words_of(collection)))
        own |= {singular(word) for word in words_of(self._held.get(collection, "")) if singular(word) != word}
        return own.union(*(kind for kind in KINDS if kind & own))

    @property
    def properties(self) -> list[EntityColumn]:
        return [column for column in self.all if column.table != "files"]

    def best(
        self, token: Token, among: Iterable[EntityColumn] | None = None, least: int = DESCRIBED
    ) -> EntityColumn | None:
        """The one column that a word surely speaks of; None where there is none, or two speak alike."""
        scored = [(column.mentioned_by(token), column) for column in (self.all if among is None else among)]
        most = max((score for score, _ in scored), default=0)
        if most < least or not most:
            return None
        found = [column for score, column in scored if score == most]
        own = [column for column in found if column.table != "files"]
        narrowed = own or found
        # "slides" is of slide_count rather than of a column that has it among more words.
        if len(narrowed) > 1:
            narrowed = [
                column for column in narrowed if len(column.head_words) == min(len(c.head_words) for c in narrowed)
            ]
        return narrowed[0] if len(narrowed) == 1 else None

    def label_column(self) -> EntityColumn | None:
        """What a row is called, if it is called anything: a title, or the first text that no two videos share."""
        texts = [column for column in self.properties if column.type == "VARCHAR"]
        named = [column for column in texts if {"title", "product", "name", "headline"} & set(words_of(column.name))]
        apart = [column for column in texts if column.distinct is not None and column.distinct == self.rows >= 3]
        return next(iter([*(column for column in named if column in apart), *apart, *named]), None)

    def values(self, question: Sequence[Token]) -> list[ValueSpan]:
        """Every run of words that is a value, longest first; of names also a part, if it is written as a name."""
        spans: list[ValueSpan] = []
        stems = [token.forms[1] for token in question]
        for column in self.all:
            if not column.is_text:
                continue
            for value in column.examples:
                wanted = [token.forms[1] for token in tokens(value) if token.kind != "mark"]
                if not wanted:
                    continue
                for start in _runs(stems, wanted):
                    spans.append(ValueSpan(start, start + len(wanted), column, value, True))
                for index, token in enumerate(question):
                    if token.kind == "quoted" and token.word == value.lower():
                        spans.append(ValueSpan(index, index + 1, column, value, True))
                if len(wanted) > 1:
                    spans += self._parts(question, column, value, wanted)
        return sorted(spans, key=lambda span: (span.start - span.end, not span.is_whole))

    def _parts(
        self, question: Sequence[Token], column: EntityColumn, value: str, wanted: list[str]
    ) -> Iterable[ValueSpan]:
        start = 0
        while start < len(question):
            end = start
            while end < len(question) and question[end].is_capital and question[end].forms[1] in wanted:
                end += 1
            if end > start and end - start < len(wanted) and len(question[start].word) > 2:
                text = " ".join(token.text.removesuffix("'s") for token in question[start:end])
                if text.lower() in value.lower():
                    yield ValueSpan(start, end, column, text, False)
            start = max(end, start + 1)


def _runs(stems: Sequence[str], wanted: Sequence[str]) -> Iterable[int]:
    length = len(wanted)
    return (start for start in range(len(stems) - length + 1) if list(stems[start : start + length]) == list(wanted))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
