"""SQL for what a question asks, with the words in which its answer is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.entities.columns import EntityColumn, quoted
from ray_jobs.engines.embedded.extractive.entities.conditions import Condition

_MEASURES = {"avg": "average", "sum": "total", "median": "median", "max": "highest", "min": "lowest"}


@dataclass
class Ask:
    """What a question was understood to ask."""

    of_segments: bool = False
    uses_entities: bool = True
    uses_files: bool = False
    shape: str = ""  # count, list, lookup, measure, extreme, common, rank_count, rank_measure
    target: EntityColumn | None = None  # whose values are listed, counted or measured; None: the rows
    measure: str = ""
    order: EntityColumn | None = None  # what the most or least is of
    descending: bool = True
    limit: int = 1
    is_top: bool = False  # a number of them was asked for
    is_common: bool = False
    is_parts: bool = False  # segments are counted, not videos
    group: EntityColumn | None = None
    group_period: str = ""  # year or month, of a date
    groups_rows: bool = False
    groups_collections: bool = False
    conditions: Sequence[Condition] = field(default=())
    label: EntityColumn | None = None

    def columns(self) -> Iterator[EntityColumn]:
        for column in (self.target, self.order, self.group):
            if column is not None:
                yield column

    @property
    def noun(self) -> str:
        return "segments" if self.is_parts else "videos"

    @property
    def row(self) -> str:
        return "e" if self.uses_entities else "f"

    @property
    def count(self) -> str:
        if self.target is not None and self.shape == "count":
            return "count(DISTINCT _unnested)" if self.target.is_list else f"count(DISTINCT {self.target.sql})"
        return "count(*)" if self.is_parts else f"count(DISTINCT {self.row}.file_id)"


def write_query(ask: Ask) -> pb.Query | None:
    return {
        "count": _count,
        "list": _list,
        "lookup": _lookup,
        "measure": _measure,
        "extreme": _extreme,
        "common": _common,
        "rank_count": _common,
        "rank_measure": _rank_measure,
    }[ask.shape](ask)


def _source(ask: Ask, *unnested: EntityColumn | None) -> str:
    table = "segment_entities" if ask.of_segments else "entities"
    if not ask.uses_entities:
        source = "files AS f"
    elif ask.uses_files or ask.groups_collections:
        source = f"{table} AS e JOIN files AS f ON f.file_id = e.file_id AND f.collection_id = e.collection_id"
    else:
        source = f"{table} AS e"
    for column in unnested:
        if column is not None and column.is_list:
            source += f", unnest({column.sql}) AS u(_unnested)"
    return source


def _where(ask: Ask, *more: str) -> str:
    tests = [f"({item.sql})" for item in ask.conditions] + list(more)
    return f" WHERE {' AND '.join(tests)}" if tests else ""


def _value(column: EntityColumn) -> str:
    return "_unnested" if column.is_list else column.sql


def _that(ask: Ask) -> str:
    """The conditions in words, as " that have category “laptop” and price over 100"."""
    if not ask.conditions:
        return ""
    phrases = [item.phrase for item in ask.conditions]
    said = phrases[0]
    for phrase in phrases[1:]:
        same = phrase.startswith("have ") and said.startswith("have ")
        said += " and " + (phrase.removeprefix("have ") if same else phrase)
    return f" that {said}"


def _group(ask: Ask) -> tuple[str, str] | None:
    """(expression, name) of what results are grouped by."""
    if ask.group is not None and ask.group_period:
        form = {"year": "%Y", "month": "%Y-%m"}[ask.group_period]
        return f"strftime({ask.group.sql}, '{form}')", ask.group_period
    if ask.group is not None:
        return _value(ask.group), ask.group.label
    if ask.groups_collections:
        return "f.collection_name", "collection"
    if ask.groups_rows:
        return f"{ask.row}.filename", "video"
    return None


def _counted(ask: Ask) -> str:
    if ask.target is not None and ask.shape == "count":
        return f"different values of {ask.target.label}"
    return ask.noun


def _count(ask: Ask) -> pb.Query | None:
    group = _group(ask)
    purpose = f"number of {_counted(ask)}"
    target = ask.target if ask.shape == "count" else None
    if group is None:
        of = ', (SELECT count(DISTINCT file_id) FROM files) AS "of"' if target is None and not ask.is_parts else ""
        if target is not None:
            purpose += f" among the {ask.noun}" if ask.conditions else ""
        return pb.Query(
            purpose=purpose + _that(ask),
            sql=f'SELECT {ask.count} AS "number"{of} FROM {_source(ask, target)}{_where(ask)}',
        )
    expression, name = group
    if target is not None and target.is_list and ask.group is not None and ask.group.is_list:
        return None
    return pb.Query(
        purpose=f"{purpose}{_that(ask)}, for each {name}",
        sql=f'SELECT {expression} AS {quoted(name)}, {ask.count} AS "number" FROM {_source(ask, target, ask.group)}'
        f"{_where(ask, f'{expression} IS NOT NULL')} GROUP BY 1 ORDER BY 2 DESC, 1",
    )


def _rows(ask: Ask) -> str:
    """What a row is shown by: its file, its title, and of a segment its time."""
    shown = [f'{ask.row}.filename AS "video"']
    if ask.label is not None:
        shown.append(f"{ask.label.sql} AS {quoted(ask.label.label)}")
    if ask.of_segments and ask.is_parts:
        shown.append('e.start_time AS "start_time"')
    return ", ".join(shown)


def _list(ask: Ask) -> pb.Query:
    if ask.target is None:
        order = '"video"' + (', "start_time"' if ask.of_segments and ask.is_parts else "")
        return pb.Query(
            purpose=f"{ask.noun}{_that(ask)}",
            sql=f"SELECT DISTINCT {_rows(ask)} FROM {_source(ask)}{_where(ask)} ORDER BY {order}",
        )
    value = _value(ask.target)
    return pb.Query(
        purpose=f"{ask.target.label} of the {ask.noun}{_that(ask)}",
        sql=f"SELECT DISTINCT {value} AS {quoted(ask.target.label)} FROM {_source(ask, ask.target)}"
        f"{_where(ask, f'{value} IS NOT NULL')} ORDER BY 1",
    )


def _lookup(ask: Ask) -> pb.Query:
    assert ask.target is not None
    return pb.Query(
        purpose=f"{ask.target.label} of the {ask.noun}{_that(ask)}",
        sql=f"SELECT DISTINCT {_rows(ask)}, {ask.target.sql} AS {quoted(ask.target.label)} FROM {_source(ask)}"
        f"{_where(ask, f'{ask.target.sql} IS NOT NULL')} ORDER BY 1",
    )


def _measure(ask: Ask) -> pb.Query | None:
    assert ask.target is not None
    name = f"{_MEASURES[ask.measure]} {ask.target.label}"
    measured = f'{ask.measure}({ask.target.sql}) AS {quoted(name)}, count({ask.target.sql}) AS "of"'
    group = _group(ask)
    present = f"{ask.target.sql} IS NOT NULL"
    if group is None:
        return pb.Query(
            purpose=f"{name} of the {ask.noun}{_that(ask)}",
            sql=f"SELECT {measured} FROM {_source(ask)}{_where(ask, present)}",
        )
    expression, label = group
    return pb.Query(
        purpose=f"{name} of the {ask.noun}{_that(ask)}, for each {label}",
        sql=f"SELECT {expression} AS {quoted(label)}, {ask.measure}({ask.target.sql}) AS {quoted(name)} FROM "
        f"{_source(ask, ask.group)}{_where(ask, present, f'{expression} IS NOT NULL')} GROUP BY 1 ORDER BY 2 DESC, 1",
    )


def _ranked(ask: Ask, inner: str, columns: str) -> str:
    """Those within the limit, and those that tie with the last of them."""
    way = "DESC" if ask.descending else "ASC"
    return (
        f"SELECT {columns} FROM (SELECT *, rank() OVER (ORDER BY _measure {way}) AS _rank FROM ({inner})) "
        f"WHERE _rank <= {ask.limit} ORDER BY _rank, 1"
    )


def _extreme(ask: Ask) -> pb.Query | None:
    assert ask.order is not None
    if ask.target is not None and ask.target.is_list:
        return None
    shown = f"{ask.target.sql} AS {quoted(ask.target.label)}" if ask.target is not None else _rows(ask)
    names = [quoted(ask.target.label)] if ask.target is not None else ['"video"']
    if ask.target is None and ask.label is not None:
        names.append(quoted(ask.label.label))
    what = ask.target.label if ask.target is not None else ask.noun
    most = "latest" if ask.descending else "earliest"
    if ask.order.is_number:
        most = "highest" if ask.descending else "lowest"
    inner = (
        f"SELECT DISTINCT {shown}, {ask.order.sql} AS _measure FROM {_source(ask)}"
        f"{_where(ask, f'{ask.order.sql} IS NOT NULL')}"
    )
    label = (
        ask.order.label if ask.order.label != (ask.target.label if ask.target else "") else f"{ask.order.label} value"
    )
    count = f"{ask.limit} " if ask.is_top else ""
    return pb.Query(
        purpose=f"the {count}{what} with the {most} {ask.order.label}{_among(ask)}",
        sql=_ranked(ask, inner, f"{', '.join(dict.fromkeys(names))}, _measure AS {quoted(label)}"),
    )


def _among(ask: Ask) -> str:
    return f", among the {ask.noun}{_that(ask)}" if ask.conditions else ""


def _common(ask: Ask) -> pb.Query:
    assert ask.target is not None
    value = _value(ask.target)
    if ask.of_segments and ask.is_common:
        ask.is_parts = True
    inner = (
        f"SELECT {value} AS _value, {ask.count} AS _measure FROM {_source(ask, ask.target)}"
        f"{_where(ask, f'{value} IS NOT NULL')} GROUP BY 1"
    )
    most = "most" if ask.descending else "fewest"
    count = f"{ask.limit} " if ask.is_top else ""
    return pb.Query(
        purpose=f"the {count}{ask.target.label} with the {most} {ask.noun}{_that(ask)}",
        sql=_ranked(ask, inner, f"_value AS {quoted(ask.target.label)}, _measure AS {quoted('number of ' + ask.noun)}"),
    )


def _rank_measure(ask: Ask) -> pb.Query:
    assert ask.target is not None and ask.order is not None
    value = _value(ask.target)
    name = f"{_MEASURES[ask.measure]} {ask.order.label}"
    inner = (
        f"SELECT {value} AS _value, {ask.measure}({ask.order.sql}) AS _measure FROM {_source(ask, ask.target)}"
        f"{_where(ask, f'{value} IS NOT NULL', f'{ask.order.sql} IS NOT NULL')} GROUP BY 1"
    )
    most = "highest" if ask.descending else "lowest"
    count = f"{ask.limit} " if ask.is_top else ""
    return pb.Query(
        purpose=f"the {count}{ask.target.label} with the {most} {name}{_among(ask)}",
        sql=_ranked(ask, inner, f"_value AS {quoted(ask.target.label)}, _measure AS {quoted(name)}"),
    )
