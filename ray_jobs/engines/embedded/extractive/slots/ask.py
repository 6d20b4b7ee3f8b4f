"""The closed form of a query, and its SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.slots.columns import SlotColumn, quoted
from ray_jobs.engines.embedded.extractive.slots.lexicon import Lexicon

Intent = Literal["count", "list", "extreme", "sum", "average", "common", "lookup", "order"]


@dataclass(frozen=True)
class Condition:
    column: SlotColumn
    sql: str
    told: str  # as "price > 100"


@dataclass
class Ask:
    """What a question was understood to ask of one table. `target` None: the videos, or of segments the segments."""

    intent: Intent
    table: str
    columns: Sequence[SlotColumn]
    target: SlotColumn | None = None
    order: SlotColumn | None = None
    descending: bool = True
    limit: int = 1
    rank: int = 0  # "the second longest"; 0: the first `limit`
    group: SlotColumn | None = None
    conditions: list[Condition] = field(default_factory=list)
    of_videos: bool = True  # else of segments
    tells_videos: bool = False  # in how many videos the segments are, where either may be meant

    def used(self) -> list[SlotColumn]:
        named = [column for column in (self.target, self.order, self.group) if column is not None]
        return [*named, *(item.column for item in self.conditions)]


def write_query(ask: Ask, words: Lexicon) -> pb.Query:
    return _Writer(ask, words).write()


class _Writer:
    def __init__(self, ask: Ask, words: Lexicon) -> None:
        self.ask = ask
        self.words = words
        self.is_of_files = ask.table == "files"
        self.row = "f" if self.is_of_files else "e"
        self.count = f"count(DISTINCT {self.row}.file_id)" if ask.of_videos else "count(*)"

    def write(self) -> pb.Query:
        match self.ask.intent:
            case "count":
                return self._count()
            case "sum" | "average":
                return self._measure()
            case "extreme":
                return self._extreme()
            case "common":
                return self._common()
            case "order":
                return self._ordered()
        return self._list()

    def _count(self) -> pb.Query:
        target, group = self.ask.target, self.ask.group
        count = self.count if target is None else f"count(DISTINCT {_value(target, 't')})"
        purpose = self._frame("values", target) if target is not None else self._rows_told()
        if group is None:
            videos = f', count(DISTINCT {self.row}.file_id) AS "videos"' if self.ask.tells_videos else ""
            unknown = videos or self._unknown()
            sql = f'SELECT {count} AS "number"{unknown} FROM {self._from(t=target)}{self._where()}'
            return pb.Query(purpose=purpose + self._told(), sql=sql)
        return self._grouped(purpose, count, "number")

    def _unknown(self) -> str:
        """How many videos of the table are not known to have or to lack what is asked of."""
        flags = [item for item in self.ask.conditions if item.column.is_flag and self.is_of_files]
        if not flags:
            return ""
        tests = " OR ".join(f"({item.sql}) IS NULL" for item in flags)
        return f', (SELECT count(DISTINCT f.file_id) FROM files AS f WHERE {tests}) AS "unknown"'

    def _measure(self) -> pb.Query:
        target = self.ask.target
        assert target is not None
        function, frame = ("sum", "sum") if self.ask.intent == "sum" else ("avg", "avg")
        purpose = self._frame(frame, target)
        measured = f"{function}({target.sql})"
        if self.ask.group is not None:
            return self._grouped(purpose, measured, target.name)
        sql = f"SELECT {measured} AS {quoted(target.name)} FROM {self._from()}{self._where()}"
        return pb.Query(purpose=purpose + self._told(), sql=sql)

    def _grouped(self, purpose: str, measured: str, name: str) -> pb.Query:
        group = self.ask.group
        assert group is not None
        value = _value(group, "g")
        return pb.Query(
            purpose=self.words.frames["per"].format(what=purpose, group=self._label(group)) + self._told(),
            sql=f"SELECT {value} AS {quoted(group.label)}, {measured} AS {quoted(name)} "
            f"FROM {self._from(g=group, t=self.ask.target)}{self._where(f'{value} IS NOT NULL')} GROUP BY 1 ORDER BY 2 DESC, 1",
        )

    def _extreme(self) -> pb.Query:
        order, target = self.ask.order, self.ask.target
        assert order is not None
        shown = f"{target.sql} AS {quoted(target.label)}" if target is not None else self._shown()
        names = [quoted(target.label)] if target is not None else self._shown_names()
        inner = f"SELECT DISTINCT {shown}, {order.sql} AS _measure FROM {self._from()}{self._where(f'{order.sql} IS NOT NULL')}"
        frame = {"duration_seconds": ("longest", "shortest"), "created_at": ("newest", "oldest")}.get(
            order.name, ("max", "min")
        )
        purpose = self._frame(frame[0 if self.ask.descending else 1], order)
        purpose += f", #{self.ask.rank}" if self.ask.rank else ""
        measure = order.name if order.name not in names else "value"
        return pb.Query(purpose=purpose + self._told(), sql=self._ranked(inner, ", ".join(names), quoted(measure)))

    def _ordered(self) -> pb.Query:
        order = self.ask.order
        assert order is not None
        way = "DESC" if self.ask.descending else "ASC"
        names = self._shown_names()
        looked = f", {order.sql} AS {quoted(order.name)}" if order.name != "filename" else ""
        key = quoted(order.name) if looked else names[0]
        what = self.words.frames["ordered"].format(what=self._rows_told().lstrip("个本の "), order=self._label(order))
        return pb.Query(
            purpose=what + self._told(),
            sql=f"SELECT DISTINCT {self._shown()}{looked} FROM {self._from()}{self._where()} ORDER BY {key} {way} NULLS LAST, 1",
        )

    def _common(self) -> pb.Query:
        target = self.ask.target
        assert target is not None
        value = _value(target, "t")
        inner = (
            f"SELECT {value} AS _value, {self.count} AS _measure FROM {self._from(t=target)}"
            f"{self._where(f'{value} IS NOT NULL')} GROUP BY 1"
        )
        purpose = self._frame("most" if self.ask.descending else "fewest", target)
        return pb.Query(
            purpose=purpose + self._told(), sql=self._ranked(inner, f"_value AS {quoted(target.label)}", '"number"')
        )

    def _ranked(self, inner: str, columns: str, measure: str) -> str:
        """Those within the limit, and those that tie with the last of them; or those at one rank."""
        way = "DESC" if self.ask.descending else "ASC"
        rank, kept = ("dense_rank", f"= {self.ask.rank}") if self.ask.rank else ("rank", f"<= {self.ask.limit}")
        return (
            f"SELECT {columns}, _measure AS {measure} FROM (SELECT *, {rank}() OVER (ORDER BY _measure {way}) AS _rank "
            f"FROM ({inner})) WHERE _rank {kept} ORDER BY _rank, 1"
        )

    def _list(self) -> pb.Query:
        target = self.ask.target
        if self.ask.intent == "list" and target is not None:
            value = _value(target, "t")
            return pb.Query(
                purpose=self._label(target) + self._told(),
                sql=f"SELECT DISTINCT {value} AS {quoted(target.label)} FROM {self._from(t=target)}"
                f"{self._where(f'{value} IS NOT NULL')} ORDER BY 1",
            )
        what = self._label(target) if target is not None else self._rows_told().lstrip("个本の ")
        looked = f", {target.sql} AS {quoted(target.name)}" if target is not None else ""
        return pb.Query(
            purpose=what + self._told(),
            sql=f"SELECT DISTINCT {self._shown()}{looked} FROM {self._from()}{self._where()} ORDER BY 1",
        )

    def _shown(self) -> str:
        label = self._title()
        named = f", {label.sql} AS {quoted(label.label)}" if label is not None else ""
        start = "" if self.ask.of_videos else ', e.start_time AS "start_time"'
        return f'{self.row}.filename AS "video"{named}{start}'

    def _shown_names(self) -> list[str]:
        label = self._title()
        return [
            '"video"',
            *([quoted(label.label)] if label is not None else []),
            *([] if self.ask.of_videos else ['"start_time"']),
        ]

    def _title(self) -> SlotColumn | None:
        """What a record is called: the first text that no two videos share."""
        videos = next((column.distinct for column in self.ask.columns if column.name == "filename"), None)
        own = [column for column in self.ask.columns if column.table != "files" and column.type == "VARCHAR"]
        if self.is_of_files or not self.ask.of_videos or not videos or videos < 3:
            return None
        return next((column for column in own if column.distinct == videos and column != self.ask.target), None)

    def _from(self, **unnested: SlotColumn | None) -> str:
        used = self.ask.used()
        if self.is_of_files:
            # A video of several collections is one video, unless it is asked by collection.
            by_collection = any(column.name == "collection_name" for column in used)
            is_repeated = any(column.name == "collection_name" for column in self.ask.columns)
            source = (
                "(SELECT DISTINCT ON (file_id) * FROM files) AS f"
                if is_repeated and not by_collection
                else "files AS f"
            )
        else:
            source = f"{self.ask.table} AS e"
            if any(column.table == "files" for column in used):
                source += " JOIN files AS f ON f.file_id = e.file_id AND f.collection_id = e.collection_id"
        for alias, column in unnested.items():
            if column is not None and column.is_list:
                source += f", unnest({column.sql}) AS {alias}({alias}_value)"
        return source

    def _where(self, *more: str) -> str:
        tests = [f"({item.sql})" for item in self.ask.conditions] + list(more)
        return f" WHERE {' AND '.join(tests)}" if tests else ""

    def _told(self) -> str:
        told = ", ".join(item.told for item in self.ask.conditions)
        return f" ({told})" if told else ""

    def _rows_told(self) -> str:
        return self.words.labels["videos" if self.ask.of_videos else "segments"]

    def _frame(self, name: str, column: SlotColumn) -> str:
        return self.words.frames[name].format(what=self._label(column), n="", where="").strip(" .。")

    def _label(self, column: SlotColumn) -> str:
        return label_of(column, self.words)


def label_of(column: SlotColumn, words: Lexicon) -> str:
    name = "collection_names" if column.name == "collection_name" else column.name
    return words.labels.get(name, column.label) if column.table == "files" else column.label


def _value(column: SlotColumn, alias: str) -> str:
    return f"{alias}_value" if column.is_list else column.sql
