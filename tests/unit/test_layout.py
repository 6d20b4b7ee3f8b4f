"""What belongs together on a screen is told together, and what may not is told to be uncertain."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ray_jobs.engines.embedded.layout import UNSURE, arranged


@dataclass
class Cell:
    text: str
    left: float
    top: float
    width: float = 0.0
    height: float = 0.05

    def __post_init__(self) -> None:
        self.width = self.width or 0.025 * len(self.text)


def centred(text: str, centre: float, top: float) -> Cell:
    return Cell(text, centre - 0.0125 * len(text), top)


DAYS = ("Mon", "Tue", "Wed", "Thu")
AXIS = [centred(day, 0.4 + 0.3 * number, 0.9) for number, day in enumerate(DAYS)]


def test_each_bar_of_a_chart_has_the_value_over_it() -> None:
    bars = [
        centred(value, 0.4 + 0.3 * number, top)
        for number, (value, top) in enumerate((("55", 0.4), ("40", 0.5), ("7", 0.8), ("62", 0.3)))
    ]
    ticks = [Cell(value, 0.1, top) for value, top in (("60", 0.32), ("30", 0.6), ("0", 0.86))]
    title = Cell("Visitors a day", 0.4, 0.05)
    assert arranged([*AXIS, *bars, *ticks, title]) == [
        "Visitors a day", "60", "30", "0", "Mon: 55", "Tue: 40", "Wed: 7", "Thu: 62",
    ]  # fmt: skip


def test_a_bar_without_a_value_is_a_label_alone() -> None:
    assert arranged([*AXIS, *(centred("9", 0.4 + 0.3 * number, 0.5) for number in (0, 1, 3))]) == [
        "Mon: 9", "Tue: 9", "Wed", "Thu: 9",
    ]  # fmt: skip


def test_two_values_over_a_label_are_not_shared_out() -> None:
    bars = [centred(str(number), 0.4 + 0.3 * (number // 2) + 0.1 * (number % 2), 0.5) for number in range(8)]
    said = arranged([*AXIS, *bars])
    assert said[-1] == UNSURE and not any(":" in line for line in said)
    assert sorted(said[:-1]) == sorted([*map(str, range(8)), *DAYS])


def test_rows_of_a_table_stay_rows() -> None:
    table = [("Item", "Price"), ("Bread", "3.20 €"), ("Butter", "2.10 €")]
    cells = [
        Cell(text, 0.2 + 0.8 * column, 0.2 + 0.1 * row)
        for row, line in enumerate(table)
        for column, text in enumerate(line)
    ]
    assert arranged(cells) == ["Item | Price", "Bread: 3.20 €", "Butter: 2.10 €"]
    wide = [
        Cell(f"{name}{row}", 0.2 + 0.5 * column, 0.2 + 0.1 * row) for row in (1, 2) for column, name in enumerate("abc")
    ]
    assert arranged(wide) == ["a1 | b1 | c1", "a2 | b2 | c2"]


@pytest.mark.parametrize(
    "lines",
    [
        [Cell("Riverside College", 0.1, 0.9), Cell("12", 1.5, 0.9)],
        [
            Cell("The first of two columns", 0.1, 0.3),
            Cell("and what is beside it", 1.0, 0.3),
            Cell("goes on over rows", 0.1, 0.4),
            Cell("as prose does too", 1.0, 0.4),
        ],
        [Cell("Yes", 0.1, 0.3), Cell("No", 1.0, 0.3), Cell("Left", 0.1, 0.4), Cell("Right", 1.0, 0.4)],
    ],
)
def test_what_only_stands_beside_each_other_stays_apart(lines: list[Cell]) -> None:
    assert arranged(lines) == [line.text for line in lines]


def test_nothing_is_nothing() -> None:
    assert arranged([]) == []
