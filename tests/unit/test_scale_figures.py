"""Figures of the bench of hot paths are judged by the kind of their goal, and those that miss it are told at the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.scale.figures import Figure, summary, write

RATE = Figure("sqlite", "ratio", 0.2, "x", 0.25, is_least=True)
TIME = Figure("postgres", "time", 19.0, "ms", 20.0)
BESIDE = Figure("postgres", "p50", 900.0, "ms")


@pytest.mark.parametrize(
    ("value", "is_least", "met"), [(2.0, False, True), (2.1, False, False), (2.0, True, True), (1.9, True, False)]
)
def test_a_goal_is_the_most_or_the_least(value: float, is_least: bool, met: bool) -> None:
    assert Figure("sqlite", "f", value, "x", 2.0, is_least).is_met is met


def test_the_end_lists_what_misses_its_goal_and_nothing_else() -> None:
    told = summary([RATE, TIME, BESIDE]).splitlines()
    assert told == ["3 figures, 2 with a goal, 1 of which miss it:", str(RATE)]
    assert "at least 0.25  MISSED" in told[1]
    assert summary([TIME]) == "1 figures, 1 with a goal, 0 of which miss it"


def test_each_figure_is_written_beside_its_goal(tmp_path: Path) -> None:
    write(tmp_path / "a" / "scale.json", [RATE, BESIDE])
    rate, beside = json.loads((tmp_path / "a" / "scale.json").read_text())
    assert rate == {
        "database": "sqlite", "name": "ratio", "value": 0.2, "unit": "x",
        "goal": 0.25, "kind_of_goal": "at least", "is_met": False,
    }  # fmt: skip
    assert (beside["goal"], beside["kind_of_goal"], beside["is_met"]) == (None, None, True)
