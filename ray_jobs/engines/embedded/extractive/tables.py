"""What of a table or a chart on the screen is asked for: the cell of a row and a column, or the row that has the most."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from ray_jobs.engines.embedded.extractive.facts import measure
from ray_jobs.engines.embedded.extractive.forms import wanted_measure
from ray_jobs.engines.embedded.extractive.languages import LANGUAGES
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.sentences import content_terms
from ray_jobs.engines.embedded.extractive.slots.columns import SlotColumn
from ray_jobs.engines.embedded.extractive.slots.lexicon import lexicon, unit_names
from ray_jobs.engines.embedded.extractive.slots.marks import Mark, read_marks
from services.core.search.tokens import folded

BETWEEN = " | "  # the cells of a row, as engines.embedded.layout writes them
MAX_ROWS = 60
MAX_COLUMNS = 12
MAX_ASKED = 4  # rows that a question names
NAMING = ("who", "where")  # forms that a row's label may answer, and its values don't
_LABELLED = re.compile(r"([^:：\d]{1,40}|[^:：]{1,40}\w[^:：]{0,4})[:：]\s*(\S{0,3}\d.{0,20})$")
_NUMBER = re.compile(r"[-+−]?\d+(?:[.,'’\u00a0\u202f ]\d+)*")
# What the dimensions of comparing words are measured in.
_MEASURED_IN = {
    "length": {"length", "duration"},
    "price": {"currency"},
    "weight": {"mass"},
    "height": {"length"},
    "speed": {"speed"},
    "temperature": {"temperature"},
    "distance": {"length"},
    "depth": {"length"},
}


@dataclass(frozen=True)
class Table:
    """`columns`: their names, "" where the screen has none; `rows`: as many cells each, the first of which is the label."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def table_of(text: str) -> Table | None:
    """The largest table or chart of a text on the screen that has two rows at least; None where there is none."""
    lines = text.splitlines()
    runs = [
        (width, [number for number, _ in run])
        for width, run in groupby(enumerate(map(_cells, lines)), key=lambda item: len(item[1]))
        if 2 <= width <= MAX_COLUMNS
    ]
    tables = [table for width, numbers in runs if (table := _table(lines, numbers, width)) is not None]
    return max(tables, key=lambda table: len(table.rows) * len(table.columns), default=None)


def _cells(line: str) -> list[str]:
    if BETWEEN in line:
        return [cell.strip() for cell in line.split(BETWEEN)]
    labelled = _LABELLED.fullmatch(line.strip())
    return [labelled[1].strip(), labelled[2].strip()] if labelled else [line]


def _table(lines: Sequence[str], numbers: Sequence[int], width: int) -> Table | None:
    rows = [tuple(_cells(lines[number])) for number in numbers[: MAX_ROWS + 1]]
    has_names = len(rows) > 2 and not _has_figures(rows[0]) and all(map(_has_figures, rows[1:]))
    names = rows.pop(0) if has_names else ("",) * width
    if not has_names and width == 2 and numbers[0]:
        names = ("", lines[numbers[0] - 1].strip())  # what stands over a chart says what its values are
    return Table(names, tuple(rows)) if len(rows) > 1 and all(map(_has_figures, rows)) else None


def _has_figures(row: Sequence[str]) -> bool:
    return any(any(map(str.isdecimal, cell)) for cell in row[1:])


@dataclass(frozen=True)
class Told:
    """`text`: "Russet: 310". `compares`: rests on more rows than one; `is_sure`: of what, was asked for by name or measure."""

    text: str
    compares: bool = False
    is_sure: bool = False


def told_by(table: Table, question: Question, of: str = "") -> Told | None:
    """What answers the question: the cells of the rows that it names, or the furthest of all. All of a row where it is not
    said what of it; None where the table does not say.

    of: which of several rows is meant, where the question names more."""
    columns = _columns(table)
    language = lexicon(question.language if question.language in LANGUAGES else "en")
    marks = read_marks(question.text, language, columns, date.today())
    column, is_sure = _asked_column(table, columns, marks, question)
    if not column and len(columns) == 2 and not of:
        column = 1
    asked = of or question.text
    rows = _asked_rows(table, columns[0], read_marks(of, language, columns, date.today()) if of else marks, asked)
    if rows and question.form not in NAMING and (column or not of):
        cells = [f"{row[0]}: {row[column] if column else ', '.join(filter(None, row[1:]))}" for row in rows]
        return Told("; ".join(cells), compares=len(rows) > 1, is_sure=is_sure)
    sign = _direction(marks)
    most = _furthest(table, column, sign) if column and sign and not of else ""
    return Told(most, compares=True, is_sure=is_sure) if most else None


