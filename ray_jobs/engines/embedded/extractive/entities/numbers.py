"""Comparisons of numbers: "more than 40 slides", "a rating of 4 or higher", "between 2 and 5 minutes"."""

from __future__ import annotations

from collections.abc import Sequence

from ray_jobs.engines.embedded.extractive.entities.columns import ALIKE, MEANT, Columns, EntityColumn
from ray_jobs.engines.embedded.extractive.entities.conditions import Condition, adjective_column, column_for, only
from ray_jobs.engines.embedded.extractive.entities.dates import period_at
from ray_jobs.engines.embedded.extractive.entities.words import (
    ADJECTIVES,
    CURRENCIES,
    FORMS,
    MONTHS,
    Token,
    singular,
    words_of,
)

_MORE = frozenset("more over above exceeding greater higher beyond larger bigger".split())
_LESS = frozenset("less under below fewer lower smaller".split())
_OR_MORE = frozenset("more higher above greater better longer over".split())
_OR_LESS = frozenset("less lower below fewer shorter under".split())
_SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600}
_GRAMS = {"gram": 1, "g": 1, "kilogram": 1000, "kg": 1000, "kilo": 1000}
_MONEY = frozenset("dollar usd euro eur buck".split())
_SCALES = frozenset("star point".split())


def read_numbers(question: Sequence[Token], columns: Columns) -> list[Condition] | None:
    found = []
    numbers = [column for column in columns.all if column.is_number]
    for index, token in enumerate(question):
        if token.number is None or token.is_read:
            continue
        comparison = _comparison(question, index)
        if comparison is None:
            continue
        first, last, operator, said, other = comparison
        unit = last if last < len(question) else -1
        column, factor = _number_column(question, first, index, unit, numbers)
        if column is None:
            # "before 2024" is a date, and is read as one later.
            if any(item.is_date for item in columns.all) and period_at(question, index) is not None:
                continue
            return None
        value = token.number * factor
        text = token.text if factor == 1 else f"{token.text} {question[unit].text}"
        if operator == "BETWEEN":
            assert other is not None
            sql = f"{column.sql} BETWEEN {value:.15g} AND {other * factor:.15g}"
            said = f"from {value:.15g} to {other * factor:.15g}"
        else:
            sql, said = f"{column.sql} {operator} {value:.15g}", f"{said} {text}"
        for place in range(first, last):
            question[place].is_read = True
        found.append(Condition(column, sql, f"have {column.label} {said}"))
    return found


def _comparison(question: Sequence[Token], index: int) -> tuple[int, int, str, str, float | None] | None:
    """(first token, token after, operator, in words, the second number of a range) around the number at `index`."""

    def word(place: int) -> str:
        return question[place].word if 0 <= place < len(question) else ""

    after = index + 1
    if word(index - 1) == "between" and word(after) == "and" and after + 1 < len(question):
        other = question[after + 1].number
        if other is not None:
            question[after + 1].is_read = True
            return index - 1, after + 2, "BETWEEN", "", other
    for end in (after, after + 1):  # "4 or more", "4 stars or more"
        if word(end) == "or" and word(end + 1) in _OR_MORE | _OR_LESS:
            question[end].is_read = question[end + 1].is_read = True
            sign, said = (">=", "of at least") if word(end + 1) in _OR_MORE else ("<=", "of at most")
            return index, after if end > after else after + 2, sign, said, None
    if question[index].kind == "plus":
        return index, after, ">=", "of at least", None
    before, second = word(index - 1), word(index - 2)
    for sign, said in ((">", "over"), ("<", "under"), (">=", "of at least"), ("<=", "of at most"), ("=", "of exactly")):
        if before == sign:
            return index - 1, after, sign, said, None
    if before in ("least", "most") and second == "at":
        return index - 2, after, ">=" if before == "least" else "<=", f"of at {before}", None
    if before == "exactly":
        return index - 1, after, "=", "of exactly", None
    is_named = question[index - 1].kind == "word" and before not in MONTHS
    if second in ("after", "before", "past") and is_named:  # "after minute 50"
        return index - 2, after, "<" if second == "before" else ">", "under" if second == "before" else "over", None
    start, compared = (index - 2, second) if before == "than" else (index - 1, before)
    operator = ">" if compared in _MORE else "<" if compared in _LESS else ""
    if not operator and before == "than" and compared in FORMS:
        operator = ">" if ADJECTIVES[FORMS[compared]][1] else "<"
    if not operator:
        return None
    if word(start - 1) in ("no", "not") and before == "than":
        operator, start = ("<=" if operator == ">" else ">="), start - 1
    said = {">": "over", "<": "under", ">=": "of at least", "<=": "of at most"}[operator]
    return start, after, operator, said, None


