"""What a question asks of the files themselves, as a small typed call, and its query. Numbers, times and names in it are read
by `marks.py`; a call that leaves one of them without a place is not made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from ray_jobs.engines.embedded.extractive.slots.ask import Ask, Condition, Intent, label_of
from ray_jobs.engines.embedded.extractive.slots.calls import Call
from ray_jobs.engines.embedded.extractive.slots.columns import SlotColumn, literal
from ray_jobs.engines.embedded.extractive.slots.lexicon import Lexicon
from ray_jobs.engines.embedded.extractive.slots.marks import Mark

_INTENTS: dict[str, Intent] = {
    "count": "count",
    "list": "list",
    "first": "extreme",
    "sum": "sum",
    "average": "average",
    "order": "order",
    "tell": "lookup",
}
_COLUMNS = {"length": "duration_seconds", "date": "created_at", "name": "filename"}
_FLAGS = {"speech": "has_speech", "text": "has_text", "subtitles": "has_subtitles", "sound": "has_audio"}
_STATUSES = {"completed": ("completed",), "failed": ("failed",), "unfinished": ("pending", "processing")}
_NEEDED = {*_COLUMNS.values(), *_FLAGS.values(), "status"}
MAX_LIMIT = 100
LEAST = 0.5  # probability of each of a call's choices: what is less likely than not is not asked


def ask_of(call: Call, marks: Sequence[Mark], columns: Sequence[SlotColumn], words: Lexicon) -> Ask | None:
    """None where the question holds a number, time or name for which the call has no place, or lacks one that it needs."""
    return _Made(call, marks, columns, words).ask()


class _Made:
    def __init__(self, call: Call, marks: Sequence[Mark], columns: Sequence[SlotColumn], words: Lexicon) -> None:
        self.call = call
        self.words = words
        self.columns = {column.name: column for column in columns}
        self.named = [mark for mark in marks if any(column.name != "status" for column, _ in mark.values)]
        self.periods = [mark for mark in marks if mark.period is not None and not mark.is_grammar]
        # "One by one", "all of it once": a bare one narrows nothing.
        self.numbers = [mark for mark in marks if mark.number is not None and mark.period is None and not _is_one(mark)]
        self.ranks = [mark for mark in marks if mark.ordinal and mark.number is None]
        self.marks = marks

    def ask(self) -> Ask | None:
        call = self.call
        if call.tool not in _INTENTS or call.probability < LEAST or not _NEEDED <= self.columns.keys():
            return None
        ask = Ask(_INTENTS[call.tool], "files", list(self.columns.values()))
        measured = self.columns[_COLUMNS[call.by or "length"]]
        match call.tool:
            case "first":
                ask.order, ask.descending = measured, call.end == "most"
                self._ranked(ask)
            case "order":
                ask.order, ask.descending = measured, call.end == "most" and call.by != "name"
            case "sum" | "average":
                ask.target = self.columns["duration_seconds"]
            case "tell":
                ask.target = measured
        conditions = [*self._flags(), *self._status(), *self._bound(), *self._file()]
        if call.bound and not conditions:
            return None
        if self.numbers or self.periods or self.ranks or self.named or self._names_somebody():
            return None
        ask.conditions = conditions
        return ask

    def _ranked(self, ask: Ask) -> None:
        """ "The second longest", "the three longest"."""
        if len(self.ranks) == 1:
            ask.rank = self.ranks.pop().ordinal or 0
        bare = [
            mark for mark in self.numbers if not (mark.unit or mark.currency) and mark.number == int(mark.number or 0)
        ]
        if len(bare) == 1 and 1 <= (bare[0].number or 0) <= MAX_LIMIT:
            self.numbers.remove(bare[0])
            ask.limit = int(bare[0].number or 1)

    def _flags(self) -> list[Condition]:
        made = []
        for name, is_so in self.call.flags:
            column = self.columns[_FLAGS[name]]
            told = f"{self._label(column)}: {self.words.frames['yes' if is_so else 'no']}"
            made.append(Condition(column, f"{column.sql} = {str(is_so).lower()}", told))
        if len(made) > 1 and self.call.either:
            sql, told = (" OR ".join(item.sql for item in made), " / ".join(item.told for item in made))
            return [Condition(made[0].column, sql, told)]
        return made

    def _status(self) -> list[Condition]:
        values = _STATUSES.get(self.call.status, ())
        column = self.columns["status"]
        sql = " OR ".join(f"{column.sql} = {literal(value)}" for value in values)
        return [Condition(column, sql, f"{self._label(column)}: {' / '.join(values)}")] if values else []

    def _bound(self) -> list[Condition]:
        """A length of time that is more or less than one that is said, or a time of upload."""
        if self.call.bound in ("over", "under"):
            if len(self.numbers) != 1 or (self.numbers[0].unit or ("",))[0] != "time":
                return []
            (mark,) = self.numbers
            self.numbers = []
            column = self.columns["duration_seconds"]
            is_inclusive = any(other.roles & {"ge", "le"} for other in self.marks)
            sign = (">" if self.call.bound == "over" else "<") + "=" * is_inclusive
            seconds = (mark.number or 0) * (mark.unit or ("", 1.0))[1]
            return [
                Condition(column, f"{column.sql} {sign} {seconds:.15g}", f"{self._label(column)} {sign} {mark.text}")
            ]
        if self.call.bound in ("within", "after", "before") and len(self.periods) == 1:
            first, last = self.periods.pop().period or (date.min, date.max)
            roles = frozenset[str]().union(*(mark.roles for mark in self.marks))
            match self.call.bound:
                case "within":
                    return [self._between(first, last)]
                case "after":
                    return [self._between(first if "since" in roles else last + timedelta(days=1), None)]
            return [self._between(None, last if "until" in roles else first - timedelta(days=1))]
        return []

    def _between(self, first: date | None, last: date | None) -> Condition:
        column = self.columns["created_at"]
        tests = [f"{column.sql} >= DATE '{first}'"] if first else []
        tests += [f"{column.sql} < DATE '{last + timedelta(days=1)}'"] if last else []
        told = f"{first or ''}–{last or ''}" if first != last else str(first)
        return Condition(column, " AND ".join(tests), f"{self._label(column)}: {told}")

    def _file(self) -> list[Condition]:
        """The file that is asked of by its name."""
        named = [value for mark in self.named for column, value in mark.values if column.name == "filename"]
        if len(named) != 1 or len(self.named) != 1:
            return []
        self.named = []
        column = self.columns["filename"]
        return [
            Condition(
                column, f"lower({column.sql}) = {literal(named[0].lower())}", f"{self._label(column)}: {named[0]}"
            )
        ]

    def _names_somebody(self) -> bool:
        """ "Which videos did Ada make" is narrowed by what its uploader noted; German writes every noun as a name."""
        return self.words.language != "de" and any(mark.is_bare and mark.is_name for mark in self.marks[1:])

    def _label(self, column: SlotColumn) -> str:
        return label_of(column, self.words)


def _is_one(mark: Mark) -> bool:
    return mark.number == 1 and not (mark.unit or mark.currency)
