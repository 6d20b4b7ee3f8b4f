"""The columns that a query may use, and how surely words speak of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.slots.lexicon import Lexicon, currency_names, lexicon, unit_names
from services.core.search.tokens import folded
from services.core.stemming import stem

_GRAMMAR = frozenset("has have is are was were with of in on at the a and to by for it its what which how".split())
_COUNTED = re.compile(r"\((\d+) different values\)$")
# Columns that tell where a row is from; those of JSON have no values to compare.
NOTED = "noted by the uploader"
_UNUSED = frozenset("collection_id file_id segment_id start_time end_time entities metadata".split())


@dataclass(frozen=True)
class SlotColumn:
    table: str
    name: str
    type: str
    description: str
    examples: tuple[str, ...]
    distinct: int | None  # how many values there are, where that is known

    @property
    def words(self) -> list[str]:
        return _words(self.name)

    @property
    def told(self) -> list[str]:
        """The words of its description."""
        return _words(_COUNTED.sub("", self.description), keep_grammar=True)

    @property
    def label(self) -> str:
        return " ".join(_words(self.name, keep_grammar=True)) or self.name

    @property
    def sql(self) -> str:
        return ("f." if self.table == "files" else "e.") + quoted(self.name)

    @property
    def is_noted(self) -> bool:
        """Whether it is of the metadata that an uploader sent with the file."""
        return self.table == "files" and self.description.startswith(NOTED)

    @property
    def is_list(self) -> bool:
        return self.type.endswith("[]")

    @property
    def is_text(self) -> bool:
        return self.type.startswith("VARCHAR")

    @property
    def is_number(self) -> bool:
        return self.type in ("BIGINT", "DOUBLE")

    @property
    def is_date(self) -> bool:
        return self.type in ("DATE", "TIMESTAMP")

    @property
    def is_flag(self) -> bool:
        return self.type == "BOOLEAN"

    @property
    def unit(self) -> tuple[str, float] | None:
        """What it is measured in, as its name or else its description says."""
        if len(self.words) > 1 and len(self.words[-1]) == 1 and self.words[-1] in unit_names():
            return unit_names()[self.words[-1]]  # depth_m
        for words in (self.words, _words(self.description)):
            for word in reversed(words):
                if word in unit_names() and len(word) > 1:
                    return unit_names()[word]
        return None

    @property
    def currency(self) -> str | None:
        for word in (*self.words, *_words(self.description)):
            if word in currency_names():
                return currency_names()[word]
        return None

    @property
    def lists_every_value(self) -> bool:
        return self.distinct is not None and len(self.examples) == self.distinct

    def names(self, language: Lexicon) -> list[tuple[str, int]]:
        """(phrase, how surely it means this column): 3 its whole name, 2 a word of it."""
        if self.table == "files":
            own = [phrase for words in (language, lexicon("en")) for phrase in words.files.get(self.name, ())]
            if own:
                return [(phrase, 3) for phrase in own]
        words = self.words
        found = [(" ".join(words), 3)] if words else []
        # "count" of slide_count asks how many, and names nothing alone.
        asking = {word for word, intents in language.carriers.items() if "list" not in intents}
        asking -= {name for names in language.files.values() for name in names}
        return found + [(word, 2) for word in words if len(words) > 1 and word not in asking | unit_names().keys()]

    def describes(self, word: str) -> bool:
        """Whether the word is one of its name or its description, in whatever form."""
        told = {stem(item) for item in (*self.words, *self.told) if item not in _GRAMMAR}
        return stem(word) in told


def columns_of(tables: Sequence[pb.EntityTable], table: str) -> list[SlotColumn]:
    """Those of `files`, and of `table`."""
    found = []
    for item in tables:
        if item.name in ("files", table):
            for column in item.columns:
                is_repeated = item.name != "files" and column.name in ("filename", "collection_name")
                if column.name in _UNUSED or column.type.startswith("JSON") or is_repeated:
                    continue
                counted = _COUNTED.search(column.description)
                distinct = int(counted[1]) if counted else None
                examples = tuple(column.examples)
                found.append(SlotColumn(item.name, column.name, column.type, column.description, examples, distinct))
    return found


def _words(name: str, *, keep_grammar: bool = False) -> list[str]:
    """Of a column's name: batch_no, batchNo and "batch no" alike, folded."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = [word for word in re.split(r"[\W_]+", folded(spaced)) if word]
    return words if keep_grammar else [word for word in words if word not in _GRAMMAR]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
