"""A question taken apart: every word of it as a value that occurs, a column, a number, a date, or a word of grammar."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from ray_jobs.engines.embedded.extractive.slots.columns import SlotColumn
from ray_jobs.engines.embedded.extractive.slots.lexicon import Lexicon, currency_names, unit_names
from ray_jobs.engines.embedded.extractive.slots.vectors import nearest
from services.core.questions import file_names
from services.core.search.tokens import folded
from services.core.stemming import stem

MAX_PHRASE = 12  # words, or characters of a script without spaces
MIN_INFLECTED = 4  # characters of a word of grammar that has other forms
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:[.,]\d+)*|[$€£¥%<>]=?")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_QUOTED = re.compile(r"[\"“”„«»「『]([^\"“”„«»「」『』]{1,200})[\"“”«»」』]")
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b|(\d{4})年(?:(\d{1,2})月(?:(\d{1,2})日)?)?")


@dataclass
class Mark:
    """A stretch of the question with all that it may mean. `is_used` once something of the query stands for it."""

    start: int
    end: int
    text: str  # folded
    columns: list[SlotColumn] = field(default_factory=list)
    absent: list[SlotColumn] = field(default_factory=list)  # flags that it denies: "silent"
    values: list[tuple[SlotColumn, str]] = field(default_factory=list)
    roles: frozenset[str] = frozenset()
    number: float | None = None
    ordinal: int | None = None
    unit: tuple[str, float] | None = None
    currency: str | None = None
    period: tuple[date, date] | None = None  # first and last day
    written: str = ""  # with its accents, by which other languages' words are known
    is_grammar: bool = False
    is_guessed: bool = False  # its column only by meaning
    related: list[SlotColumn] = field(default_factory=list)  # whose descriptions speak of it
    is_used: bool = False

    @property
    def is_bare(self) -> bool:
        """A word that is neither of the data nor of grammar."""
        known = self.columns or self.values or self.roles or self.absent or self.is_grammar
        return not (known or self.period or self.unit or self.currency or self.ordinal) and self.number is None

    @property
    def is_name(self) -> bool:
        """Written as the name of somebody or something."""
        return self.start > 0 and self.written[:1].isupper()

    @property
    def is_base(self) -> bool:
        """An adjective as it stands in "how long"."""
        return any(role.startswith("gradable") and role.endswith("base") for role in self.roles)

    def gradable(self) -> tuple[str, str] | None:
        """(dimension, + or -) of an adjective."""
        for role in self.roles:
            if role.startswith("gradable"):
                _, dimension, sign, _ = role.split()
                return dimension, sign
        return None


def read_marks(question: str, language: Lexicon, columns: Sequence[SlotColumn], today: date) -> list[Mark]:
    text = folded(question)
    taken = [False] * len(text)
    marks: list[Mark] = []

    def add(mark: Mark) -> None:
        marks.append(mark)
        taken[mark.start : mark.end] = [True] * (mark.end - mark.start)

    for match in _QUOTED.finditer(text):
        add(Mark(*match.span(), match[1], values=_whole_values(match[1], columns)))
    filename = next((column for column in columns if column.name == "filename"), None)
    spaced = re.sub(r"(?<=[a-z0-9])(?=[\u3040-\u9fff])", " ", question)
    for name in map(folded, file_names(spaced)):
        start = text.find(name)
        if filename is not None and start >= 0 and not any(taken[start : start + len(name)]):
            known = [value for value in filename.examples if folded(value) == name]
            add(Mark(start, start + len(name), name, values=[(filename, (known or [name])[0])]))
    for match in _ISO.finditer(text):
        if not any(taken[match.start() : match.end()]) and (period := _iso_period(match)):
            add(Mark(*match.span(), match[0], period=period))
    phrases = _phrases(language, columns, today)
    for start, end, mark in _longest(text, taken, phrases):
        mark.start, mark.end = start, end
        add(mark)
    for match in _WORD.finditer("".join(" " if done else letter for letter, done in zip(text, taken, strict=True))):
        add(_word(match, columns, language))
    marks.sort(key=lambda mark: mark.start)
    places = [place for place, letter in enumerate(question) for _ in folded(letter)]
    for mark in marks:
        is_even = len(places) == len(text) and mark.end > mark.start
        mark.written = question[places[mark.start] : places[mark.end - 1] + 1] if is_even else mark.text
    return _with_names(_with_dates(_without_articles(_with_units(marks), language), language), columns, language)


def _phrases(language: Lexicon, columns: Sequence[SlotColumn], today: date) -> dict[str, Mark]:
    """What every phrase may mean. Forms that a word takes in English are one (stem)."""
    found: dict[str, Mark] = {}
    sure: dict[str, int] = {}

    def at(phrase: str) -> Mark:
        return found.setdefault(phrase, Mark(0, 0, phrase))

    for column in columns:
        for name, strength in column.names(language):
            for phrase in {name, _stems(name)}:
                if strength > sure.get(phrase, 0):
                    at(phrase).columns.clear()
                    sure[phrase] = strength
                if strength == sure[phrase] and column not in at(phrase).columns:
                    at(phrase).columns.append(column)
        if column.table == "files":
            for name in language.files.get("!" + column.name, ()):
                at(name).absent.append(column)
        if column.is_text:
            for value in column.examples:
                for phrase in {folded(value).strip(), _stems(folded(value))} - {"", *language.function}:
                    if (column, value) not in at(phrase).values:
                        at(phrase).values.append((column, value))
        if column.table == "files" and column.name == "status":
            for phrase, status in language.statuses.items():
                at(phrase).values.append((column, status))
    for phrase, roles in language.roles.items():
        at(phrase).roles = roles
        period = next((period for role in roles if (period := _relative(role, today))), None)
        at(phrase).period = period
    for phrase, number in language.numbers.items():
        at(phrase).number = number
    for phrase, ordinal in language.ordinals.items():
        at(phrase).ordinal = ordinal
        for word in language.roles if language.language == "de" else ():  # "zweitlängste"
            if any(role.startswith("gradable") for role in language.roles[word]):
                at(phrase + word).ordinal, at(phrase + word).roles = ordinal, language.roles[word]
    for word in (*language.function, *language.light, *language.carriers):
        at(word).is_grammar = True
    for phrase, unit in unit_names().items():
        at(phrase).unit = unit
    for phrase, code in currency_names().items():
        at(phrase).currency = code
    return found


def _longest(text: str, taken: list[bool], phrases: dict[str, Mark]) -> list[tuple[int, int, Mark]]:
    """The longest phrase at each place, from the left."""
    words = [match.span() for match in re.finditer(r"[^\W_]+|[$€£¥%]", text)]
    ends = {start: [end for begin, end in words[place : place + MAX_PHRASE]] for place, (start, _) in enumerate(words)}
    found = []
    place = 0
    while place < len(text):
        candidates = list(ends.get(place, ()))
        if _UNSPACED.match(text[place]):
            candidates += range(place + 1, min(len(text), place + MAX_PHRASE) + 1)
        elif place not in ends and not (place and _UNSPACED.match(text[place - 1])):
            place += 1
            continue
        best = None
        for end in sorted(set(candidates), reverse=True):
            if any(taken[place:end]) or not (text[end - 1].isalnum() or text[end - 1] in "$€£¥%"):
                continue
            written = text[place:end]
            meant = phrases.get(written) or (_inflected(written, phrases) if text[end - 1].isalnum() else None)
            if meant is not None:
                best = (place, end, meant)
                break
        if best is None:
            place += 1
            continue
        meant = best[2]
        copy = Mark(
            0, 0, text[place : best[1]], list(meant.columns), list(meant.absent), list(meant.values), meant.roles
        )
        copy.ordinal = meant.ordinal
        copy.number, copy.unit, copy.currency, copy.period = meant.number, meant.unit, meant.currency, meant.period
        copy.is_grammar = meant.is_grammar
        found.append((place, best[1], copy))
        place = best[1]
    return found


def _inflected(written: str, phrases: dict[str, Mark]) -> Mark | None:
    """ "Notes" are no form of "not"."""
    found = phrases.get(_stems(written))
    is_named = found is not None and (found.columns or found.values or len(_stems(written)) >= MIN_INFLECTED)
    return found if is_named else None


def _word(match: re.Match[str], columns: Sequence[SlotColumn], language: Lexicon) -> Mark:
    """What no phrase explains: a number, or a word, which may mean a column in another language."""
    text = match[0]
    mark = Mark(*match.span(), text)
    if text[0].isdigit():
        mark.number = _number(text)
    elif text in ("<", ">", "<=", ">="):
        mark.roles = frozenset({{"<": "lt", ">": "gt", "<=": "le", ">=": "ge"}[text]})
    elif "-" in text and all(part in language.function | language.carriers.keys() for part in text.split("-")):
        mark.is_grammar = True
    else:
        mark.values = _part_values(text, columns)
    return mark


def _with_names(marks: list[Mark], columns: Sequence[SlotColumn], language: Lexicon) -> list[Mark]:
    """Words that nothing else explains may mean a column by another name; a flag only in another language: vegan, vegetarian."""
    own = [column for column in columns if column.table != "files" or column.is_noted]
    own = [column for column in own if not column.is_flag or language.language != "en"]
    names = tuple(" ".join(column.words) for column in own)
    for mark in marks:
        if mark.is_bare:
            place = nearest(mark.written.lower(), names)
            mark.columns = [own[place]] if place is not None else []
            mark.is_guessed = bool(mark.columns)
    return marks


def _with_units(marks: list[Mark]) -> list[Mark]:
    """Numbers take the unit behind them, and the currency before or behind them."""
    found: list[Mark] = []
    for mark in marks:
        before = found[-1] if found else None
        if before is not None and before.number is not None and before.unit is None and (mark.unit or mark.currency):
            before.unit, before.currency, before.end = mark.unit, mark.currency or before.currency, mark.end
            before.text = f"{before.text} {mark.text}"
            before.columns += mark.columns if not mark.unit else []
        elif mark.number is not None and before is not None and before.currency and before.number is None:
            mark.currency, mark.start = before.currency, before.start
            found[-1] = mark
        else:
            found.append(mark)
    return found


def _without_articles(marks: list[Mark], language: Lexicon) -> list[Mark]:
    """What may be one or an article is a number before a unit only."""
    for mark in marks:
        if mark.number is not None and mark.text in language.function:
            mark.number = None
    return marks


def _with_dates(marks: list[Mark], language: Lexicon) -> list[Mark]:
    """ "12 March 2024", "March 2024", "2024": a month counts only with its year."""
    found: list[Mark] = []
    for mark in marks:
        year = int(mark.number) if mark.number and re.fullmatch(r"(?:19|20)\d\d", mark.text) and not mark.unit else 0
        if not year:
            found.append(mark)
            continue
        back = [item for item in found if item.text not in ("de", "of", ",", "du")]
        month = language.months.get(back[-1].text, 0) if back else 0
        day = int(back[-2].number or 0) if month and len(back) > 1 and back[-2].number else 0
        if month:
            first = back[-2] if 1 <= day <= 31 else back[-1]
            period = _days(year, month, day if first is not back[-1] else 0)
            if period is not None:
                found = found[: found.index(first)]
                mark.start, mark.period, mark.number = first.start, period, None
        else:
            mark.period = (date(year, 1, 1), date(year, 12, 31))
        found.append(mark)
    return found


def _iso_period(match: re.Match[str]) -> tuple[date, date] | None:
    if match[1]:
        return _days(int(match[1]), int(match[2]), int(match[3]))
    return _days(int(match[4]), int(match[5] or 0), int(match[6] or 0))


def _days(year: int, month: int, day: int) -> tuple[date, date] | None:
    try:
        if day:
            return date(year, month, day), date(year, month, day)
        if month:
            return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])
        return date(year, 1, 1), date(year, 12, 31)
    except ValueError:
        return None


def _relative(role: str, today: date) -> tuple[date, date] | None:
    """A week begins on Monday."""
    monday = today - timedelta(days=today.weekday())
    before = today.replace(day=1) - timedelta(days=1)
    match role:
        case "today":
            return today, today
        case "yesterday":
            return today - timedelta(days=1), today - timedelta(days=1)
        case "this_week":
            return monday, monday + timedelta(days=6)
        case "last_week":
            return monday - timedelta(days=7), monday - timedelta(days=1)
        case "this_month":
            return _days(today.year, today.month, 0)
        case "last_month":
            return _days(before.year, before.month, 0)
        case "this_year":
            return _days(today.year, 0, 0)
        case "last_year":
            return _days(today.year - 1, 0, 0)
    return None


def _number(text: str) -> float | None:
    """Groups of three digits are one number; else a comma is a point, as most languages write it."""
    if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", text):
        return float(re.sub(r"[.,]", "", text))
    return float(text.replace(",", ".")) if re.fullmatch(r"\d+(?:[.,]\d+)?", text) else None


def _whole_values(text: str, columns: Sequence[SlotColumn]) -> list[tuple[SlotColumn, str]]:
    return [
        (column, value) for column in columns if column.is_text for value in column.examples if folded(value) == text
    ]


def _part_values(text: str, columns: Sequence[SlotColumn]) -> list[tuple[SlotColumn, str]]:
    """Names that hold the word, of columns all of whose values are known: "Ada" of Ada Moreno; one only."""
    found = []
    for column in columns:
        if column.is_text and column.name != "filename":
            held = [value for value in column.examples if text in re.split(r"[\W_]+", folded(value))]
            held = held or [value for value in column.examples if stem(text) in _stems(folded(value)).split()]
            if column.name == "collection_name":  # of "bird recordings" it is not the birds
                held = [value for value in held if stem(text) in _stems(folded(value)).split()[-1:]]
            if held and column.lists_every_value:
                found += [(column, value) for value in held]
    return found if len(found) == 1 else []


def _stems(text: str) -> str:
    return " ".join(stem(word) if word.isascii() else word for word in re.split(r"[^\w]+", text) if word)
