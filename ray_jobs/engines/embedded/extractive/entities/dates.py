"""Times that a question names: "in March 2024", "before 2024", "between 2023-01-01 and 2023-06-30"."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ray_jobs.engines.embedded.extractive.entities.words import MONTHS, Token

_BEFORE = frozenset("before until till prior earlier older by".split())
_AFTER = frozenset("after since following later newer from".split())


@dataclass(frozen=True)
class Period:
    """Days from `first` to `last`, both included; None is open. Or a month of any year."""

    first: date | None = None
    last: date | None = None
    month: int | None = None
    said: str = ""


@dataclass(frozen=True)
class Span:
    start: int
    end: int
    first: date | None
    last: date | None
    month: int | None = None


def period_at(question: Sequence[Token], index: int) -> tuple[int, int, Period] | None:
    """(first token, token after it, the period) where a time begins at `index`, with the preposition before it."""
    span = _span(question, index)
    if span is None:
        return None
    said = " ".join(token.text for token in question[span.start : span.end] if token.kind != "mark")
    before = question[index - 1].word if index else ""
    start = index
    if before == "than" and index > 1:
        before, start = question[index - 2].word, index - 1
    if before in ("between", "from") and span.end < len(question) and question[span.end].word in ("and", "to", "until"):
        other = _span(question, span.end + 1)
        if other and span.first and other.last:
            end = " ".join(token.text for token in question[other.start : other.end] if token.kind != "mark")
            return start - 1, other.end, Period(span.first, other.last, said=f"from {said} to {end}")
    if span.month is not None:
        if before not in ("in", "during", "of"):
            return None  # "may" is a verb as well
        return start - 1, span.end, Period(month=span.month, said=f"in {said}")
    assert span.first and span.last
    if before in _BEFORE:
        last = span.last if before in ("until", "till", "by") else span.first - timedelta(days=1)
        return start - 1, span.end, Period(None, last, said=f"{'before' if last < span.first else 'until'} {said}")
    if before in _AFTER:
        first = span.first if before in ("since", "from") else span.last + timedelta(days=1)
        return start - 1, span.end, Period(first, None, said=f"{'since' if first == span.first else 'after'} {said}")
    is_led = before in ("in", "on", "during", "of", "for", "at")
    if span.end - span.start == 1 and question[index].kind == "number" and not is_led:
        return None  # a bare number may be anything
    return start - is_led, span.end, Period(span.first, span.last, said=f"in {said}")


def _span(question: Sequence[Token], index: int) -> Span | None:
    if index >= len(question):
        return None
    token = question[index]
    if token.kind == "date":
        try:
            day = date.fromisoformat(token.text)
        except ValueError:
            return None
        return Span(index, index + 1, day, day)
    rest = [item for item in range(index, min(len(question), index + 5)) if question[item].word != ","]
    words = [question[item] for item in rest]
    try:
        if token.kind == "word" and token.word in MONTHS:
            month = MONTHS[token.word]
            if len(words) > 2 and _is_day(words[1]) and _is_year(words[2]):
                day = date(int(words[2].number or 0), month, int(words[1].number or 0))
                return Span(index, rest[2] + 1, day, day)
            if len(words) > 1 and _is_year(words[1]):
                return _of_month(index, rest[1] + 1, int(words[1].number or 0), month)
            return Span(index, index + 1, None, None, month)
        if _is_day(token) and len(words) > 2 and words[1].word in MONTHS and _is_year(words[2]):
            day = date(int(words[2].number or 0), MONTHS[words[1].word], int(token.number or 0))
            return Span(index, rest[2] + 1, day, day)
    except ValueError:
        return None
    if _is_year(token):
        year = int(token.number or 0)
        return Span(index, index + 1, date(year, 1, 1), date(year, 12, 31))
    return None


def _of_month(start: int, end: int, year: int, month: int) -> Span:
    last = calendar.monthrange(year, month)[1]
    return Span(start, end, date(year, month, 1), date(year, month, last))


def _is_year(token: Token) -> bool:
    return token.kind == "number" and "," not in token.text and token.text.isdigit() and 1900 <= int(token.text) <= 2100


def _is_day(token: Token) -> bool:
    return token.kind == "number" and token.text.isdigit() and 1 <= int(token.text) <= 31
