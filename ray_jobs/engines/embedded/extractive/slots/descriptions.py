"""What words tell of a column by its description, or by another form of its name: "Who inspected it" of an inspector."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ray_jobs.engines.embedded.extractive.slots.columns import SlotColumn
from ray_jobs.engines.embedded.extractive.slots.lexicon import Lexicon, irregular, lexicon
from ray_jobs.engines.embedded.extractive.slots.marks import Mark
from ray_jobs.engines.embedded.extractive.slots.vectors import alike, is_surely
from services.core.search.tokens import folded
from services.core.stemming import stem

_MADE_OF = re.compile(
    r"(?:ed|ing|eer|er|or|ist|ion|ment|ant|ent|y)$"
)  # what English makes of a verb for doers and deeds
_HELD = re.compile(r"” holds ([^;]+)")
_FULL_NAME = re.compile(r"[A-ZÀ-Þ][\w'’.-]*(?: [\w'’.-]+)* [A-ZÀ-Þ][\w'’.-]*")
_WHO = re.compile(r"(?:who|person|name of the (?:person|man|woman))\b", re.IGNORECASE)
MIN_ROOT = 3
_COUNTING = frozenset(map(stem, ("number", "amount", "count", "total")))


def root(word: str) -> str:
    """What the names of a deed and of who does it share: inspect, inspector and inspection, dive and diver."""
    found = stem(irregular().get(word, word))
    cut = _MADE_OF.sub("", found)
    cut = cut[:-1] if len(cut) > MIN_ROOT and cut[-1:] == cut[-2:-1] and cut[-1] not in "lsz" else cut  # runner
    cut = cut.removesuffix("e")
    return cut if len(cut) >= MIN_ROOT else found


class Descriptions:
    """The words of the records' own columns, those of grammar left out."""

    def __init__(self, columns: Sequence[SlotColumn], words: Lexicon) -> None:
        self.columns = [column for column in columns if column.table != "files"]
        english = lexicon("en")
        self.is_foreign = words.language != "en"  # in one language another noun is another thing: lessons, lectures
        self.grammar = english.function | english.light | words.function | words.light | {"whether"}
        self.denying = {
            word for language in (english, words) for word, roles in language.roles.items() if "not" in roles
        }
        named = [column for column in columns if column.name == "collection_name" and len(column.examples) == 1]
        self.collection = (named[0], named[0].examples[0]) if named and named[0].distinct == 1 else None
        self.told = {column: [w for w in column.told if w not in self.grammar] for column in self.columns}
        self.roots = {
            column: {root(word) for word in (*column.words, *told) if word not in self.denying}
            for column, told in self.told.items()
        }

    def read(self, marks: list[Mark]) -> None:
        """Gives words that nothing else explains the columns that they tell of, and flags the words that tell them."""
        self._read_rows(marks)
        for mark in marks:
            if self._is_open(mark):
                mark.related = [column for column in self.columns if root(mark.text) in self.roots[column]]
                mark.columns += self._rivals(mark)
                if mark.is_guessed and mark.related and not self._is_told(mark):
                    mark.columns = []
        for mark in marks:
            if self.is_foreign and mark.is_bare and not mark.related:
                mark.related = self._of_one_root(mark)
        for column in self.columns:
            if column.is_flag and not any(column in mark.columns for mark in marks):
                self._read_flag(column, marks)

    def _of_one_root(self, mark: Mark) -> list[SlotColumn]:
        """Columns that a word of another language may mean, where forms of one word name them: inspector, inspected_on."""
        places = alike(mark.written.lower(), tuple(" ".join(column.words) for column in self.columns))
        found = [self.columns[place] for place in places]
        shared = set.intersection(*({root(word) for word in column.words} for column in found)) if found else set()
        return found if shared else []

    def _read_rows(self, marks: list[Mark]) -> None:
        """What the videos of the one collection are called in its name or description, in any language, stands for them."""
        if self.collection is None:
            return
        column, name = self.collection
        nouns = self._nouns(column, name)
        rivals = tuple(" ".join(other.words) for other in self.columns)
        for mark in marks:
            if self._is_open(mark) and not mark.columns and mark.is_bare:
                if stem(mark.text) in map(stem, nouns) or (
                    self.is_foreign and is_surely(mark.written.lower(), tuple(nouns), rivals)
                ):
                    mark.values = [(column, name)]

    def _nouns(self, column: SlotColumn, name: str) -> dict[str, None]:
        """The last word of the name, and the last of the description's first words that is a plural."""
        held = _HELD.search(column.description)
        first: list[str] = []
        for word in re.findall(r"[^\W\d_]+", folded(held[1])) if held else []:
            if word in self.grammar:
                break
            first.append(word)
        plurals = [word for word in first if word.endswith("s") and not word.endswith("ss")]
        words = [word for word in re.findall(r"[^\W\d_]+", folded(name))[-1:] + plurals[-1:] if len(word) > MIN_ROOT]
        return dict.fromkeys(words)

    def _is_open(self, mark: Mark) -> bool:
        known = mark.values or mark.roles or mark.absent or mark.period or mark.unit
        return not known and mark.number is None and mark.ordinal is None and mark.text not in self.grammar

    def _is_told(self, mark: Mark) -> bool:
        """Not "animals" of species, where there is "Name of the animal" too; nor "prison" of "Prison sentence"."""
        (column,) = mark.columns
        return mark.related == [column] and (self._is_head(column, mark) or not column.is_number)

    def _is_head(self, column: SlotColumn, mark: Mark) -> bool:
        """Whether no other noun follows the word in the description, which it would only qualify."""
        place = next((place for place, word in enumerate(column.told) if root(word) == root(mark.text)), None)
        follows = column.told[place + 1 : place + 2] if place is not None else []
        return not follows or follows[0] in self.grammar or follows[0].endswith("ed")

    @staticmethod
    def _rivals(mark: Mark) -> list[SlotColumn]:
        """Other numbers that a part of one's name may mean as well: "tickets" of ticket_eur, and of "Tickets sold"."""
        named = [column for column in mark.columns if column.is_number]
        if len(named) != 1 or stem(mark.text) in map(stem, (" ".join(named[0].words), named[0].name)):
            return []
        return [column for column in mark.related if column.is_number and column not in mark.columns]

    def _read_flag(self, column: SlotColumn, marks: list[Mark]) -> None:
        """A word that only this flag's description has stands for it: "after sunset" of what is recorded at night."""
        told = self.told[column]
        # "Visited" alone tells of no ship that was.
        verbs = {root(word) for word in told if word.endswith(("ed", "ing"))} if len(told) > 1 else set()
        places = [
            place
            for place, mark in enumerate(marks)
            if mark.related == [column] and not mark.columns and root(mark.text) not in verbs
        ]
        if not places or not any(self._is_of_data(mark) for mark in marks[: places[0]]):
            return  # what is counted or asked for is no flag
        if any(word in self.denying for word in self.told[column]):
            near = [mark for mark in marks[max(0, places[0] - 3) : places[-1]] if "not" in mark.roles]
            if len(near) != 1:
                return
            near[0].is_used = True
        marks[places[0]].columns = [column]

    @staticmethod
    def _is_of_data(mark: Mark) -> bool:
        return bool(mark.columns or mark.values or "video" in mark.roles or mark.related)

    @staticmethod
    def is_doer(column: SlotColumn, marks: list[Mark]) -> bool:
        """Whether its name is made of a verb of the question: the inspector, of "who inspected it"."""
        names = {root(word) for word in column.words if root(word) != stem(word)}
        return any(root(mark.text) in names for mark in marks)

    @staticmethod
    def is_person(column: SlotColumn) -> bool:
        """Whether it is described as somebody, or its values are full names."""
        told = _WHO.match(column.description) is not None
        return told or (bool(column.examples) and all(map(_FULL_NAME.fullmatch, column.examples)))

    def measured(self, mark: Mark) -> SlotColumn | None:
        """The number whose description begins with the word: "points" of "Points out of 100"."""
        found = [
            column
            for column in mark.related
            if column.is_number
            and root(mark.text) in [root(w) for w in self._counted(column)[:1]]
            and self._is_head(column, mark)
        ]
        return found[0] if len(found) == 1 else None

    def _counted(self, column: SlotColumn) -> list[str]:
        return [word for word in self.told[column] if stem(word) not in _COUNTING]
