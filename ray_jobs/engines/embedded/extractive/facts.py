"""Numbers, dates, names and places that stand in a text, in the languages of replies."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_letters
from typing import Literal

from babel import Locale
from babel.localedata import LocaleDataDict, load
from text_to_num import find_numbers

from ray_jobs.engines.embedded.extractive.languages import LANGUAGES, closed_class, language_of, stop_words, words_of
from ray_jobs.engines.embedded.extractive.sentences import sentences

Kind = Literal["number", "date", "name", "place"]
MAX_CHARACTERS = 5_000  # of a text that are read
# What numbers with a unit are asked for by; what is counted has none. CLDR's names, and "share" of percents.
MEASURES = frozenset({"currency", "duration", "length", "mass", "temperature", "share", "speed", "volume"})
# What is given without its unit in a third or more of the answers in training/evidence_questions; lengths, times and
# weights seldom are.
BARE = frozenset({"count", "currency", "share", "temperature"})
_SIGNS = {"currency": "$€£¥元円", "duration": "岁歳歲", "temperature": "度"}  # that CLDR has no names for

_CASED = LANGUAGES[:5]
_DIGITS = re.compile(
    r"(?<![A-Za-zÀ-ÿ0-9_.,:/-])(?P<before>[$€£¥]\s?)?[-−+]?(?:\d{1,3}(?:[,.'’\u00a0\u202f]\d{3})+(?![\d])(?:[.,]\d+)?|\d+(?:[.,]\d+)?)(?![\d:/]|[.,-]\d)"
)
_CJK_DIGITS = re.compile(r"[〇零一二三四五六七八九十百千万億亿两兩]+")
_YEAR = re.compile(r"(?<![A-Za-zÀ-ÿ0-9_.,:/$€£¥-])(?:1[0-9]{3}|20[0-9]{2})s?(?![\w:/%°]|[.,]\d)")
_DAY = r"\d{1,2}(?:\.|st|nd|rd|th|er|º|ª)?"
_WRITTEN_DATE = (
    r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}[./](?:\d{4}|\d\d)\b|"
    r"(?:\d{4}|[〇零一二三四五六七八九]{4}|(?:昭和|平成|令和)(?:\d+|元))\s?年(?:\s?\d{1,2}\s?月(?:\s?\d{1,2}\s?[日号])?)?|"
    r"\d{1,2}\s?月\s?\d{1,2}\s?[日号]|\b\d{1,2}:\d\d(?:\s?[ap](?:\.m\.|m\b))?(?!:)|\b\d{1,2}\s?[ap](?:\.m\.|m\b)|\b\d{1,2}(?::\d\d)?\s?Uhr\b(?:\s\d\d\b)?|"
    r"\b\d{1,2}\s?h(?:\s?\d\d)?\b|(?:上午|下午|午前|午後)?\d{1,2}\s?[时時点點](?:\d{1,2}分|半)?"
)
_CAPITAL = r"[A-ZÀ-ÖØ-Þ][^\W\d_]*(?:['’-][^\W\d_]+)*"
_HAN_NAME = re.compile(
    r"(?:叫做?|名叫|我是)(?P<called>[\u4e00-\u9fff]{2,4})(?=[，。、,.\s]|$)|私は(?P<self>[\u3040-\u30ff\u4e00-\u9fff・]{2,12}?)(?:です|と)|"
    r"(?P<foreign>[\u30a1-\u30fa\u30fc]+(?:・[\u30a1-\u30fa\u30fc]+)+|[\u4e00-\u9fff]+·[\u4e00-\u9fff·]+)"
)


@dataclass(frozen=True)
class Fact:
    """`text` is text[start:end] of what was read. `is_sure`: not just a capital at the beginning of a sentence."""

    kind: Kind
    text: str
    start: int
    end: int
    is_sure: bool = True


def facts(text: str) -> list[Fact]:
    """In order of where they stand; none overlaps another."""
    text = text[:MAX_CHARACTERS]
    dates = list(_dates(text))
    found = [*dates, *_apart(_numbers(text), dates)]
    found += _apart(_names(text), found)
    return sorted(found, key=lambda fact: (fact.start, -fact.end))


def kinds_in(text: str) -> set[str]:
    return {fact.kind for fact in facts(text) if fact.is_sure}


def _apart(found: Iterator[Fact], taken: Iterable[Fact]) -> Iterator[Fact]:
    ends: list[tuple[int, int]] = [(fact.start, fact.end) for fact in taken]
    for fact in found:
        if all(fact.end <= start or fact.start >= end for start, end in ends):
            ends.append((fact.start, fact.end))
            yield fact


# Numbers


def _numbers(text: str) -> Iterator[Fact]:
    language = language_of(text, "")
    spans = [match.span() for match in _DIGITS.finditer(text)]
    if language in ("zh", "ja"):
        spans += [match.span() for match in _CJK_DIGITS.finditer(text)]
    else:  # of a few words that no language owns, the first that reads a number
        languages = [language] if language else _CASED
        spans += next(([item[:2] for item in spelt] for one in languages if (spelt := _spelt(text, one))), [])
    for start, end in sorted(spans):
        last = _with_unit(text, end)
        # One sign for a number may be a part of any word.
        if last > end or end - start > 2 or text[start].isdecimal() or language not in ("zh", "ja"):
            yield Fact("number", text[start:last], start, last)


def amounts(text: str) -> list[float]:
    """The values of the whole numbers in a text, in digits or in words of any of the languages; "one" is none."""
    found = [float(match[0]) for match in re.finditer(r"\d+", text)]
    found += [_cjk_value(match[0]) for match in _CJK_DIGITS.finditer(text)]
    first = language_of(text)
    for language in sorted(_CASED, key=lambda language: language != first):
        if spelt := _spelt(text, language):
            return found + [value for _, _, value in spelt]
    return found


def _cjk_value(text: str) -> float:
    total = current = 0.0
    for character in text:
        value = 2.0 if character in "两兩" else unicodedata.numeric(character)  # Unicode gives these no value
        if value >= 10_000:
            total, current = (total + current or 1) * value, 0
        elif value >= 10:
            total, current = total + (current or 1) * value, 0
        else:
            current = value
    return total + current


def _spelt(text: str, language: str) -> list[tuple[int, int, float]]:
    """(start, end, value) of numbers in words. One is an article in most languages; what counts an order is no amount."""
    words = [
        _Word(match[0], match.start(), match.end()) for match in re.finditer(r"[^\W_]+(?:-[^\W_]+)*|[^\w\s]", text)
    ]
    found: list[tuple[int, int, float]] = []
    for number in find_numbers(words, language, 0.0):  # type: ignore[arg-type]
        start, end = words[number.start].start, words[number.end - 1].end
        if number.is_ordinal or number.value <= 1 or text[start:end][:1].isdecimal():
            continue
        # Nineteen sixty six is said as two numbers.
        if found and text[found[-1][1] : start] == " " and 10 <= found[-1][2] <= 20 and 10 <= number.value <= 99:
            found[-1] = (found[-1][0], end, 100 * found[-1][2] + number.value)
        else:
            found.append((start, end, number.value))
    return found


@dataclass(frozen=True)
class _Word:
    """A token as text2num reads them."""

    written: str
    start: int
    end: int

    def text(self) -> str:
        return self.written

    def text_lowercase(self) -> str:
        return self.written.lower()

    def nt_separated(self, previous: object) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return False


def _with_unit(text: str, end: int) -> int:
    """Where a number ends that may be followed by a power of ten and a unit."""
    for known in (closed_class("power"), units()):
        end = _behind(text, end, known)
    return end


def _behind(text: str, end: int, known: frozenset[str]) -> int:
    rest = text[end : end + 40]
    gap = len(rest) - len(rest.lstrip(" \u00a0\u202f-"))
    sign = re.match(r"[%‰°][CF]?|[$€£¥]", rest[gap:])
    if sign and known is units():
        return end + gap + sign.end()
    if re.match(r"[\u3040-\u9fff]", rest[gap:]):
        longest = max((unit for unit in known if rest[gap:].startswith(unit)), key=len, default="")
        return end + gap + len(longest) if longest else end
    words = list(re.finditer(r"[^\W\d_]+[²³]?(?:/[^\W\d_]+)?", rest[gap:]))
    for count in (3, 2, 1):
        if len(words) >= count and words[0].start() == 0:
            phrase = rest[gap : gap + words[count - 1].end()]
            if phrase in known or phrase.lower() in known:
                return end + gap + len(phrase)
    return end


@lru_cache
def units() -> frozenset[str]:
    """Names and signs of units and currencies in all languages, by CLDR, without those that are common words too."""
    return frozenset(_measures())


def measure(number: str) -> str:
    """What a number with its unit measures ("length" of "300 metres"); "" where that can't be told."""
    return _measures().get(_unit(number), "")


