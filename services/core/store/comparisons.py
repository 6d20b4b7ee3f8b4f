"""What the operators of a filter mean: how a value is read from text, and how two of them compare.

SQLite calls `holds` for each row; PostgreSQL's conditions in filters.py say the same, and a property test holds both to
a third telling. Text that reads as a number, a boolean or an ISO 8601 date is one; two values compare only if they are
of one kind: "10" is above "9", "1.0" is "1", and a number is neither above nor below a name.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

# As JSON writes numbers, so that "007" stays a name.
NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
    r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?)?"
)
_NUMBER, _MOMENT = re.compile(NUMBER), re.compile(MOMENT)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Value:
    """A text and what it reads as: at most one of number (a double), boolean, moment (microseconds since 1970 UTC)."""

    text: str
    number: float | None = None
    boolean: bool | None = None
    moment: int | None = None

    @property
    def is_text(self) -> bool:
        return self.number is None and self.boolean is None and self.moment is None

    def equals(self, other: Value) -> bool:
        if self.text == other.text:
            return True
        return not self.is_text and (self.number, self.boolean, self.moment) == (
            other.number,
            other.boolean,
            other.moment,
        )

    def is_below(self, other: Value) -> bool:
        """Numbers by size, dates by time, text by code point; what is of another kind, and booleans, never."""
        if self.number is not None and other.number is not None:
            return self.number < other.number
        if self.moment is not None and other.moment is not None:
            return self.moment < other.moment
        return self.is_text and other.is_text and self.text < other.text


def same_form(text: str) -> str:
    """One form for what Unicode holds to be one text: é and e with an accent, ﬁ and fi, ２ and 2."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def forms(path: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The names of a path as they are, and as systems write them whose letters and accents are one sign, or two."""
    if all(map(str.isascii, path)):
        return (tuple(path),)
    other = (tuple(unicodedata.normalize(form, name) for name in path) for form in ("NFC", "NFD"))
    return tuple(dict.fromkeys((tuple(path), *other)))


@lru_cache(4096)
def read(text: str) -> Value:
    text = same_form(text)
    return Value(text, number_of(text), _BOOLEANS.get(text.lower()), moment_of(text))


def number_of(text: str) -> float | None:
    """None for what is no number or does not fit a double: infinite, or so small that only zero is left."""
    if _NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    is_lost = number == 0 and any(digit in "123456789" for digit in re.split("[eE]", text)[0])
    return None if math.isinf(number) or is_lost else number


def moment_of(text: str) -> int | None:
    """Microseconds since 1970 UTC of a date, or a date and time; without an offset it is UTC."""
    if _MOMENT.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def values_at(document: Any, path: Sequence[str]) -> list[Value]:
    """What a path leads to in JSON read by `load`: a scalar, or those of an array; objects and null are no values.

    Arrays on the way are looked into, so that participants.name reads every participant's name; a key may itself hold
    dots, so that camera.model reads what {"camera.model": …} holds, and what {"camera": {"model": …}} does. Names are found
    in each of `forms`.
    """
    places = [(document, 0, names) for names in forms(path)]  # and how many of the names lead to it
    ends: list[Any] = []
    while places:
        place, done, names = places.pop(0)
        if done == len(names):
            ends.append(place)
            continue
        for inner in _unwrapped([place]):
            if isinstance(inner, dict):
                for end in range(done + 1, len(names) + 1):
                    if (name := ".".join(names[done:end])) in inner:
                        places.append((inner[name], end, names))
    return [value for item in _unwrapped(ends) if (value := _scalar(item)) is not None]


def load(document: str) -> Any:
    return json.loads(document, parse_float=Decimal, parse_int=Decimal)


def holds(values: Sequence[Value], operator: str, wanted: Sequence[Value]) -> bool:
    """Whether values fulfil a criterion. Where there are none, only NotEqual holds."""
    match operator:
        case "Equal" | "In" | "ContainsAny":
            return any(value.equals(one) for value in values for one in wanted)
        case "NotEqual":
            return not any(value.equals(one) for value in values for one in wanted)
        case "ContainsAll":
            return all(any(value.equals(one) for value in values) for one in wanted)
        case "LessThan":
            return any(value.is_below(wanted[0]) for value in values)
        case "GreaterThan":
            return any(wanted[0].is_below(value) for value in values)
        case _:
            return any(is_like(value.text, wanted[0].text) for value in values)


def is_like(text: str, pattern: str) -> bool:
    """Whether a text matches whatever the case; % stands for any text, everything else for itself."""
    text, (first, *rest) = text.upper(), pattern.upper().split("%")
    if not rest:
        return text == first
    *middle, last = rest
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        place = text.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True


def json_holds(document: str | None, path: str, operator: str, wanted: str) -> bool:
    """`holds` of a JSON column, for SQLite: path and wanted are JSON arrays of texts."""
    values = [] if document in (None, "{}", "null") else values_at(load(document), _texts(path))
    return holds(values, operator, [read(text) for text in _texts(wanted)])


def text_is_like(text: str | None, pattern: str) -> bool:
    """`is_like` of a text column, for SQLite."""
    return text is not None and is_like(same_form(text), same_form(pattern))


def text_form(text: str | None) -> str | None:
    """`same_form` of a text column, for SQLite."""
    return None if text is None else same_form(text)


@lru_cache(256)
def _texts(array: str) -> tuple[str, ...]:
    return tuple(json.loads(array))


def _unwrapped(places: Iterable[Any]) -> Iterable[Any]:
    for place in places:
        if isinstance(place, list):
            yield from place
        else:
            yield place


def _scalar(item: Any) -> Value | None:
    match item:
        case bool():
            return Value("true" if item else "false", boolean=item)
        case Decimal():
            digits = format(item if item else abs(item), "f")  # PostgreSQL has no exponents and no negative zero
            return Value(digits, number=number_of(digits))
        case str():
            return read(item)
    return None
