"""What belongs together on a screen: the cells of a table's rows, and the bars of a chart with the labels under them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

UNSURE = "(not certain which value belongs to which label)"
_VALUE = re.compile(r"[-+−~]?\s?[$€£¥]?\d[\d.,]*\s?(?:[%€£$¥]|°\s?[CF]?|[^\W\d]{1,4}\.?)?")
CELL_WORDS = 4  # of a cell or a label at most; what is longer is a sentence beside another
ALIGNED_HEIGHTS = 0.6  # of a line's height, by which the edges of a column differ at most


class Box(Protocol):
    """A line that was read; its place and size are fractions of the picture's height."""

    text: str
    top: float
    left: float
    width: float
    height: float


AnyBox = TypeVar("AnyBox", bound=Box)


def rows_of(lines: Sequence[AnyBox]) -> list[list[AnyBox]]:
    """Top to bottom, and left to right among lines of one row."""
    rows: list[list[AnyBox]] = []
    for line in sorted(lines, key=lambda line: line.top):
        if rows and line.top < rows[-1][0].top + rows[-1][0].height / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.left) for row in rows]


def arranged(lines: Sequence[Box]) -> list[str]:
    """Lines of text in reading order: a chart's bars as "Mon: 55", rows of a table as "Price: 20" or "a | b | c".

    Where values stand over labels and it is not clear whose they are, UNSURE follows them.
    """
    chart = next(filter(None, (_chart(lines, row) for row in reversed(rows_of(lines)))), None)
    if chart is None:
        return _with_tables(rows_of(lines))
    members, told = chart
    rest = rows_of([line for line in lines if line not in members])
    bottom = max(line.top for line in members)
    above = [row for row in rest if row[0].top < bottom]
    return [*_with_tables(above), *told, *_with_tables(rest[len(above) :])]


def _chart(lines: Sequence[Box], labels: Sequence[Box]) -> tuple[list[Box], list[str]] | None:
    """(lines of a chart whose axis has these labels, what it says); None where this row is no axis."""
    if len(labels) < 2 or not all(_is_cell(label) and not _is_value(label) for label in labels):
        return None
    reach = min(_centre(after) - _centre(before) for before, after in pairwise(labels)) / 2
    over = [line for line in lines if _is_value(line) and line.top < labels[0].top]
    # What stands beside the first label is the other axis.
    values = [value for value in over if _centre(labels[0]) - reach < _centre(value) < _centre(labels[-1]) + reach]
    owned = {id(label): [value for value in values if abs(_centre(value) - _centre(label)) < reach] for label in labels}
    counts = [len(found) for found in owned.values()]
    if sum(counts) < 2 or sum(count > 0 for count in counts) * 2 <= len(labels):
        return None
    members = [*labels, *values]
    if max(counts) > 1 or sum(counts) < len(values):
        return members, [*(line.text for row in rows_of(members) for line in row), UNSURE]
    return members, [
        f"{label.text}: {owned[id(label)][0].text}" if owned[id(label)] else label.text for label in labels
    ]


def _with_tables(rows: Sequence[Sequence[Box]]) -> list[str]:
    in_table = [False] * len(rows)
    for number, (before, after) in enumerate(pairwise(rows)):
        if _is_aligned(before, after):
            in_table[number] = in_table[number + 1] = True
    return [text for row, joined in zip(rows, in_table, strict=True) for text in (_row(row) if joined else _each(row))]


def _is_aligned(before: Sequence[Box], after: Sequence[Box]) -> bool:
    """Whether two rows are of one table: as many cells, each under the other, and not words alone in two columns."""
    if len(before) != len(after) or len(before) < 2 or not all(map(_is_cell, (*before, *after))):
        return False
    if len(before) == 2 and not any(map(_is_value, (*before, *after))):
        return False
    slack = ALIGNED_HEIGHTS * max(line.height for line in (*before, *after))
    return all(
        min(
            abs(one.left - other.left),
            abs(_centre(one) - _centre(other)),
            abs(one.left + one.width - other.left - other.width),
        )
        <= slack
        for one, other in zip(before, after, strict=True)
    )


def _row(row: Sequence[Box]) -> list[str]:
    if len(row) == 2 and _is_value(row[1]):
        return [f"{row[0].text.rstrip(':')}: {row[1].text}"]
    return [" | ".join(line.text for line in row)]


def _each(row: Sequence[Box]) -> list[str]:
    return [line.text for line in row]


def _centre(line: Box) -> float:
    return line.left + line.width / 2


def _is_cell(line: Box) -> bool:
    return len(line.text.split()) <= CELL_WORDS


def _is_value(line: Box) -> bool:
    return _VALUE.fullmatch(line.text.strip()) is not None
