"""What can be recognised in text by its form alone: dates, times, e-mail and web addresses, phone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from ray_jobs.engines.embedded.extraction.numerals import Token, numbers

MONTHS = {
    spelling: number
    for number, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sep sept|"
        "october oct|november nov|december dec".split("|"),
        start=1,
    )
    for spelling in names.split()
}
_ORDINALS = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
        "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth".split(),
        start=1,
    )
} | {"thirtieth": 30}
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_ISO = re.compile(r"(?<![\d-])(\d{4})-(\d{2})-(\d{2})(?![\d-])")
_SLASHED = re.compile(r"(?<![\d/.])(\d{1,2})([/.])(\d{1,2})\2(\d{4})(?![\d/])")
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+({_MONTH})\b\.?,?\s+(\d{{4}})\b", re.I)
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\b\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b", re.I)
_MONTH_YEAR = re.compile(rf"\b({_MONTH})\b\.?,?\s+(\d{{4}})\b", re.I)
_TIME = re.compile(
    r"(?<![\d:.])(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([ap])\.?m\b\.?)?(?:\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})(?!\w))?(?![\d:])",
    re.I,
)
_HOUR = re.compile(r"(?<![\d:.])(\d{1,2})\s*([ap])\.?m\b", re.I)
_EMAIL = re.compile(r"(?<![\w.+-])[\w+-]+(?:\.[\w+-]+)*@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}(?![\w@-])")
_LINK = re.compile(
    r"(?<![\w@.])(?:https?://[^\s<>\"'()\[\]{}|]+"
    r"|(?:www\.)?(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|io|dev|ai|app|info|eu|uk|de|fr)(?![\w@.-]*@)(?!\w)(?:/[^\s<>\"'()\[\]{}|]*)?)",
    re.I,
)
_PHONE = re.compile(
    r"(?<![\w.,/:-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,4}\)[ .-]?)?\d{2,5}(?:[ .-]\d{2,5}){1,4}(?![\w:/-]|[.,]\d)"
)


@dataclass(frozen=True)
class Mention:
    """`value` is the normal form of what stands at text[start:end]: an ISO date, HH:MM:SS with its zone, a whole URI."""

    value: str
    text: str
    start: int
    end: int


def dates(text: str, words: list[Token]) -> list[Mention]:
    """Whole dates. One whose day and month could be swapped is none."""
    found: dict[int, Mention] = {}
    for match in _ISO.finditer(text):
        _add(found, match, match[1], match[2], match[3])
    for match in _SLASHED.finditer(text):
        one, two = int(match[1]), int(match[3])
        if match[2] == "." or one > 12:
            _add(found, match, match[4], two, one)
        elif two > 12 or one == two:
            _add(found, match, match[4], one, two)
    for match in _DAY_FIRST.finditer(text):
        _add(found, match, match[3], MONTHS[match[2].lower()], match[1])
    for match in _MONTH_FIRST.finditer(text):
        _add(found, match, match[3], MONTHS[match[1].lower()], match[2])
    for mention in _spelt_dates(text, words):
        found.setdefault(mention.start, mention)
    return _apart(found.values())


def loose_dates(text: str, words: list[Token]) -> list[Mention]:
    """Dates as they are written, those of a month and year alone too."""
    found = dates(text, words)
    months = [Mention(match[0], match[0], match.start(), match.end()) for match in _MONTH_YEAR.finditer(text)]
    return _apart([*(Mention(item.text, item.text, item.start, item.end) for item in found), *months])


def times(text: str) -> list[Mention]:
    """Times of day as HH:MM:SS and zone; one that tells no zone is taken as UTC, as everywhere in the API."""
    found = []
    for match in [*_TIME.finditer(text), *_HOUR.finditer(text)]:
        is_plain = match.re is _HOUR
        hour, half = int(match[1]), (match[2] if is_plain else match[4]) or ""
        minute, second = (0, 0) if is_plain else (int(match[2]), int(match[3] or 0))
        if half:
            hour = hour % 12 + 12 * (half.lower() == "p") if 1 <= hour <= 12 else 24
        zone = "" if is_plain else (match[5] or "")
        zone = "Z" if zone.upper() in ("", "Z", "UTC", "GMT") else f"{zone[:3]}:{zone[-2:]}"
        if hour < 24 and minute < 60 and second < 60 and (zone == "Z" or (zone[1:3] < "15" and zone[-2:] < "60")):
            value = f"{hour:02}:{minute:02}:{second:02}{zone}"
            found.append(Mention(value, match[0], match.start(), match.end()))
    return _apart(found)


def emails(text: str) -> list[Mention]:
    return [Mention(match[0], match[0], match.start(), match.end()) for match in _EMAIL.finditer(text)]


def links(text: str) -> list[Mention]:
    """Web addresses; one that is written without its scheme gets https."""
    found = []
    for match in _LINK.finditer(text):
        shown = match[0].rstrip(".,;:!?")
        value = shown if "://" in shown else f"https://{shown}"
        found.append(Mention(value, shown, match.start(), match.start() + len(shown)))
    return found


def phones(text: str) -> list[Mention]:
    """Numbers of 7 to 15 digits in groups."""
    taken = [*(match.span() for match in _ISO.finditer(text)), *(match.span() for match in _SLASHED.finditer(text))]
    found = []
    for match in _PHONE.finditer(text):
        digits = sum(character.isdigit() for character in match[0])
        if 7 <= digits <= 15 and not any(start < match.end() and match.start() < end for start, end in taken):
            found.append(Mention(match[0], match[0], match.start(), match.end()))
    return found


def _spelt_dates(text: str, words: list[Token]) -> Iterator[Mention]:
    """march fifth twenty twenty four, the fifth of march nineteen sixty six"""
    years = {number.first: number for number in numbers(text, words) if 1000 <= number.value <= 2100}
    for at, token in enumerate(words):
        month = MONTHS.get(token.lower)
        if month is None:
            continue
        day, after = _ordinal(words, at + 1)
        first = at
        if day is None:
            after = at + 1
            for length in (1, 2):
                before = at - length - (at > 0 and words[at - 1].lower == "of")
                if before >= 0:
                    found, end = _ordinal(words, before)
                    if found is not None and end == before + length:
                        day, first = found, before
        year = years.get(after)
        if day is not None and year is not None:
            value = _iso(year.value, month, day)
            start, end = words[first].start, words[year.last - 1].end
            if value and not re.search(r"[.;:!?]", text[start:end]):
                yield Mention(value, text[start:end], start, end)


def _ordinal(words: list[Token], at: int) -> tuple[int | None, int]:
    """The day that an ordinal in words tells, and the position after it."""
    if at >= len(words):
        return None, at
    word = words[at].lower
    if word in _ORDINALS:
        return _ORDINALS[word], at + 1
    if word in ("twenty", "thirty") and at + 1 < len(words) and _ORDINALS.get(words[at + 1].lower, 99) < 10:
        return {"twenty": 20, "thirty": 30}[word] + _ORDINALS[words[at + 1].lower], at + 2
    return None, at


def _add(found: dict[int, Mention], match: re.Match[str], year: str, month: str | int, day: str | int) -> None:
    value = _iso(int(year), int(month), int(day))
    if value:
        found[match.start()] = Mention(value, match[0], match.start(), match.end())


def _iso(year: int | float, month: int, day: int) -> str:
    try:
        return date(int(year), month, day).isoformat()
    except ValueError:
        return ""


def _apart(found: Iterable[Mention]) -> list[Mention]:
    """In order of place, the longer of two that overlap."""
    kept: list[Mention] = []
    for mention in sorted(found, key=lambda item: (item.start - item.end, item.start)):
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
            kept.append(mention)
    return sorted(kept, key=lambda item: item.start)