def _number_column(
    question: Sequence[Token], first: int, index: int, unit: int, numbers: list[EntityColumn]
) -> tuple[EntityColumn | None, float]:
    """(the column that a compared number is of, what to multiply the number by to have it in the column's unit)."""
    named = question[unit].forms[0] if unit >= 0 and question[unit].kind == "word" else ""
    column = None
    comparing = next((item.word for item in question[first:index] if item.word in FORMS), "")
    if comparing:
        column = adjective_column(comparing, numbers)
    if first == index - 2 and question[first].word in ("after", "before", "past"):
        column = Columns.best(only(numbers), question[index - 1], least=ALIKE)
        return column, 1.0
    measured = next((units for units in (_SECONDS, _GRAMS) if named in units), None)
    is_scale = named in _SCALES or named in _MONEY
    if column is None and measured is not None:
        # "45 minutes" is of a column that is called so, and of no other where several are measured in time.
        own = [
            item
            for item in numbers
            if item.table != "files" and set(map(singular, words_of(item.name))) & set(measured)
        ]
        column = next((item for item in own if list(map(singular, words_of(item.name))) == [named]), None)
        numbers = own if len(own) > 1 else numbers
    if column is None and unit >= 0 and measured is None and not is_scale:
        column = column_for(question, [unit, unit + 1], numbers)
        if column is not None and column.mentioned_by(question[unit]) == 0:
            if question[unit].kind != "word" or question[unit].word in ("in", "of", "by", "for", "and", "or"):
                column = None
    if column is None:
        # The nearest word before that speaks of a number: "a rating above 4", "cost less than 400".
        column = column_for(question, range(first - 1, max(-1, first - 6), -1), numbers)
    if column is None and (question[index].kind == "money" or named in _MONEY):
        column = adjective_column("cheap", numbers)
    if column is None and measured is _SECONDS and not own:
        column = adjective_column("long", numbers)
    if column is None and measured is _GRAMS and len(own) < 2:
        column = adjective_column("heavy", numbers)
    if column is None and named in _SCALES:
        column = adjective_column("good", numbers)
    if column is None or _differs_in_currency(column, f"{question[index].text[0]} {named}"):
        return None, 1.0
    factor = 1.0
    if measured is not None:
        unit_of_column = next(
            (measured[word] for word in map(singular, words_of(column.name)) if word in measured), None
        )
        if unit_of_column is None:
            return None, 1.0  # a length in an unknown unit can't be compared
        factor = measured[named] / unit_of_column
        question[unit].is_read = True
    elif named and (is_scale or column.mentioned_by(question[unit])):
        question[unit].is_read = True
    for place in range(max(0, first - 5), min(len(question), index + 4)):
        rivals = max((item.mentioned_by(question[place]) for item in numbers if item is not column), default=0)
        if column.mentioned_by(question[place]) > (0 if rivals == 0 else MEANT - 1):
            question[place].is_read = True
    return column, factor


def _differs_in_currency(column: EntityColumn, said: str) -> bool:
    asked = [currency for currency in CURRENCIES if currency & set(said.split())]
    kept = [currency for currency in CURRENCIES if currency & {singular(word) for word in column.told}]
    return bool(asked and kept and asked[0] not in kept)
