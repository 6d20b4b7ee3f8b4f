"""Plans SQL for a question about tables without a language model, or none where the question is not surely understood.

Every word must have its place in the query: one that has none may change what is asked, and then no query is planned, since a
number that answers another question is worse than none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import cast

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.slots.ask import Ask, Intent, write_query
from ray_jobs.engines.embedded.extractive.slots.asked import Asked
from ray_jobs.engines.embedded.extractive.slots.calls import read_call
from ray_jobs.engines.embedded.extractive.slots.catalog import ask_of
from ray_jobs.engines.embedded.extractive.slots.columns import SlotColumn, columns_of
from ray_jobs.engines.embedded.extractive.slots.conditions import Conditions
from ray_jobs.engines.embedded.extractive.slots.descriptions import Descriptions
from ray_jobs.engines.embedded.extractive.slots.lexicon import Lexicon, lexicon
from ray_jobs.engines.embedded.extractive.slots.marks import Mark, read_marks
from ray_jobs.engines.embedded.extractive.slots.vectors import intents

MAX_QUESTION_CHARACTERS = 400
_EXPLICIT = frozenset(
    "not neither or per often gt lt ge le eq between before after since until most least when who where".split()
)
_PREPOSITIONS = frozenset("per gt lt before after since until".split())
# What no question asks for without a word that its examples have, and those of the others have not.
_BY_WORD = {
    "count": {"list"},
    "sum": {"extreme", "list", "lookup", "common"},
    "average": {"extreme", "list", "lookup", "common"},
}


def queries(
    question: str, language: str, tables: Sequence[pb.EntityTable], *, today: date | None = None
) -> tuple[list[pb.Query], bool]:
    """The queries that answer, and whether they do so alone; ([], False) where the question is not understood."""
    question = question.strip()
    if not tables or not question or len(question) > MAX_QUESTION_CHARACTERS:
        return [], False
    words = lexicon(language)
    today = today or datetime.now(UTC).date()
    named = [table.name for table in tables]
    own: list[str] = [name for name in ("entities", "segment_entities") if name in named] or ["files"]
    found: list[pb.Query] = []
    for table in own:
        columns = columns_of(tables, table)
        marks = read_marks(question, words, columns, today)
        told = Descriptions(columns, words)
        told.read(marks)
        is_counted = words.asks_how_many(question)
        if table == "files" and any(mark.is_bare for mark in marks):
            continue
        # What is commonest is the most of a number that is counted: which of both is meant, the words that are left say.
        likely = ["extreme" if intent == "common" else intent for intent in intents(question)]
        if is_counted:
            likely = [intent for intent in likely if intent not in ("list", "order")]
        for intent in dict.fromkeys(likely):
            ask = _Reader(words, columns, table, [replace(mark) for mark in marks], told, is_counted).read(
                cast(Intent, intent)
            )
            if ask is not None:
                query = write_query(ask, words)
                found += [query] if query not in found else []
                break
    if not found and own == ["files"]:
        found = _of_files(question, words, tables, today)
    # Two tables that could both answer would say different things.
    return (found, True) if len(found) == 1 else ([], False)


def _of_files(question: str, words: Lexicon, tables: Sequence[pb.EntityTable], today: date) -> list[pb.Query]:
    """By what was learned from examples, where not every word has its place; none where that tells of no call, or the question
    holds more than the call."""
    columns = columns_of(tables, "files")
    ask = ask_of(read_call(question), read_marks(question, words, columns, today), columns, words)
    return [write_query(ask, words)] if ask is not None else []


class _Reader(Asked):
    asks_for_units = False

    def read(self, intent: Intent) -> Ask | None:
        self.intent = intent
        ask = Ask(intent, self.table, self.columns)
        ask.group = self._group()
        conditions = Conditions(self.words, self.columns, self.marks, self.table, intent == "extreme").read()
        if conditions is None:
            return None
        ask.conditions = conditions
        ask.of_videos = self.table != "segment_entities" or self.names_video
        fits = {
            "count": self._count,
            "list": self._list,
            "lookup": self._lookup,
            "sum": self._measure,
            "average": self._measure,
            "extreme": self._extreme,
            "order": self._order,
        }[intent](ask)
        if not fits or not self._is_said(ask) or not all(self._is_explained(mark, ask) for mark in self.marks):
            return None
        return self._settled(ask)

    def _is_said(self, ask: Ask) -> bool:
        """Marks what asks for a time, a person or a place by what is told; counts, totals and averages must be asked for."""
        for mark in self.marks:
            told = [column for column in (ask.target, ask.order) if column is not None]
            if ("when" in mark.roles and any(column.is_date for column in told)) or (
                mark.roles & {"who", "where"} and any(column.is_text for column in told)
            ):
                mark.is_used = True
        if ask.intent not in _BY_WORD or (ask.intent == "sum" and self.asks_for_units):
            return True
        others = _BY_WORD[ask.intent]
        carried = [self.words.carriers.get(mark.text, frozenset()) for mark in self.marks if not mark.is_used]
        return any(ask.intent in intents and not intents & others for intents in carried)

    def _settled(self, ask: Ask) -> Ask | None:
        """Asked of the files where they alone can tell; of records only where one of their columns is used."""
        used = ask.used()
        if self.table == "files" or ask.tells_videos or any(column.table != "files" for column in used):
            return ask
        return replace(ask, table="files", of_videos=True) if self.names_video or used else None

    def _group(self) -> SlotColumn | None:
        for place, mark in enumerate(self.marks):
            if "per" in mark.roles:
                near = (
                    [self.marks[place - 1]]
                    if self.words.language == "ja" and place
                    else self.marks[place + 1 : place + 3]
                )
                for other in near:
                    columns = [column for column in other.columns if column.is_text or column.is_flag]
                    if len(columns) == 1 and not other.values:
                        mark.is_used = other.is_used = True
                        return columns[0]
        return None

    def _dimension(self) -> tuple[SlotColumn, bool] | None:
        """(column, whether much of it is meant) of the one adjective that is left, and of what makes it a superlative."""
        marks = [mark for mark in self.marks if mark.gradable() and not mark.is_used]
        columns = {column.name: column for mark in marks if (column := self._graded(mark)) is not None}
        if len(columns) != 1:
            return None
        meant = [mark for mark in marks if self._graded(mark) is not None]
        # "How long is the shortest": what is compared says which way, not what only names the dimension.
        compared = [mark for mark in meant if self._is_compared_by_itself(mark)] or meant
        signs = {sign for mark in compared for _, sign in [mark.gradable() or ("", "")]}
        for mark in meant:
            mark.is_used = True
        descending = "+" in signs
        for place, mark in enumerate(self.marks):
            if mark.roles & {"most", "least"} and not mark.is_used and self._is_beside(place, meant):
                mark.is_used = True
                descending ^= "least" in mark.roles and "most" not in mark.roles
        return next(iter(columns.values())), descending if len(signs) == 1 else True

    def _is_compared_by_itself(self, mark: Mark) -> bool:
        place = self.marks.index(mark)
        near = self.marks[max(0, place - 1) : place + 2]
        return not mark.is_base or any(other.roles & {"most", "least", "degree"} for other in near)

    def _graded(self, mark: Mark) -> SlotColumn | None:
        return Conditions(self.words, self.columns, self.marks, self.table, False).graded(mark)

    def _is_beside(self, place: int, others: list[Mark]) -> bool:
        return any(other in self.marks[max(0, place - 2) : place + 3] for other in others)

    def _count(self, ask: Ask) -> bool:
        left = self.left(ask)
        if left and not self.names_video and left[0].is_text and self.is_asked_for(left[0]):
            ask.target = left[0]
            return ask.group is None or not left[0].is_list
        numbers = [column for column in left if column.is_number] or self.counted()
        is_asked = self.asks_how_many and not self.names_video
        if numbers and is_asked and ask.conditions and self.is_counted(numbers[0]):
            ask.intent, ask.target = "lookup", numbers[0]
            self._use_dimension(ask)
            return self.is_said_of(ask) and all(item.column.is_text for item in ask.conditions)
        return self.asks_for_rows(ask)

    def _list(self, ask: Ask) -> bool:
        left = self.asked(ask)
        if left and (not left[0].is_text or self._is_of_each_video(left[0])):
            ask.intent = "lookup"
            return self._lookup(ask)
        if left and not self.is_asked_for(left[0]):
            return False
        ask.target = left[0] if left else None
        return ask.group is None and (ask.target is not None or (self.asks_for_rows(ask) and self.names_rows()))

    def _is_of_each_video(self, column: SlotColumn) -> bool:
        """ "Which videos were filmed by …": videos are asked for, and what is noted of them is told beside each."""
        videos = [place for place, mark in enumerate(self.marks) if "video" in mark.roles]
        named = [place for place, mark in enumerate(self.marks) if column in mark.columns]
        return column.is_noted and bool(videos) and videos[0] < named[0]

    def _lookup(self, ask: Ask) -> bool:
        flags = [item for item in ask.conditions if item.column.is_flag]
        rest = [item for item in ask.conditions if not item.column.is_flag and item.column.name != "collection_name"]
        if len(flags) == 1 and rest:
            ask.conditions, ask.target = rest, flags[0].column
            return ask.group is None
        left = self.asked(ask)
        meant = None
        if not left and all(mark.is_base for mark in self.marks if mark.gradable()):
            left = [meant[0]] if (meant := self._dimension()) is not None else []
        ask.target = left[0] if left else None
        if ask.target is not None and ask.target.is_text and self.asks_how_many:
            return False
        if ask.target is not None and ask.target.is_date and self.is_guessed(ask.target):
            return False  # "qui a inspecté" asks for no day
        if ask.target is not None and meant is not None and ask.target.is_date and not self.names_video:
            return False  # how old somebody is, no date tells
        self._use_dimension(ask)
        if ask.target is not None and ask.target.name == "duration_seconds" and not self.names_video:
            if any(mark.related or mark.columns for mark in self.marks if not (mark.values or mark.is_used)):
                return False  # how long somebody taught, no file tells
        return ask.group is None and ask.target is not None and bool(ask.conditions or self.names_video)

    def _use_dimension(self, ask: Ask) -> None:
        """ "How long does it last", "how many metres deep"."""
        for mark in self.marks:
            mark.is_used |= mark.is_base and ask.target is not None and self._graded(mark) == ask.target

    @staticmethod
    def _is_measured_so(mark: Mark, column: SlotColumn) -> bool:
        is_price = mark.gradable() == ("price", "+")
        return column.is_number and bool(column.currency if is_price else column.unit and column.unit[0] == "mass")

    def _measure(self, ask: Ask) -> bool:
        if any(
            mark.gradable() and not mark.is_used and not mark.columns and self._is_compared(mark) for mark in self.marks
        ):
            return False  # the average of the longest
        meant = self._dimension()
        left = [column for column in self.left(ask) if column.is_number]
        left += [] if meant is not None or left else self._measured_in_units()
        ask.target = meant[0] if meant is not None else left[0] if left else None
        if ask.intent == "sum" and not self.asks_for_units and ask.target and not self.is_counted(ask.target):
            return False
        return ask.target is not None and ask.target.is_number and (self.names_video or self.is_said_of(ask))

    def _measured_in_units(self) -> list[SlotColumn]:
        """ "How many hours of video": a unit of time without a number asks for the videos' length."""
        said = [mark for mark in self.marks if mark.unit and mark.unit[0] == "time" and mark.number is None]
        units = [mark for mark in said if mark.text not in self.words.function]
        own = [column for column in self.columns if column.table != "files" and column.is_number]
        if len(units) != 1 or not self.says_video() or any((column.unit or ("",))[0] == "time" for column in own):
            return []
        units[0].is_used = self.asks_for_units = True
        return [column for column in self.columns if column.table == "files" and column.name == "duration_seconds"]

    def _order(self, ask: Ask) -> bool:
        """All of the rows by one column: the first adjective says which end is first, as in "from short to long"."""
        graded = [mark for mark in self.marks if mark.gradable() and not mark.is_used]
        # "Newest first": what says that they come first is no order of its own.
        leading = [mark for place, mark in enumerate(graded) if not (place and self._says_first(mark, graded[0]))]
        # "Nach Länge": a column's name that is spelt as an adjective says no end.
        leading = [mark for mark in leading if not (mark.columns and self._is_behind_per(mark))]
        left = [column for column in self.left(ask) if column.is_number or column.is_date or column.name == "filename"]
        if ask.group is not None:  # "by name"
            if ask.group.is_list:
                return False
            left, ask.group = [*left, ask.group], None
        named = {column.name: column for mark in leading if (column := self._graded(mark)) is not None}
        if left and not leading and graded:
            return False
        if len(named) > 1 or (not named and len(left) != 1):
            return False
        if ask.conditions and len(leading) == 1 and leading[0].is_base and not self.names_video:
            return False  # "how old is Ada"
        ask.order = next(iter(named.values())) if named else left[0]
        if any(column is not ask.order for column in left):
            return False
        signs = [mark for mark in self.marks if mark.roles & {"most", "least"}]
        ask.descending = (leading[0].gradable() or ("", ""))[1] == "+" if leading else ask.order.is_number
        if signs and not leading:
            ask.descending = "most" in signs[0].roles
        by = [
            mark
            for place, mark in enumerate(self.marks)
            if "per" in mark.roles and any(ask.order in other.columns for other in self.marks[place + 1 : place + 3])
        ]
        for mark in (*graded, *signs, *by):
            mark.is_used = True
        return True

    def _is_behind_per(self, mark: Mark) -> bool:
        place = self.marks.index(mark)
        return place > 0 and "per" in self.marks[place - 1].roles

    def _says_first(self, mark: Mark, leading: Mark) -> bool:
        dimensions = [(item.gradable() or ("", ""))[0] for item in (leading, mark)]
        return mark.gradable() == ("date", "-") and (
            dimensions[0] != "date" or self._is_beside(self.marks.index(mark), [leading])
        )

    def _counts_rows(self, place: int) -> bool:
        near = self.marks[max(0, place - 2) : place + 3]
        return any(mark.gradable() or mark.roles & {"most", "least", "video"} for mark in near)

    def _is_compared(self, mark: Mark) -> bool:
        return not mark.is_base or any(other.roles & {"most", "least", "degree"} for other in self.marks)

    def _ranked(self) -> int:
        """ "The second longest": the ordinal beside what is compared; 0 where there is none."""
        for place, mark in enumerate(self.marks):
            near = self.marks[max(0, place - 1) : place + 4]
            compared = [other for other in near if other.gradable() or other.roles & {"most", "least"}]
            if mark.ordinal and not mark.is_used and compared:
                mark.is_used = not mark.gradable()  # of "zweitlängste" the adjective is to be read yet
                return mark.ordinal
        return 0

    def _extreme(self, ask: Ask) -> bool:
        ask.rank = self._ranked()
        graded = [mark for mark in self.marks if mark.gradable() and not mark.is_used]
        if graded and not ask.rank and not any(map(self._is_compared, graded)):
            return False
        meant = self._dimension()
        left = self.left(ask)
        limit = next(
            (
                mark
                for place, mark in enumerate(self.marks)
                if mark.number and not mark.is_used and not mark.period and self._counts_rows(place)
            ),
            None,
        )
        if limit is not None and limit.number == int(limit.number or 0) and not limit.unit and not limit.currency:
            ask.limit, limit.is_used = min(100, int(limit.number or 1)), True
        if meant is not None:
            ask.order, ask.descending = meant
        else:
            sign = next((mark for mark in self.marks if mark.roles & {"most", "least"} and not mark.is_used), None)
            ask.order = next((column for column in left if column.is_number or column.is_date), None)
            if sign is None or ask.order is None:
                return self._common(ask)
            sign.is_used = True
            ask.descending = "most" in sign.roles
        if ask.order.unit is not None:  # "how many seconds does the shortest last"
            for mark in self.marks:
                mark.is_used |= mark.number is None and mark.unit is not None and mark.unit[0] == ask.order.unit[0]
        others = [column for column in left if column is not ask.order]
        if not others and self.asks_who:
            others = self.told_of(ask)
        if others and others[0].is_text and not others[0].is_list:
            if ask.order.is_date and meant is not None:
                return False  # the oldest judge is not who came first
            ask.target = others[0]
        return ask.group is None

    def _common(self, ask: Ask) -> bool:
        left = [column for column in self.left(ask) if column.is_text]
        if self.asks_who:
            left = [column for column in left if self.told.is_person(column)]
        signs = [mark for mark in self.marks if mark.roles & {"most", "least", "often"} and not mark.is_used]
        if not left or not signs or ask.group is not None or any("size" in mark.roles for mark in signs):
            return False
        for mark in signs:
            mark.is_used = True
        ask.intent, ask.target = "common", left[0]
        ask.descending = not any("least" in mark.roles for mark in signs)
        return True

    def _is_explained(self, mark: Mark, ask: Ask) -> bool:
        used = ask.used()
        if mark.is_used or any(column in used for column in (*mark.columns, *mark.related)):
            return True
        if mark.text in self.words.measuring and any(self._is_measured_so(mark, column) for column in used):
            return True  # who had to pay the highest fine
        is_function = mark.text in self.words.function or mark.text in self.words.light
        if mark.roles & _EXPLICIT or mark.gradable() or mark.period or mark.number is not None:
            # "by" and "over" compare nothing where there is nothing to compare.
            is_idle = not any(other.number is not None or other.period for other in self.marks)
            return is_function and ((is_idle and mark.roles <= _PREPOSITIONS) or mark.number == 1)
        if "video" in mark.roles:
            return True
        if any(column.name == "collection_names" for column in mark.columns):
            return self.names_video  # "in the collection": in what is asked of
        is_unit = mark.unit is not None and not is_function  # "d'heures"
        if is_unit and any(column.is_number and column.unit == mark.unit for column in used):
            return True
        if mark.columns or mark.values or mark.absent or is_unit or mark.ordinal or mark.text in self.words.months:
            return False
        carried = self.words.carriers.get(mark.text)
        if is_function or carried is not None:
            kinds = {ask.intent, self.intent, *(["count"] if ask.group else [])}
            return is_function or bool((carried or frozenset()) & kinds)
        return bool(mark.roles) or any(column.describes(mark.text) for column in used if column.table != "files")