def _unit(number: str) -> str:
    """The unit behind a number or before it, as CLDR writes it; "" where it has none."""
    words = number.split()
    ends = [" ".join(words[-count:]) for count in (3, 2, 1) if count < len(words)]
    ends += [number.lstrip("0123456789.,\u00a0\u202f "), number[:1].strip(ascii_letters)]
    ends += [end for count in (2, 1) if not (end := number[-count:]).isascii()]
    known = _measures()
    return next((end for end in ends if end in known), "")


def measures_else(number: str, wanted: str) -> bool:
    """Whether a number is known to measure something else than is wanted; nothing does where nothing is."""
    return bool(wanted) and measure(number) not in ("", wanted)


def may_measure(number: str, wanted: str) -> bool:
    """Whether a number can be one of what is wanted: it has a unit of it, one that may be of several ("120 m"), or none
    where such numbers often have none."""
    unit = _unit(number)
    found = _measures().get(unit, "")
    is_bare = not unit or unit in closed_class("counter")
    return not wanted or found == wanted or (not found and (wanted in BARE or not is_bare))


@lru_cache
def _measures() -> dict[str, str]:
    """What each unit measures, "" for what is counted or can't be told."""
    found = {sign: {kind} for kind, signs in _SIGNS.items() for sign in signs}
    for language in (*LANGUAGES, "en_GB"):
        locale = Locale.parse(language)
        for key, styles in LocaleDataDict(load(language))["unit_patterns"].items():  # type: ignore[arg-type]
            kind = "share" if key == "concentr-percent" else key.partition("-")[0]
            for patterns in styles.values():
                for name in (
                    str(pattern).replace("{0}", "").strip() for pattern in patterns.values() if "{0}" in str(pattern)
                ):
                    found.setdefault(name, set()).add(kind)
        names = {str(name) for name in locale.currencies.values()}
        names |= {name.split()[-1] + end for name in names for end in ("", "s") if language in _CASED}
        for name in (*names, *locale.currencies):
            found.setdefault(name, set()).add("currency")
    for name in closed_class("counter"):
        found.setdefault(name, {""})
    common = frozenset[str]().union(*(closed_class(name) for name in ("locative", "particle"))) | {
        "a",
        "and",
        "per",
        "to",
    }
    plain = common - closed_class("counter")
    return {
        unit: next(iter(kinds)) if len(kinds) == 1 and kinds <= MEASURES else ""
        for unit, kinds in found.items()
        if unit and not unit[0].isdecimal() and unit not in plain
    }


