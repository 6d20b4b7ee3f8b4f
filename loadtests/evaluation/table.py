"""What the grades add up to: a row for each kind of question, and the figures that have targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from loadtests.evaluation.collections import UNANSWERABLE, Question
from loadtests.evaluation.grading import Grade

Graded = tuple[Question, Grade]


@dataclass(frozen=True)
class Figure:
    """`of`: how many questions it is a share of. `at_most`: less is better."""

    name: str
    value: float
    of: int
    target: float | None = None
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.target is None or (self.value <= self.target if self.at_most else self.value >= self.target)


def figures(graded: Sequence[Graded]) -> list[Figure]:
    def of_kinds(*kinds: str) -> list[Graded]:
        return [item for item in graded if item[0].kind in kinds]

    answerable = [item for item in graded if item[0].is_answerable]
    made = [
        _figure("right moment first", answerable, lambda grade: grade.moment, 0.85),
        _figure("fact present", answerable, lambda grade: grade.fact, 0.8),
        _figure("answerable refused", answerable, lambda grade: grade.refused, 0.08, at_most=True),
        _figure("unanswerable refused", of_kinds(*UNANSWERABLE), lambda grade: grade.refused, 0.9),
        _figure("near misses refused", of_kinds("near miss"), lambda grade: grade.refused, 0.8),
        _figure("whole-video requests answered", of_kinds("whole"), lambda grade: grade.fact, 0.95),
        _figure("facts of the database", of_kinds("database"), lambda grade: grade.fact, 1.0),
        _figure("wrong entities answers", of_kinds("entities"), lambda grade: grade.is_wrong, 0.0, at_most=True),
        _figure("replies in the language of the question", graded, lambda grade: grade.language),
        _figure("the same, not in English", _foreign(graded), lambda grade: grade.language),
        _figure("errors", graded, lambda grade: bool(grade.error), 0.0, at_most=True),
    ]
    return [figure for figure in made if figure.of]


def by_kind(graded: Sequence[Graded]) -> list[str]:
    """A line for each kind, and for what was asked in each language."""
    lines = [f"{'':<20} {'questions':>9} {'right moment':>12} {'fact':>6} {'refused':>8} {'language':>8}"]
    kinds = list(dict.fromkeys(question.kind for question, _ in graded))
    languages = list(dict.fromkeys(question.language for question, _ in graded))
    for name, rows in (
        *((kind, [item for item in graded if item[0].kind == kind]) for kind in sorted(kinds)),
        *(
            (f"in {language}", [item for item in graded if item[0].language == language])
            for language in sorted(languages)
        ),
    ):
        columns = (
            _share(rows, lambda grade: grade.moment),
            _share(rows, lambda grade: grade.fact),
            _share(rows, lambda grade: grade.refused),
            _share(rows, lambda grade: grade.language),
        )
        moment, fact, refused, language = ("" if value is None else f"{value:.2f}" for value in columns)
        lines.append(f"{name:<20} {len(rows):>9} {moment:>12} {fact:>6} {refused:>8} {language:>8}")
    return lines


def _foreign(graded: Iterable[Graded]) -> list[Graded]:
    return [item for item in graded if item[0].language != "en"]


def _figure(
    name: str,
    rows: Sequence[Graded],
    of: Callable[[Grade], bool | None],
    target: float | None = None,
    *,
    at_most: bool = False,
) -> Figure:
    values = [value for value in (of(grade) for _, grade in rows) if value is not None]
    return Figure(name, sum(values) / len(values) if values else 0.0, len(values), target, at_most)


def _share(rows: Sequence[Graded], of: Callable[[Grade], bool | None]) -> float | None:
    values = [value for value in (of(grade) for _, grade in rows) if value is not None]
    return sum(values) / len(values) if values else None
