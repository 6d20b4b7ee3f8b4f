"""What a question narrows the rows by: values that occur, numbers and times compared, flags, and which of them is denied."""

from __future__ import annotations

import re
from datetime import date, timedelta

from ray_jobs.engines.embedded.extractive.slots.ask import Condition, label_of
from ray_jobs.engines.embedded.extractive.slots.columns import SlotColumn, literal
from ray_jobs.engines.embedded.extractive.slots.lexicon import Lexicon
from ray_jobs.engines.embedded.extractive.slots.marks import Mark
from ray_jobs.engines.embedded.extractive.slots.vectors import nearest
from services.core.stemming import stem

_SIGNS = {
    "gt": ">",
    "ge": ">=",
    "lt": "<",
    "le": "<=",
    "eq": "=",
    "before": "<",
    "after": ">",
    "since": ">=",
    "until": "<=",
}
# What an adjective measures, as a column may be called; "+" of a date is late.
_DIMENSIONS = {"length": "duration", "rating": "rating"}
_OF = re.compile(r"\w+ (?:of|above|below|under) (?:the |an? )?(\w+)", re.IGNORECASE)
# The kinds of units in which it may be told.
_KINDS: dict[str, frozenset[str]] = {
    "length": frozenset({"time", "distance"}),
    "weight": frozenset({"mass"}),
    "price": frozenset(),
    "rating": frozenset(),
    "speed": frozenset(),
    "temperature": frozenset(),
    "height": frozenset({"distance"}),
    "distance": frozenset({"distance"}),
    "depth": frozenset({"distance"}),
}