# Dates


def _dates(text: str) -> Iterator[Fact]:
    return _apart((Fact("date", m[0].strip(), m.start(), m.start() + len(m[0].strip())) for m in _found(text)), [])


def _found(text: str) -> Iterator[re.Match[str]]:
    for pattern in (_calendar(), _YEAR):
        yield from pattern.finditer(text)


@lru_cache
def _calendar() -> re.Pattern[str]:
    """A month beside a day or a year, a day of the week, and dates and times in figures."""
    months: set[str] = set()
    days: set[str] = set()
    for language in LANGUAGES:
        locale = Locale.parse(language)
        for width in ("wide", "abbreviated"):
            months |= {str(name).rstrip(".") for name in locale.months["format"][width].values() if language in _CASED}
        days |= {str(name) for name in locale.days["format"]["wide"].values()}
    month = rf"(?:{'|'.join(sorted(months, key=len, reverse=True))})\.?"
    of = r"(?:\s(?:of|de|del|do))?"
    return re.compile(
        rf"{_WRITTEN_DATE}|\b{_DAY}{of}\s{month}(?:,?{of}\s\d{{4}})?\b|\b{month}\s{_DAY}(?:,?\s\d{{4}})?\b|\b{month}{of}\s\d{{4}}\b|"
        rf"\b(?:{'|'.join(day for day in days if ord(day[0]) < 0x3000)})\b|"
        rf"{'|'.join(day for day in days if ord(day[0]) >= 0x3000)}",
        re.I,
    )


