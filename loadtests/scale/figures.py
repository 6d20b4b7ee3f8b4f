"""Figures beside their goals: how they are told, and how they are written as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measurement.

    database: sqlite or postgres; engine, where no database takes part. goal: the most that the value may be, or the least
    where `is_least`; None where it stands beside others.
    """

    database: str
    name: str
    value: float
    unit: str
    goal: float | None = None
    is_least: bool = False

    @property
    def is_met(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.is_least else self.value <= self.goal

    @property
    def kind_of_goal(self) -> str | None:
        if self.goal is None:
            return None
        return "at least" if self.is_least else "at most"

    def to_json(self) -> dict[str, Any]:
        told = {"database": self.database, "name": self.name, "value": self.value, "unit": self.unit}
        return {**told, "goal": self.goal, "kind_of_goal": self.kind_of_goal, "is_met": self.is_met}

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"  {self.kind_of_goal} {self.goal:g}{'' if self.is_met else '  MISSED'}"
        return f"{self.database:9} {self.name:74} {self.value:10.2f} {self.unit}{goal}"


def write(path: Path, figures: Sequence[Figure]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([figure.to_json() for figure in figures], indent=1) + "\n")


def summary(figures: Sequence[Figure]) -> str:
    """How many there are, and those that miss their goal."""
    missed = [figure for figure in figures if not figure.is_met]
    judged = sum(figure.goal is not None for figure in figures)
    lines = [f"{len(figures)} figures, {judged} with a goal, {len(missed)} of which miss it{':' if missed else ''}"]
    return "\n".join([*lines, *map(str, missed)])