class Conditions:
    def __init__(
        self, words: Lexicon, columns: list[SlotColumn], marks: list[Mark], table: str, may_limit: bool
    ) -> None:
        self.words = words
        self.columns = columns
        self.marks = marks
        self.table = table
        self.may_limit = may_limit

    def read(self) -> list[Condition] | None:
        """None where something that narrows can't be told."""
        found: list[tuple[int, Condition]] = []
        for place, mark in enumerate(self.marks):
            if mark.is_used:
                continue
            if mark.period is not None and not mark.is_grammar:
                made = self._dated(place, mark)
            elif mark.number is not None:
                made = self._compared(place, mark)
                if made is None and not (mark.unit or mark.currency):
                    continue  # how many of the most were asked for, or a word's "one"; else it stays unexplained
            elif mark.values and not mark.columns:  # a word that is a column's name is no value
                made = self._valued(place, mark)
            else:
                flags = [column for column in (*mark.columns, *mark.absent) if column.is_flag]
                if not flags:
                    continue
                made = self._flagged(mark, flags)
            if made is None:
                return None
            found.append((place, made))
        return self._denied(self._joined(found))

    def graded(self, mark: Mark) -> SlotColumn | None:
        """The column that an adjective measures: the records' own, else the files'."""
        dimension = (mark.gradable() or ("", ""))[0]
        own = [column for column in self.columns if column.table != "files"]
        if dimension == "date":
            dates = [column for column in own if column.is_date]
            if len(dates) == 1 and not self._says_added():
                return dates[0]
            return None if dates and not self._says_added() else self._of_files("created_at")
        asked = {stem(word) for other in self.marks for word in other.text.split()}
        numbers = [column for column in own if column.is_number and _may_measure(column, dimension, asked)]
        place = self.marks.index(mark)
        beside = [other.columns for other in self.marks[place + 1 : place + 2] if other.columns]
        if beside and len(beside[0]) == 1 and beside[0][0] in numbers:
            return beside[0][0]  # "the longest sentence", of sentence_months
        described = [column for column in numbers if column.describes(mark.text)]
        if len(described) == 1:
            return described[0]
        name = _DIMENSIONS.get(dimension, dimension)
        of_video = any("video" in other.roles for other in self.marks)
        told = [column for column in numbers if column.describes(dimension)]
        if len(told) == 1 and not of_video:
            return told[0]
        if (
            dimension == "length"
            and not of_video
            and any(column.is_number and (column.unit or ("",))[0] == "time" for column in own)
        ):
            return None  # the length of the video, or what the record says of a time?
        likely = nearest(name, tuple(" ".join(column.words) for column in numbers)) if numbers else None
        if likely is not None:
            return numbers[likely]
        return self._of_files("duration_seconds") if dimension == "length" and not described else None

    def _measured(self, mark: Mark) -> SlotColumn | None:
        """ "Does any last more than a minute": of what is a verb too, the number that it asks for."""
        column = self.graded(mark)
        if column is None or column.is_number:
            return column
        return next((own for own in mark.columns if own.is_number), column)

    def _says_added(self) -> bool:
        return any(column.name == "created_at" for mark in self.marks for column in mark.columns)

    def _of_files(self, name: str) -> SlotColumn | None:
        return next((column for column in self.columns if column.table == "files" and column.name == name), None)

    def _valued(self, place: int, mark: Mark) -> Condition | None:
        if mark.roles:
            return None  # "heavy" may be what was noted, or ask for a weight
        values = mark.values
        if len({column for column, _ in values}) > 1:
            near = [item for other in self.marks[max(0, place - 3) : place + 4] for item in other.columns]
            values = [(column, value) for column, value in values if column in near]
        own = [item for item in values if item[0].table != "files"]
        values = own or values
        if len({column for column, _ in values}) != 1:
            return None
        column, value = values[0]
        others = [other for other in self.columns if other != column and column.name != "collection_name"]
        if any(all(map(other.describes, value.split())) for other in others):
            return None  # "battery life" may be what was praised, or what is measured
        spelled = list(dict.fromkeys(value for _, value in values))
        mark.is_used = True
        tests = [_holds(column, value) for value in spelled]
        return Condition(column, " OR ".join(tests), f"{self._label(column)}: {value}")

    def _flagged(self, mark: Mark, flags: list[SlotColumn]) -> Condition | None:
        own = [column for column in flags if column.table != "files"] or flags
        if len(set(own)) != 1:
            return None
        mark.is_used = True
        return self._flag(own[0], own[0] not in mark.absent)

    def _flag(self, column: SlotColumn, is_so: bool) -> Condition:
        told = self.words.frames["yes" if is_so else "no"]
        return Condition(column, f"{column.sql} = {str(is_so).lower()}", f"{self._label(column)}: {told}")

    def _compared(self, place: int, mark: Mark) -> Condition | None:
        near = [*range(place - 1, max(-1, place - 5), -1), *range(place + 1, min(len(self.marks), place + 4))]
        near = [other for other in near if not self.marks[other].is_used and self._is_clear(place, other)]
        comparing = [
            other for other in near if self.marks[other].roles & (_SIGNS.keys() - {"before", "after", "since", "until"})
        ]
        graded = [other for other in near if self.marks[other].gradable()]
        column = next((found for other in graded if (found := self._measured(self.marks[other])) is not None), None)
        if graded and column is None:
            return None
        if not comparing and not (graded and (mark.unit or mark.currency)):
            return self._equal(place, mark)
        if column is not None and mark.unit is not None and self._factor(mark, column) is None:
            column = None  # "longer than 100 km"
        column = column or self._measured_by(mark) or self._number_near(place, mark)
        if column is None or not column.is_number or self._may_be_of_video(column):
            return None
        factor = self._factor(mark, column)
        if factor is None:
            return None
        if comparing and any((self.marks[other].gradable() or ("", ""))[1] == "-" for other in graded):
            return None
        signs = {_SIGNS[role] for other in comparing[:1] for role in self.marks[other].roles if role in _SIGNS}
        if not signs:
            signs = {">" if (self.marks[graded[0]].gradable() or ("", ""))[1] == "+" else "<"}
            if any(
                "least" in self.marks[other].roles or self._is_denied(other) for other in (graded[0], graded[0] - 1)
            ):
                return None
        if len(signs) != 1:
            return None
        for other in (*comparing[:1], *graded[:1]):
            self.marks[other].is_used = True
        mark.is_used = True
        (sign,) = signs
        value = (mark.number or 0) * factor
        return Condition(column, f"{column.sql} {sign} {value:.15g}", f"{self._label(column)} {sign} {mark.text}")

    def _may_be_of_video(self, column: SlotColumn) -> bool:
        """Whether "it lasted five days" may tell of the video or of what it shows."""
        if column.table != "files" or any("video" in mark.roles for mark in self.marks):
            return False
        return any(
            own.is_number and own.table != "files" and own.unit and own.unit[0] == "time" for own in self.columns
        )

    def _is_denied(self, place: int) -> bool:
        return place >= 0 and "not" in self.marks[place].roles

    def _is_clear(self, place: int, other: int) -> bool:
        """Whether no other number or value stands between."""
        between = self.marks[min(place, other) + 1 : max(place, other)]
        return not any(mark.number is not None or mark.values or mark.period for mark in between)

    def _equal(self, place: int, mark: Mark) -> Condition | None:
        """ "5 servings": a number right before or behind a column's name."""
        for other in (place + 1, place - 1):
            if 0 <= other < len(self.marks) and not self.may_limit and not mark.unit and not mark.currency:
                numbers = [
                    column for column in self.marks[other].columns if column.is_number and column.table != "files"
                ]
                if len(numbers) == 1:
                    mark.is_used = True
                    return Condition(
                        numbers[0], f"{numbers[0].sql} = {mark.number:.15g}", f"{self._label(numbers[0])} = {mark.text}"
                    )
        return None

    def _measured_by(self, mark: Mark) -> SlotColumn | None:
        """The one number that is measured in the unit that was said; where several are, the files' length is none of them."""
        spoken = [column for other in self.marks for column in other.columns if column.is_number and not other.is_used]
        if mark.unit is not None:
            fitting = [c for c in self.columns if c.is_number and c.unit is not None and c.unit[0] == mark.unit[0]]
        elif mark.currency is not None:
            fitting = [c for c in self.columns if c.is_number and c.currency == mark.currency]
        else:
            return None
        own = [column for column in fitting if column.table != "files"]
        found = [column for column in own or fitting if column in spoken] or own or fitting
        return found[0] if len(set(found)) == 1 else None

    def _number_near(self, place: int, mark: Mark) -> SlotColumn | None:
        order = sorted(range(len(self.marks)), key=lambda other: (abs(other - place), other < place))
        for other in order:
            numbers = [column for column in self.marks[other].columns if column.is_number]
            if len(numbers) == 1 and abs(other - place) <= 6 and self._is_clear(place, other):
                return numbers[0]
        return None

    def _factor(self, mark: Mark, column: SlotColumn) -> float | None:
        """What to multiply a number by to have it in the column's unit; None where they do not measure the same."""
        if mark.currency is not None:
            return 1.0 if column.currency == mark.currency else None
        if mark.unit is None:
            return 1.0
        unit = column.unit
        return mark.unit[1] / unit[1] if unit is not None and unit[0] == mark.unit[0] else None

    def _dated(self, place: int, mark: Mark) -> Condition | None:
        column = self._date_near()
        if column is None or mark.period is None:
            return None
        first, last = mark.period
        mark.is_used = True
        near = [*self.marks[max(0, place - 3) : place][::-1], *self.marks[place + 1 : place + 3]]
        if any("between" in other.roles for other in near):
            rest = [other for other in self.marks[place + 1 : place + 4] if other.period]
            if not rest or rest[0].period is None:
                return None
            last, rest[0].is_used = rest[0].period[1], True
            for other in near:
                other.is_used = other.is_used or "between" in other.roles
            return self._within(column, first, last)
        for other in near:
            roles = other.roles & {"before", "after", "since", "until", "lt", "gt", "ge", "le"}
            graded = other.gradable()
            if other.is_used or not (roles or (graded and graded[0] == "date" and len(near) > 1)):
                continue
            other.is_used = True
            sign = _SIGNS[sorted(roles)[0]] if roles else (">" if graded and graded[1] == "+" else "<")
            match sign:
                case "<":
                    return self._within(column, None, first - timedelta(days=1))
                case ">":
                    return self._within(column, last + timedelta(days=1), None)
                case ">=":
                    return self._within(column, first, None)
                case _:
                    return self._within(column, None, last)
        return self._within(column, first, last)

    def _date_near(self) -> SlotColumn | None:
        named = {c.name: c for mark in self.marks for c in mark.columns if c.is_date}
        if len(named) == 1:
            return next(iter(named.values()))
        own = [column for column in self.columns if column.is_date and column.table != "files"]
        return own[0] if len(own) == 1 and not named else None

    def _within(self, column: SlotColumn, first: date | None, last: date | None) -> Condition:
        tests = [f"{column.sql} >= DATE '{first}'"] if first else []
        tests += [f"{column.sql} < DATE '{last + timedelta(days=1)}'"] if last else []
        told = f"{first or ''}–{last or ''}" if first != last else str(first)
        return Condition(column, " AND ".join(tests), f"{self._label(column)}: {told}")

    def _joined(self, found: list[tuple[int, Condition]]) -> list[tuple[int, Condition]] | None:
        """Two values of one column are either of them where "or" stands between, and both only where a row has many."""
        joined: list[tuple[int, Condition]] = []
        for place, item in found:
            before = next(
                (other for other in joined if other[1].column is item.column and not item.column.is_list), None
            )
            if item.column.is_flag:
                before = self._alternative(place, joined)
            if before is None or not (item.column.is_text or item.column.is_flag):
                joined.append((place, item))
                continue
            ors = [mark for mark in self.marks[before[0] : place] if "or" in mark.roles]
            if not ors:
                return None
            ors[0].is_used = True
            value = item.told.split(": ", 1)[1] if item.column is before[1].column else item.told
            made = Condition(item.column, f"{before[1].sql} OR {item.sql}", f"{before[1].told} / {value}")
            joined[joined.index(before)] = (before[0], made)
        return joined

    def _alternative(self, place: int, joined: list[tuple[int, Condition]]) -> tuple[int, Condition] | None:
        """ "Speech or text": the flag before, where nothing but "or" stands between."""
        before = joined[-1] if joined and joined[-1][1].column.is_flag else None
        between = self.marks[before[0] + 1 : place] if before is not None else []
        return before if any("or" in mark.roles for mark in between) else None

    def _denied(self, found: list[tuple[int, Condition]] | None) -> list[Condition] | None:
        if found is None:
            return None
        made = dict(found)
        neither = self._neither()
        is_behind = self.words.language == "ja"
        for place in [
            other for other in made if neither and (other < neither[-1] if is_behind else other > neither[0])
        ]:
            if (denied := self._denial(made[place])) is None:
                return None
            made[place] = denied
        for place, mark in enumerate(self.marks):
            if neither and (place in neither or "not" in mark.roles):
                mark.is_used = True
            if "not" in mark.roles and not mark.is_used:
                after = [other for other in made if other > place]
                before = [other for other in made if other < place]
                near = max(before, default=None) if is_behind or not after else min(after)
                if near is None or (denied := self._denial(made[near])) is None:
                    return None
                mark.is_used = True
                made[near] = denied
        return list(made.values())

    def _neither(self) -> list[int]:
        """Where "neither" and "nor" stand. Japanese says "also … also … not": one "also" alone denies nothing."""
        places = [place for place, mark in enumerate(self.marks) if "neither" in mark.roles]
        if self.words.language != "ja":
            return places
        return places if len(places) > 1 and any("not" in mark.roles for mark in self.marks) else []

    def _denial(self, item: Condition) -> Condition | None:
        if item.sql.startswith("NOT") or (item.column.is_flag and " OR " in item.sql):
            return None
        if item.column.is_flag:
            return self._flag(item.column, item.sql.endswith("false"))
        return Condition(item.column, f"NOT coalesce({item.sql}, false)", f"{item.told} ✗")

    def _label(self, column: SlotColumn) -> str:
        return label_of(column, self.words)


def _may_measure(column: SlotColumn, dimension: str, asked: set[str]) -> bool:
    """A height in metres is no weight, and the "Weight of the load" none of a driver."""
    of = _OF.match(column.description)
    if of is not None and not asked & {stem(of[1].lower()), *map(stem, column.words)}:
        return False
    kinds = _KINDS.get(dimension)
    if column.currency is not None:
        return dimension == "price" or kinds is None
    return kinds is None or column.unit is None or column.unit[0] in kinds


def spoken_of(mark: Mark, table: str) -> SlotColumn | None:
    """The one column that a word speaks of, a record's own before the files'."""
    own = [column for column in mark.columns if column.table == table]
    found = own or mark.columns
    return found[0] if len(found) == 1 else None


def _holds(column: SlotColumn, value: str) -> str:
    if column.name == "filename":
        return f"lower({column.sql}) = {literal(value.lower())}"
    return f"list_contains({column.sql}, {literal(value)})" if column.is_list else f"{column.sql} = {literal(value)}"