# Names and places


@lru_cache
def _run() -> re.Pattern[str]:
    titles = "|".join(sorted(word for word in closed_class("title") if word.isascii()))
    particles = "|".join(sorted(closed_class("particle")))
    return re.compile(
        rf"(?P<title>\b(?:{titles})\b\.?\s)?(?P<name>\b{_CAPITAL}(?:[ ](?:(?:{particles})[ ]){{0,2}}(?:[A-Z]\.[ ])?{_CAPITAL})*)"
    )


def _names(text: str) -> Iterator[Fact]:
    places = _territories()
    offset = 0
    for line in sentences(text):
        start = text.index(line, offset)
        offset = start + len(line)
        language = language_of(text)
        # A headline in capitals tells no names.
        written = [word for word in words_of(line) if len(word) > 3]
        is_title = (
            language == "en" and len(written) > 2 and line[-1].isalpha() and all(word[0].isupper() for word in written)
        )
        if line.isupper() or is_title:
            continue
        for match in _run().finditer(line):
            yield from _named(match, line, start, language)
        for match in _HAN_NAME.finditer(line):
            group = match.lastgroup or ""
            yield Fact("name", match[group], start + match.start(group), start + match.end(group))
        if language in ("zh", "ja"):
            yield from _titled(line, start, language)
            for place in sorted(places):
                if ord(place[0]) >= 0x3000 and (at := line.find(place)) >= 0:
                    yield Fact("place", place, start + at, start + at + len(place))


def _named(match: re.Match[str], line: str, start: int, language: str) -> Iterator[Fact]:
    words = match["name"].split()
    first = match.start("name")
    while words and (words[0].lower() in stop_words(language) or len(words[0]) == 1):
        first += len(words[0]) + 1
        words = words[1:]
    name = " ".join(words)
    if not name or name.lower() in _months_and_days():
        return
    before = line[: match.start()].rstrip().rpartition(" ")[2].lower()
    is_locative = before in closed_class("locative", language)
    is_place = name in _territories() or (is_locative and not match["title"])
    opens = first == 0 or first == match.start("name") == len(line) - len(line.lstrip())
    is_noun = language == "de" and len(words) == 1 and name not in _territories()
    is_sure = bool(match["title"]) or len(words) > 1 or not (opens or is_noun)
    end = start + first + len(name)
    if is_place:
        yield Fact("place", name, start + first, end, not is_noun or name in _territories())
    else:
        yield Fact("name", name, start + first, end, is_sure)


def _titled(line: str, start: int, language: str) -> Iterator[Fact]:
    titles = "|".join(closed_class("title", language))
    for match in re.finditer(rf"([\u4e00-\u9fff]{{1,3}}|[\u30a1-\u30fc・]{{2,}})(?={titles})", line):
        yield Fact("name", match[1], start + match.start(), start + match.end())
    ends = "|".join(closed_class("placeword"))
    for match in re.finditer(
        rf"(?:(?<=在)|(?<=于)|(?<=[はがのを、，。])|^)[^\W\d在于於是去过到从和的来我你他她]{{1,4}}?(?:{ends})", line
    ):
        yield Fact("place", match[0], start + match.start(), start + match.end())


@lru_cache
def _territories() -> frozenset[str]:
    return frozenset(
        str(name)
        for language in LANGUAGES
        for code, name in Locale.parse(language).territories.items()
        if code.isalpha()
    )


@lru_cache
def _months_and_days() -> frozenset[str]:
    locales = [Locale.parse(language) for language in _CASED]
    return frozenset(
        str(name).lower()
        for locale in locales
        for names in (locale.months, locale.days)
        for name in names["format"]["wide"].values()
    )
