"""Numbers in text, in digits or in words: 384,000 km; three hundred and eighty four thousand; nineteen sixty six."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

TOKEN = re.compile(r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)*")
_SMALL = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_POWERS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
CURRENCIES = "$€£¥"
CURRENCY_WORDS = {
    *("dollar", "dollars", "euro", "euros", "pound", "pounds", "yen", "cents", "cent"),
    *("usd", "eur", "gbp", "chf", "francs", "rupees", "yuan"),
}
# Every spelling of a unit, by the first of them.
UNITS = {
    spelling: line.split()[0]
    for line in (
        "kilometers km kilometer kilometre kilometres",
        "meters m meter metre metres",
        "centimeters cm centimeter centimetre centimetres",
        "millimeters mm millimeter millimetre millimetres",
        "miles mile mi",
        "feet ft foot",
        "inches inch",
        "kilograms kg kilogram kilo kilos",
        "grams gram",
        "tons ton tonne tonnes",
        "liters liter litre litres",
        "kilowatts kw kilowatt",
        "megawatts mw megawatt",
        "gigawatts gw gigawatt",
        "watts watt",
        "seconds second sec secs",
        "minutes minute min mins",
        "hours hour hr hrs",
        "days day",
        "weeks week",
        "months month",
        "years year",
        "degrees degree celsius fahrenheit",
        "megabytes mb megabyte",
        "gigabytes gb gigabyte",
        "terabytes tb terabyte",
        "percent percentage pct",
    )
    for spelling in line.split()
}


@dataclass(frozen=True)
class Token:
    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        return self.text.lower()


@dataclass(frozen=True)
class Number:
    """`first` and `last` are token positions, the last not included; `unit` is the first spelling in UNITS."""

    value: int | float
    text: str
    start: int
    end: int
    first: int
    last: int
    unit: str = ""
    is_money: bool = False
    is_year: bool = False


def tokens(text: str) -> list[Token]:
    return [Token(match[0], match.start(), match.end()) for match in TOKEN.finditer(text)]


def numbers(text: str, words: Sequence[Token]) -> list[Number]:
    """Every number of a text, in order. Parts of words, of times and of version numbers are none."""
    found: list[Number] = []
    at = 0
    while at < len(words):
        read = _digits(text, words, at) if words[at].text[0].isdecimal() else _spelt(words, at)
        if read is None:
            at += 1
            continue
        value, last, is_year = read
        found.append(_number(text, words, value, at, last, is_year))
        at = last
    return found


def _number(text: str, words: Sequence[Token], value: int | float, first: int, last: int, is_year: bool) -> Number:
    start, end = words[first].start - (value < 0), words[last - 1].end
    following = words[last] if last < len(words) and words[last].start - end <= 1 else None
    is_money, unit = text[max(0, start - 1) : start] in set(CURRENCIES), ""
    if is_money:
        start -= 1
    if text[end : end + 1] == "%":
        unit, end = "percent", end + 1
    elif text[end : end + 1] and text[end] in CURRENCIES:
        is_money, end = True, end + 1
    elif following and following.lower in CURRENCY_WORDS:
        is_money, end = True, following.end
    elif following and following.lower in UNITS and not text[end : following.start].strip(" -"):
        unit, end = UNITS[following.lower], following.end
    ends_phrase = following is None or not text[end : following.start].isspace()
    plain = words[first].text.isdecimal() and last == first + 1
    is_year = (is_year and not (unit or is_money)) or (
        plain and 1000 <= value <= 2100 and len(words[first].text) == 4 and not (unit or is_money)
    )
    if is_year and plain and not ends_phrase and following and following.lower not in _AFTER_YEAR:
        is_year = False
    return Number(value, text[start:end], start, end, first, last, unit, is_money, is_year)


_AFTER_YEAR = set(
    "a an and as at by for from in is it of on or that the then there this to was we were when with".split()
)


def _digits(text: str, words: Sequence[Token], at: int) -> tuple[int | float, int, bool] | None:
    token = words[at]
    before, after = text[max(0, token.start - 1) : token.start], text[token.end : token.end + 2]
    if len(token.text) > 15 or before.isalpha() or before in (".", ":", "_") or re.match(r"[.:,]\d|_", after):
        return None
    glued = words[at + 1].lower if at + 1 < len(words) and words[at + 1].start == token.end else ""
    if glued and glued not in UNITS and glued not in ("k", "b") and glued not in CURRENCY_WORDS:
        return None  # 3D, 12th
    plain = token.text.replace(",", "")
    value: int | float = float(plain) if "." in plain else int(plain)
    if glued in ("k", "b") or (glued == "m" and before in set(CURRENCIES)):
        return _times(value, {"k": 10**3, "m": 10**6, "b": 10**9}[glued]), at + 2, False
    if before == "-" and not text[max(0, token.start - 2) : token.start - 1].strip():
        value = -value
    last = at + 1
    while last < len(words) and words[last].lower in _POWERS and words[last].start - words[last - 1].end == 1:
        value, last = _times(value, _POWERS[words[last].lower]), last + 1
    return value, last, False


def _times(value: int | float, power: int) -> int | float:
    product = round(value * power, 6)
    return int(product) if product == int(product) else product


def _spelt(words: Sequence[Token], at: int) -> tuple[int, int, bool] | None:
    """A number in words from this token on: cardinal numbers, and years said as two pairs."""
    pair = _pair(words, at)
    if pair is None:
        return None
    value, last = pair
    if 10 <= value <= 20 and last == at + 1:
        second = _pair(words, last) if _joined(words, last) else None
        if second and 10 <= second[0] <= 99:
            return value * 100 + second[0], second[1], True
    total, group, last = 0, value, last
    while _joined(words, last):
        word = words[last].lower
        if word == "hundred" and 0 < group < 100:
            group, last = group * 100, last + 1
        elif word in _POWERS and group and (total == 0 or _POWERS[word] < total):
            total, group, last = total + group * _POWERS[word], 0, last + 1
        elif (rest := _rest(words, last)) and (group % 100 == 0 and rest[0] < 100):
            group, last = group + rest[0], rest[1]
        else:
            break
    value = total + group
    return value, last, 1900 <= value <= 2100


def _rest(words: Sequence[Token], at: int) -> tuple[int, int] | None:
    """What may follow a hundred or a thousand: (and) eighty four."""
    before = words[at - 1].lower
    if before != "hundred" and before not in _POWERS:
        return None
    if words[at].lower == "and":
        return _pair(words, at + 1) if _joined(words, at + 1) else None
    return _pair(words, at)


def _pair(words: Sequence[Token], at: int) -> tuple[int, int] | None:
    """A number below a hundred in words, and the position after it."""
    if at >= len(words):
        return None
    word = words[at].lower
    if word in _SMALL:
        return _SMALL[word], at + 1
    if word not in _TENS:
        return None
    following = _SMALL.get(words[at + 1].lower, 0) if _joined(words, at + 1) else 0
    return (_TENS[word] + following, at + 2) if 0 < following < 10 else (_TENS[word], at + 1)


def _joined(words: Sequence[Token], at: int) -> bool:
    """Whether a token follows the one before it with no more than a space or a hyphen between."""
    return at < len(words) and words[at].start - words[at - 1].end <= 1