def _columns(table: Table) -> list[SlotColumn]:
    labels = tuple(row[0] for row in table.rows)
    types = ["VARCHAR", *("DOUBLE" for _ in table.columns[1:])]
    return [
        SlotColumn("screen", name, type, "", labels if not place else (), len(set(labels)) if not place else None)
        for place, (name, type) in enumerate(zip(table.columns, types, strict=True))
    ]


def _asked_rows(table: Table, labels: SlotColumn, marks: Sequence[Mark], asked: str) -> list[tuple[str, ...]]:
    """Those whose labels are asked for, else the one of which most words are; in the table's order, MAX_ASKED at most."""
    named = {folded(value) for mark in marks for column, value in mark.values if column is labels}
    wanted = content_terms(asked)
    shares = [1.0 if folded(row[0]) in named else _share(row[0], wanted) for row in table.rows]
    most = max(shares)
    found = [row for row, share in zip(table.rows, shares, strict=True) if share == most and most > 0.5]
    return found if len(found) <= (MAX_ASKED if most == 1 else 1) else []


def _share(label: str, wanted: set[str]) -> float:
    """Of the words of a label, those that a question has, or begins with where they are letters: "Mon" of Monday."""
    words = content_terms(label) or {folded(label)}
    held = (
        any(word == term or (len(word) >= 3 and word.isalpha() and term.startswith(word)) for term in wanted)
        for word in words
    )
    return sum(held) / len(words)


def _asked_column(
    table: Table, columns: Sequence[SlotColumn], marks: Sequence[Mark], question: Question
) -> tuple[int, bool]:
    """(the column by its name or by what is to be measured, 0 where neither tells; whether the question says so itself)."""
    values = range(1, len(columns))
    named = {
        place: mark for mark in marks for place in values if columns[place] in mark.columns and columns[place].name
    }
    if len(named) == 1:
        ((place, mark),) = named.items()
        return place, not mark.is_guessed
    dimensions = {told[0] for mark in marks if (told := mark.gradable()) is not None}
    kinds = {kind for dimension in dimensions for kind in _MEASURED_IN.get(dimension, ())}
    wanted = kinds or ({wanted_measure(question.text)} - {"", "count"} if question.form == "number" else set())
    measured = [place for place in values if wanted & {_measure(row[place]) for row in table.rows}]
    return (measured[0], bool(kinds)) if len(measured) == 1 else (0, False)


def _measure(cell: str) -> str:
    """As `facts.measure`, also by a unit of one letter, which in a sentence may be another word."""
    unit = unit_names().get(_NUMBER.sub("", cell).strip())
    return measure(cell) or {"time": "duration", "distance": "length", "": ""}.get(unit[0] if unit else "", "")


def _direction(marks: Sequence[Mark]) -> int:
    """1 where the most is asked for, -1 where the least is, 0 where neither is."""
    for mark in marks:
        graded = mark.gradable()
        if graded is not None and not mark.is_base:
            return 1 if graded[1] == "+" else -1
        if mark.roles & {"most", "least"}:
            return 1 if "most" in mark.roles else -1
    return 0


def _furthest(table: Table, column: int, sign: int) -> str:
    """Of the row that has the most, or the least; "" where two have it, or a value is no number or in another unit."""
    found = [_NUMBER.search(row[column]) for row in table.rows]
    numbers = [sign * _value(match[0]) for match in found if match]
    units = {row[column].replace(match[0], "").strip() for row, match in zip(table.rows, found, strict=True) if match}
    if len(numbers) < len(found) or len(units) > 1 or numbers.count(max(numbers)) > 1:
        return ""
    row = table.rows[numbers.index(max(numbers))]
    return f"{row[0]}: {row[column]}"


def _value(written: str) -> float:
    """Groups of three digits are one number; else a comma is a point, as most languages write it."""
    digits = re.sub(r"[\s\u00a0\u202f'’]", "", written).replace("−", "-")
    if re.fullmatch(r"[-+]?\d{1,3}(?:[.,]\d{3})+", digits):
        return float(re.sub(r"[.,]", "", digits))
    whole, mark, rest = digits.rpartition("." if digits.rfind(".") > digits.rfind(",") else ",")
    return float(f"{re.sub('[.,]', '', whole)}.{rest}") if mark else float(digits)
