"""What a question asks for, as its marks say: who or how many, rows or what is told in a column."""

from __future__ import annotations

from ray_jobs.engines.embedded.extractive.slots.ask import Ask
from ray_jobs.engines.embedded.extractive.slots.columns import SlotColumn
from ray_jobs.engines.embedded.extractive.slots.conditions import spoken_of
from ray_jobs.engines.embedded.extractive.slots.descriptions import Descriptions
from ray_jobs.engines.embedded.extractive.slots.lexicon import Lexicon
from ray_jobs.engines.embedded.extractive.slots.marks import Mark
from services.core.search.tokens import folded
from services.core.stemming import stem

NAME = "collection_name"


class Asked:
    def __init__(
        self,
        words: Lexicon,
        columns: list[SlotColumn],
        table: str,
        marks: list[Mark],
        told: Descriptions,
        asks_how_many: bool,
    ) -> None:
        self.words = words
        self.columns = columns
        self.table = table
        self.marks = marks
        self.told = told
        self.asks_how_many = asks_how_many
        self.names_video = any("video" in mark.roles for mark in marks) or any(
            column.name in ("collection_name", "filename") for mark in marks for column, _ in mark.values
        )
        self.asks_who = any("who" in mark.roles for mark in marks)

    def left(self, ask: Ask) -> list[SlotColumn]:
        """Columns that are spoken of and not used yet, in order."""
        used = ask.used()
        found: list[SlotColumn] = []
        for mark in self.marks:
            if mark.columns and not mark.is_used and not any(column in used for column in mark.columns):
                column = spoken_of(mark, self.table)
                if column is not None and column not in found:
                    found.append(column)
        return found

    def counted(self) -> list[SlotColumn]:
        """The number that what is counted tells of: "how many points", "how many kilometres"."""
        first = self._first()
        if first is None:
            return []
        numbers = [column for column in self.columns if column.table != "files" and column.is_number]
        if first.number is None and (first.unit is not None or first.currency is not None):
            found = [column for column in numbers if (column.unit, column.currency) == (first.unit, first.currency)]
        else:
            found = [column for column in [self.told.measured(first)] if column is not None]
        first.is_used |= len(found) == 1
        return found if len(found) == 1 else []

    def _first(self) -> Mark | None:
        """The first word that is not of grammar alone: what is counted or asked for, in languages that put it first."""
        return next((mark for mark in self.marks if not mark.is_grammar), None)

    def _is_other_thing(self) -> bool:
        """ "How many boats did Holm check": a word of the description of "inspector", which is no name of the rows."""
        first = None if self.words.language in ("zh", "ja") else self._first()
        return first is not None and not (first.columns or first.values or first.roles or first.period or first.unit)

    def asks_for_rows(self, ask: Ask) -> bool:
        """ "How many laptops": what a row is stands for the row, one of several things noted in it does not."""
        if self.table == "segment_entities" and self.names_video and not self.says_video():
            # The collection's name may be what its segments are called, or its videos.
            ask.of_videos, ask.tells_videos = False, True
            if ask.intent != "count" or ask.group is not None or not self._says_collection():
                return False
        if self._is_other_thing() or (self.asks_how_many and self.counts_flag(ask)):
            return False
        return self.names_video or any(not item.column.is_list for item in ask.conditions)

    def _says_collection(self) -> bool:
        """Whether it is the collection's name that stands for the rows, and not a word of its description."""
        said = [(mark.text, value) for mark in self.marks for column, value in mark.values if column.name == NAME]
        return all(stem(text.split()[-1]) == stem(folded(value).split()[-1]) for text, value in said)

    def counts_flag(self, ask: Ask) -> bool:
        """ "How many visits" is not how often it was a repeat visit."""
        first = next((mark for mark in self.marks if not mark.is_grammar and not mark.roles), None)
        if first is None or self.words.language in ("zh", "ja"):
            return False
        parts = [column for column in first.columns if column.is_flag and len(column.words) > 1]
        return any(item.column in parts and len(first.text.split()) == 1 for item in ask.conditions)

    def says_video(self) -> bool:
        said = {word for mark in self.marks for word in (mark.text, *mark.text.split())}
        return any("video" in self.words.roles.get(word, ()) for word in said) or any(
            column.name == "filename" for mark in self.marks for column, _ in mark.values
        )

    def names_rows(self) -> bool:
        """ "Which laptops" names the rows by a value, "what did Ada" none; German writes every noun as a name."""
        values = [mark for mark in self.marks if mark.values]
        if self.names_video or not values or self.words.language in ("de", "zh", "ja"):
            return True
        return any(not mark.is_name for mark in values)

    def asked(self, ask: Ask) -> list[SlotColumn]:
        """What is asked for: who it was, no date and no number tells."""
        left = self.left(ask)
        if self.asks_who:
            left = [column for column in left if column.is_text]
        return left or self.told_of(ask)

    def is_asked_for(self, column: SlotColumn) -> bool:
        """Not of "works signed by the artist": what stands first is asked for, even where its own name is another one."""
        if self.words.language in ("zh", "ja"):
            return True
        place = next((place for place, mark in enumerate(self.marks) if column in mark.columns), 0)
        known = [mark.is_grammar or mark.values or mark.columns or mark.roles for mark in self.marks[:place]]
        return all(map(bool, known))

    def told_of(self, ask: Ask) -> list[SlotColumn]:
        """The one text that words speak of by its description: "who inspected it" of an inspector, "what he is accused of"."""
        if self.names_video:
            return []
        used = ask.used()
        related = {column for mark in self.marks for column in mark.related if column.is_text and column not in used}
        if self.asks_who:
            doers = {column for column in related if self.told.is_doer(column, self.marks)}
            related = doers or {column for column in related if self.told.is_person(column)}
        return list(related) if len(related) == 1 else []

    def is_said_of(self, ask: Ask) -> bool:
        """ "How many months has Cho been a judge" asks for nothing that is noted of a judge's rows."""
        spoken = [item.column for item in ask.conditions if item.column.is_text]
        for place, mark in enumerate(self.marks):
            near = self.marks[max(0, place - 1) : place + 2]
            if not mark.values and any(column in spoken for column in mark.columns):
                if not any(column in spoken for other in near for column, _ in other.values):
                    return False
        return True

    def is_guessed(self, column: SlotColumn) -> bool:
        """Whether a date is meant by a word that may tell of another column, without one that asks when."""
        named = [mark for mark in self.marks if column in mark.columns]
        unsure = [mark.is_guessed or any(other.is_text for other in mark.related) for mark in named]
        return all(unsure) and not any("when" in mark.roles for mark in self.marks)

    def is_counted(self, column: SlotColumn) -> bool:
        """ "How many fines" asks for no sum of money, "how many euros" does."""
        if not self.asks_how_many or not (column.unit or column.currency):
            return True
        return any(
            (mark.unit is not None and mark.unit == column.unit)
            or (mark.currency is not None and mark.currency == column.currency)
            for mark in self.marks
        )
