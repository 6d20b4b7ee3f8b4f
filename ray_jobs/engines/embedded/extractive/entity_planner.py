"""Plans SQL for a question about entities without a language model, or none where the question is not surely understood.

Every word of the question must have its place in the plan: one that has none may change what is asked, and then no query
is planned, since a number that answers another question is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.entities.columns import ALIKE, EXACT, MEANT, Columns, EntityColumn
from ray_jobs.engines.embedded.extractive.entities.conditions import Condition, adjective_column
from ray_jobs.engines.embedded.extractive.entities.filters import read_conditions
from ray_jobs.engines.embedded.extractive.entities.frame import LISTING, Frame
from ray_jobs.engines.embedded.extractive.entities.queries import Ask, write_query
from ray_jobs.engines.embedded.extractive.entities.words import (
    FILLERS,
    LIGHT,
    NEGATIONS,
    SCORES,
    Token,
    tokens,
    words_of,
)

MAX_QUESTION_CHARACTERS = 1_000

_PARTS = frozenset("segment moment part scene passage event incident time".split())
_COUNTING = frozenset("many number count".split())
_TIMES = frozenset("date day month year time week".split())
_DISTINCT = frozenset("different distinct unique".split())
_LINKS = frozenset(
    "are is was were do does did have has had with that in by per for each every of about from can there which who cost at "
    "on over under above below more less not without to between before after since gave got".split()
)


def queries(question: str, tables: Sequence[pb.EntityTable]) -> tuple[list[pb.Query], bool]:
    """The queries that answer, and whether they do so alone; ([], False) where the question is not understood."""
    if not tables or len(question) > MAX_QUESTION_CHARACTERS or len(re.findall(r"[?!]|\.\s", question.strip())) > 1:
        return [], False
    found: list[pb.Query] = []
    for table in ("files", "entities", "segment_entities"):
        if any(item.name == table for item in tables):
            query = _Reader(question, Columns(tables, table)).read()
            if query is not None:
                found.append(query)
                if table == "files":
                    break
    # Two tables that could both answer would say different things.
    return (found, True) if len(found) == 1 else ([], False)


@dataclass
class _Head:
    """What is asked for: rows, or a column's values."""

    column: EntityColumn | None = None
    is_rows: bool = False
    is_parts: bool = False
    said: str = ""


