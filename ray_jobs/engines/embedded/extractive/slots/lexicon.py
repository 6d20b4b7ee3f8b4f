"""The words of seven languages by which a question compares, counts, denies and groups; no word of a domain.

lexicon.json holds closed classes and the names of Arcus's own columns, intents.json the example questions: a word of theirs
belongs to the intents whose examples use it, and explains nothing in a question of another.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel import Locale
from babel.units import format_unit

from ray_jobs.engines.embedded.extractive.languages import LANGUAGES
from services.core.search.tokens import folded

HERE = Path(__file__).parent
UNITS = {  # name in the locale data -> (what it measures, in seconds, grams, metres)
    "duration-second": ("time", 1.0),
    "duration-minute": ("time", 60.0),
    "duration-hour": ("time", 3600.0),
    "duration-day": ("time", 86400.0),
    "duration-week": ("time", 604800.0),
    "mass-gram": ("mass", 1.0),
    "mass-kilogram": ("mass", 1000.0),
    "length-centimeter": ("distance", 0.01),
    "length-meter": ("distance", 1.0),
    "length-kilometer": ("distance", 1000.0),
}
_CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CNY", "CHF", "BRL", "MXN")
_PERIODS = ("today", "yesterday", "this_week", "last_week", "this_month", "last_month", "this_year", "last_year")
_ROLES = (
    *"when who where video not neither or per often size gt lt ge le eq between before after since until most least".split(),
    "degree",
    *_PERIODS,
)


@dataclass(frozen=True)
class Lexicon:
    """Phrases are folded. A role may be "gradable length + base": an adjective that means much of a dimension, uncompared."""

    language: str
    function: frozenset[str]  # words that a question has for its grammar alone
    light: frozenset[str]  # phrases that only say that something is there or took place
    measuring: frozenset[str]  # verbs of what things cost and weigh
    many: tuple[str, ...]  # what asks for a number of things
    carriers: dict[str, frozenset[str]]  # word of the examples -> intents
    roles: dict[str, frozenset[str]]  # phrase -> roles
    numbers: dict[str, float]
    ordinals: dict[str, int]
    months: dict[str, int]
    files: dict[str, tuple[str, ...]]  # column of the table files -> its names; "!has_speech" names its absence
    statuses: dict[str, str]  # phrase -> status
    labels: dict[str, str]
    frames: dict[str, str]

    def asks_how_many(self, question: str) -> bool:
        text = folded(question)
        if self.language in ("zh", "ja"):
            return any(phrase in text for phrase in self.many)
        return re.search(rf"\b(?:{'|'.join(map(re.escape, self.many))})\b", text) is not None


@cache
def lexicon(language: str) -> Lexicon:
    data = json.loads((HERE / "lexicon.json").read_text(encoding="utf-8"))[language]
    roles: dict[str, set[str]] = {}
    for role in _ROLES:
        for phrase in data[role].split("|"):
            roles.setdefault(folded(phrase), set()).add(role)
    for dimension, poles in data["gradable"].items():
        for sign, phrases in zip("+-", poles, strict=True):
            for place, phrase in enumerate(phrases.split("|")):
                form = "degree" if place else "base"
                roles.setdefault(folded(phrase), set()).add(f"gradable {dimension} {sign} {form}")
    for dimension, phrases in data["measuring"].items():
        for phrase in phrases.split("|"):
            roles.setdefault(folded(phrase), set()).add(f"gradable {dimension} + base")
    numbers = {}
    for place, item in enumerate(data["numbers"].split(), 1):
        word, _, value = item.partition(":")
        numbers[folded(word)] = float(value or place)
    wide, short = (Locale(language).months["format"][width] for width in ("wide", "abbreviated"))
    months = {folded(name).rstrip("."): number for names in (short, wide) for number, name in names.items()}
    return Lexicon(
        language,
        frozenset(map(folded, data["function"].split())),
        frozenset(map(folded, data["light"].split("|"))),
        frozenset(folded(phrase) for phrases in data["measuring"].values() for phrase in phrases.split("|")),
        tuple(map(folded, data["many"].split("|"))),
        {word: frozenset(intents) for word, intents in _carriers(language).items()},
        {phrase: frozenset(found) for phrase, found in roles.items()},
        numbers,
        {folded(word): int(value) for word, _, value in (item.partition(":") for item in data["ordinals"].split())},
        months,
        {name: tuple(map(folded, phrases.split("|"))) for name, phrases in data["files"].items()},
        {folded(phrase): status for status, phrases in data["statuses"].items() for phrase in phrases.split("|")},
        data["labels"],
        data["frames"],
    )


def examples(language: str) -> dict[str, list[str]]:
    """rows, columns, values to fill in, and the example questions of each intent."""
    found = json.loads((HERE / "intents.json").read_text(encoding="utf-8"))[language]
    assert isinstance(found, dict)
    return found


def _carriers(language: str) -> dict[str, set[str]]:
    carriers: dict[str, set[str]] = {}
    for intent, texts in examples(language).items():
        if intent not in ("rows", "columns", "values"):
            for text in texts:
                for word in re.findall(r"[^\W\d_]+", folded(re.sub(r"\{\w+\}", " ", text))):
                    carriers.setdefault(word, set()).add(intent)
    return carriers


@cache
def irregular() -> dict[str, str]:
    """Past form of an English verb -> the verb."""
    data = json.loads((HERE / "lexicon.json").read_text(encoding="utf-8"))["en"]["irregular"]
    return dict(item.split(":") for item in data.split())


@cache
def unit_names() -> dict[str, tuple[str, float]]:
    """Name of a unit in any of the languages, folded -> (what it measures, how many seconds, grams or metres it is)."""
    names: dict[str, tuple[str, float]] = {}
    for unit, measured in UNITS.items():
        for language in LANGUAGES:
            for length in ("short", "long"):
                for count in (1, 2):
                    written = format_unit(count, unit, length=length, locale=language)
                    names.setdefault(folded(written.replace(str(count), "")).strip(" ."), measured)
    names.update({"minutos": ("time", 60.0), "分": ("time", 60.0), "分間": ("time", 60.0), "个小时": ("time", 3600.0)})
    return names


@cache
def currency_names() -> dict[str, str]:
    """Symbol, code or name of a currency in any of the languages, folded -> its code."""
    names: dict[str, str] = {}
    for language in LANGUAGES:
        locale = Locale(language)
        for code in _CURRENCIES:
            said = [code, locale.currency_symbols.get(code, ""), locale.currencies.get(code, "")]
            plurals = locale._data["currency_names_plural"].get(code, {})
            for name in (*said, *plurals.values()):
                for written in (name, name.split(" ")[-1]):
                    if written:
                        names.setdefault(folded(written), code)
    return names