@dataclass
class _Reader(Frame):
    conditions: list[Condition] = field(default_factory=list)

    def read(self) -> pb.Query | None:
        self.words = tokens(self.text)
        if sum(token.word in NEGATIONS for token in self.words) > 1:
            return None
        ask = Ask(of_segments=self.columns.table == "segment_entities")
        ask.uses_entities = self.columns.table != "files"
        kind = self.opening()
        if kind is None:
            return None
        self.read_grouping(ask)
        top = self.read_extreme(ask)
        measure = self.read_measure()
        conditions = read_conditions(
            self.words, self.columns, several_collections=len(self.columns.collection_names) > 1
        )
        if conditions is None:
            return None
        self.conditions = ask.conditions = conditions
        if not self._decide(kind, ask, top, measure):
            return None
        used = [column for column in (*ask.columns(), *(item.column for item in conditions)) if column is not None]
        of_parts = ask.is_parts and self.columns.table == "segment_entities"
        if self.columns.table != "files" and not of_parts and not any(column.table != "files" for column in used):
            if not any(item.column is None and "e." in item.sql for item in conditions):
                return None  # the files alone can tell
        if any(not self._is_explained(token, used) for token in self.words):
            return None
        ask.label = self.columns.label_column()
        ask.uses_files = any(column.table == "files" for column in used) or any("f." in item.sql for item in conditions)
        return write_query(ask)

    def _head_after(self, kind: str) -> _Head | None:
        """What stands behind "how many" or "which": the last noun before the sentence goes on."""
        begin = 0
        for index, token in enumerate(self.words):
            if kind == "count" and token.word in _COUNTING:
                begin = index + 1
                break
            if kind == "list" and token.word in LISTING:
                begin = index + 1
                break
        head: _Head | None = None
        for token in self.words[begin:]:
            if (
                token.word in ("all", "the", "of", "are", "is", "was", "were", "me", "there", "different", "a", "an")
                and head is None
            ):
                continue
            if token.kind == "mark" or (token.word in _LINKS and head is not None):
                break
            found = self._noun(token)
            if head is not None and token.word.endswith("ed"):
                break  # "episodes aired": what was done with them
            if found is not None:
                head = found
            elif head is not None:
                break
        return head

    def _noun(self, token: Token) -> _Head | None:
        if token.kind != "word":
            return None
        column = self.columns.best(token, [c for c in self.columns.properties if not c.is_flag], ALIKE)
        if token.forms[0] in _PARTS and self.columns.table == "segment_entities":
            return _Head(is_parts=True, said=token.word)
        if column is not None and (column.mentioned_by(token) == EXACT or not self.is_row_word(token)):
            return _Head(column=column, said=token.word)
        if self.is_row_word(token):
            return _Head(is_rows=True, said=token.word)
        values = {word for item in self.conditions for value in item.words for word in words_of(value)}
        if token.is_read and any(token.forms[0] == word or token.word == word for word in values):
            return _Head(
                is_rows=self.columns.table != "segment_entities", is_parts=self.columns.table == "segment_entities"
            )
        flags = [item.column for item in self.conditions if item.column is not None and item.column.is_flag]
        if token.is_read and any(column.mentioned_by(token) == EXACT for column in flags):
            return _Head(
                is_rows=self.columns.table != "segment_entities", is_parts=self.columns.table == "segment_entities"
            )
        number = self.columns.best(token, [c for c in self.columns.all if c.is_number])
        if number is not None and not token.is_read:
            return _Head(column=number, said=token.word)
        return None

    def _take(self, column: EntityColumn | None) -> None:
        """Words that speak of a column which is used are read."""
        for token in self.words:
            if column is not None and not token.is_read and column.mentioned_by(token):
                best = max(item.mentioned_by(token) for item in self.columns.all)
                token.is_read = column.mentioned_by(token) >= min(best, ALIKE)

    def _number_left(self) -> EntityColumn | None:
        numbers = [column for column in self.columns.all if column.is_number]
        found = [
            column
            for token in self.words
            if not token.is_read and not self.is_row_word(token)
            if (column := self.columns.best(token, numbers)) is not None
        ]
        strong = {column for column in found}
        return found[0] if len(strong) == 1 else None

    def _decide(self, kind: str, ask: Ask, top: Token | None, measure: str) -> bool:
        """Fills in what is counted, listed or measured. False where that can't be told."""
        head = self._head_after(kind)
        opener = next((token.word for token in self.words if token.word in ("who", "where", "when")), "")
        if kind == "degree":
            head = _Head(column=self._degree())
            if head.column is None:
                return False
        if kind == "list" and opener and (head is None or head.column is None or not head.column.is_text):
            who = self._meant_by(opener)
            if who is None:
                return False
            head = _Head(column=who)
        if measure and not (head and head.column and head.column.is_text and top is not None):
            return self._decide_measure(ask, measure, top)
        if ask.is_common:
            ask.shape, ask.target = "common", head.column if head else None
            self._take(ask.target)
            return ask.target is not None and ask.target.is_text and ask.group is None
        if top is not None:
            return ask.group is None and self._decide_extreme(ask, head, measure)
        if head is None:
            return False
        if kind == "count":
            return self._decide_count(ask, head)
        ask.shape = "list"
        for token in self.words:
            token.is_read = token.is_read or (token.word in _DISTINCT and head.column is not None)
        if head.column is not None:
            ask.target = head.column
            self._take(head.column)
            if not head.column.is_text and not ask.conditions:
                return False
            if head.column.is_number or head.column.is_date:
                ask.shape = "lookup"
        elif not ask.conditions and self.columns.table != "files":
            return False
        ask.is_parts = head.is_parts
        return ask.group is None

    def _decide_count(self, ask: Ask, head: _Head) -> bool:
        ask.shape = "count"
        if any(token.word in _DISTINCT for token in self.words):
            for token in self.words:
                token.is_read = token.is_read or token.word in _DISTINCT
        if head.column is None:
            ask.is_parts = head.is_parts
            return True
        self._take(head.column)
        ask.target = head.column
        if head.column.is_number:
            ask.shape, ask.measure = "measure", "sum"
            return True
        return head.column.is_text

    def _decide_measure(self, ask: Ask, measure: str, top: Token | None) -> bool:
        if top is not None:
            return False
        ask.shape, ask.measure, ask.target = "measure", measure, self._number_left()
        self._take(ask.target)
        for token in self.words:
            if token.word in ("number", "amount", "value") and ask.target is not None:
                token.is_read = True
        return ask.target is not None

    def _decide_extreme(self, ask: Ask, head: _Head | None, measure: str) -> bool:
        if ask.order is None and measure:
            ask.order = self._number_left()
            if ask.order is None or head is None or head.column is None or not head.column.is_text:
                return False
            self._take(ask.order)
            self._take(head.column)
            ask.shape, ask.measure, ask.target = "rank_measure", measure, head.column
            return True
        if ask.order is None:
            ask.order = self._number_left()
            self._take(ask.order)
        if head is not None and head.column is not None and head.column == ask.order:
            # "What is the highest price?"
            ask.shape, ask.measure, ask.target = "measure", "max" if ask.descending else "min", ask.order
            return not ask.is_top
        if ask.order is not None:
            if head is None:
                return False
            ask.shape, ask.target = "extreme", head.column
            ask.is_parts = head.is_parts
            self._take(head.column)
            return head.column is None or head.column.is_text
        # "Which team scored the most goals?": how often the target occurs.
        if head is None or head.column is None or not head.column.is_text:
            return False
        self._take(head.column)
        counted = [token for token in self.words if self.is_row_word(token) or token.forms[0] in _PARTS]
        if not counted and not ask.conditions:
            return False
        ask.shape, ask.target = "rank_count", head.column
        ask.is_parts = ask.of_segments and not any(self.is_row_word(token) for token in counted)
        return True

    def _degree(self) -> EntityColumn | None:
        """What "how heavy" and "how much does it cost" ask for."""
        word = self.words[1]
        if word.word == "much":
            return self._number_left()
        return adjective_column(word.word, [column for column in self.columns.all if column.is_number])

    def _meant_by(self, opener: str) -> EntityColumn | None:
        """The column that "who", "where" or "when" asks for."""
        if opener == "when":
            dates = [column for column in self.columns.properties if column.is_date]
            named = [column for column in dates if any(column.mentioned_by(token) >= ALIKE for token in self.words)]
            dates = named or dates
            if len(dates) == 1:
                self._take(dates[0])
            return dates[0] if len(dates) == 1 else None
        asked = next(token for token in self.words if token.word == opener)
        people = [c for c in self.columns.properties if c.is_text and c.mentioned_by(asked) == MEANT]
        if len(people) > 1:
            verbs = [t for t in self.words if t is not asked]
            people = [c for c in people if any(c.mentioned_by(token) >= MEANT for token in verbs)]
        if len(people) != 1:
            return None
        self._take(people[0])
        return people[0]

    def _is_explained(self, token: Token, used: Sequence[EntityColumn]) -> bool:
        if token.is_read or token.kind == "mark" or token.word in FILLERS:
            return True
        if token.kind != "word":
            return False
        if token.word in LISTING or token.word in ("many", "number", "when", "where"):
            return True
        if self.is_row_word(token) or (token.forms[0] in _PARTS and self.columns.table == "segment_entities"):
            return True
        dates = [column for column in self.columns.properties if column.is_date]
        if token.forms[0] not in _TIMES and any(column.mentioned_by(token) >= ALIKE for column in dates):
            return True  # what was done on the date: "which places did she visit"
        label = self.columns.label_column()
        if label is not None and label.mentioned_by(token) == EXACT and self.columns.table == "entities":
            return True  # a row by another name
        names = self.columns.collection_names
        known = [*self.columns.all, *self.columns.elsewhere]
        if any(column.mentioned_by(token) == EXACT for column in known if column not in used):
            return False
        if any(token.forms[1] in {stem_of(word) for word in self.columns.row_words(name)} for name in names):
            return True
        if token.word in LIGHT and any(item.forms[0] in SCORES for item in self.words):
            return True
        return any(column.mentioned_by(token) >= MEANT for column in used)


def stem_of(word: str) -> str:
    return tokens(word)[0].forms[1]
