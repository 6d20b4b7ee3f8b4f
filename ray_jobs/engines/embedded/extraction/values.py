"""Values that lines of text support for one property: each stands in its line, or is the normal form of what does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ray_jobs.engines.embedded.extraction import key_phrases, names
from ray_jobs.engines.embedded.extraction.lines import Line
from ray_jobs.engines.embedded.extraction.mentions import Mention, loose_dates
from ray_jobs.engines.embedded.extraction.numerals import Number
from ray_jobs.engines.embedded.extraction.wants import SPECIFIC_ROLES, Presence, Want, words_of
from services.core.entities.schemas import Place
from services.core.words import STOP_WORDS, stem

MAX_TEXT = 500
MAX_PHRASES = 10
MAX_QUOTES = 5
COUNTED_WITHIN = 3
# Two values of these mean different things: of several, none is taken unless the words near it tell which.
_AMBIGUOUS = {"date", "date-time", "time", "money", "percent", "unit", "year", "count", "number"}
_NEGATIONS = {
    "no",
    "not",
    "never",
    "without",
    "none",
    "don't",
    "doesn't",
    "isn't",
    "aren't",
    "wasn't",
    "cannot",
    "can't",
}
_COPULAS = {"is", "are", "was", "were", "of"}


@dataclass(frozen=True)
class Found:
    value: Any
    line: Line
    around: frozenset[str] = frozenset()
    is_sure: bool = False  # its line names the property: no more words need to be near


def values(want: Want, place: Place, lines: Sequence[Line], *, is_list: bool, is_alone: bool = False) -> list[Found]:
    """What fits the place, the best first where one is wanted, else in order; each value once.

    `is_alone`: the lines are one line that tells of one thing, in which a value needs no more words near it.
    """
    told = [line for line in lines if line.kind != "visual"]
    every = list(_labelled(want, place, told, is_list))
    if not every or want.aim not in ("topic", "title", "quote"):  # a list that is labelled is the whole list
        every += _FINDERS[want.aim](want, place, told, lines)
    usable = [found for found in every if place.fits(found.value)]
    close = [found for found in usable if found.is_sure or want.accepts(found.around)]
    if want.aim in _AMBIGUOUS and not want.near and not is_list:
        named = [found for found in close if found.is_sure or want.words & found.around]
        close = named or (close if len(_once(close)) == 1 else [])
    if not close and is_alone and len(_once(usable)) == 1:
        close = usable
    if not is_list:
        close.sort(key=lambda found: (not found.is_sure, -want.closeness(found.around)))
    return _once(close)


def _once(found: Sequence[Found]) -> list[Found]:
    """Each value where it stands first."""
    first: dict[Any, Found] = {}
    for one in found:
        first.setdefault(_key(one.value), one)
    return [*first.values()]


def presence_line(wanted: Iterable[Presence], lines: Sequence[Line]) -> Line | None:
    """The first line that has the words of a boolean's name, or else those of its description."""
    for presence in wanted:
        for line in lines:
            if set(presence.near) <= set(line.stems) and (presence.counts_negated or not _is_negated(presence, line)):
                return line
    return None


def _is_negated(presence: Presence, line: Line) -> bool:
    for place, word in enumerate(line.stems):
        if word in presence.near:
            before = {token.lower.replace("’", "'") for token in line.tokens[max(0, place - 3) : place]}
            if before & _NEGATIONS:
                return True
    return False


def _labelled(want: Want, place: Place, lines: Sequence[Line], is_list: bool) -> Iterator[Found]:
    """What stands after a label that names the property, or under a headline that does."""
    if place.kind != "string" or place.format or want.aim == "choice":
        return
    named = set(want.near) or set(want.words)
    for line in lines:
        label, value = line.label
        own = {stem(word) for word in words_of(label)}
        if label and named <= own and len(own) <= len(named) + 2:
            for part in value.replace(";", ",").split(",") if is_list else [value]:
                if part.strip():
                    yield Found(part.strip(" .")[:MAX_TEXT] or part.strip(), line, is_sure=True)
        elif is_list and line.headline and line.text != line.headline and want.aim == "label":
            if named <= line.headline_stems and len(line.headline_stems) <= len(named) + 2:
                yield Found(line.text.lstrip("-•* ")[:MAX_TEXT] or line.text, line, is_sure=True)


def _mentioned(of: Callable[[Line], Iterable[Mention]], *, is_normal: bool = True) -> Any:
    def find(want: Want, place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
        for line in lines:
            for mention in of(line):
                value = mention.value if is_normal and place.format else mention.text
                yield Found(value, line, _around(line, mention))

    return find


def _dates(_want: Want, place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
    for line in lines:
        for mention in line.dates if place.format else loose_dates(line.text, line.tokens):
            yield Found(mention.value, line, _around(line, mention))


def _moments(_want: Want, _place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
    """A date and a time of one line."""
    for line in lines:
        if len(line.dates) == 1 and len(line.times) == 1:
            yield Found(f"{line.dates[0].value}T{line.times[0].value}", line, _around(line, line.dates[0]))


def _numbers(accepts: Callable[[Want, Line, Number], bool]) -> Any:
    def find(want: Want, place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
        for line in lines:
            for number in line.numbers:
                if accepts(want, line, number):
                    value = number.text if place.kind == "string" else number.value
                    is_sure = bool(want.near) and _is_labelled(want, line, number)
                    yield Found(value, line, _around(line, number), is_sure)

    return find


def _is_counted(want: Want, line: Line, number: Number) -> bool:
    """24 turbines; turbines: 24; the temperature is 25."""
    if number.is_money or number.unit == "percent":
        return False
    head = want.near[-1]
    for token in line.tokens[number.last : number.last + COUNTED_WITHIN]:
        if any(mark in line.text[number.end : token.start] for mark in ".,;:!?"):
            break
        if stem(token.text) == head:
            return True
    before = line.tokens[max(0, number.first - 2) : number.first]
    said = len(before) == 2 and stem(before[0].text) == head and before[1].lower in _COPULAS
    return said or _is_labelled(want, line, number)


def _is_labelled(want: Want, line: Line, number: Number) -> bool:
    label, value = line.label
    return bool(label) and set(want.near) <= {stem(word) for word in words_of(label)} and value.startswith(number.text)


def _people(want: Want, _place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
    roles = {word for word in SPECIFIC_ROLES if stem(word) in want.words}
    for line in lines:
        for name in names.people(line.text, line.following):
            if not roles or roles & name.roles:
                yield Found(name.text, line, frozenset(line.stems))


def _positions(_want: Want, _place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
    for line in lines:
        for name in names.people(line.text, line.following):
            if name.position:
                yield Found(name.position, line, frozenset(line.stems))


def _named(of: Callable[[str], Iterable[str]]) -> Any:
    def find(_want: Want, _place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
        for line in lines:
            for name in of(line.text):
                yield Found(name[:MAX_TEXT], line, frozenset(line.stems) | line.headline_stems)

    return find


def _topics(want: Want, _place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
    for phrase, place in key_phrases.key_phrases([line.text for line in lines], MAX_PHRASES):
        yield Found(phrase[:MAX_TEXT], lines[place], frozenset(want.near))


def _titles(want: Want, _place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
    """The first line of each block of text on the screen."""
    blocks: set[int] = set()
    for line in lines:
        if line.kind == "scene_text" and line.block not in blocks and sum(map(str.isalpha, line.text)) >= 3:
            blocks.add(line.block)
            yield Found(line.text[:MAX_TEXT], line, frozenset(want.near))


def _quotes(want: Want, _place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
    said = [line for line in lines if line.kind == "speech"] or list(lines)
    best = key_phrases.key_sentences([line.text for line in said], MAX_QUOTES)
    for place in best:
        yield Found(said[place].text[:MAX_TEXT], said[place], frozenset(want.near))


def _choices(_want: Want, place: Place, _told: Sequence[Line], lines: Sequence[Line]) -> Iterator[Found]:
    """Choices whose words stand in a line, in the order of the lines."""
    spelt = []
    for choice in place.choices:
        words = words_of(str(choice))
        if any(word not in STOP_WORDS for word in words):
            spelt.append((choice, f" {' '.join(stem(word) for word in words)} "))
    for line in lines:
        text = f" {' '.join(line.stems)} "
        told = sorted((text.index(words), choice) for choice, words in spelt if words in text)
        yield from (Found(choice, line) for _, choice in told)


def _forms(_want: Want, place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
    """What is written in the very form that is asked for: ids, addresses of networks, names of hosts."""
    for line in lines:
        for word in line.text.split():
            bare = word.strip("\"'“”‘’()[]<>,;!?").rstrip(".:")
            if not bare.isalpha() and place.fits(bare):
                yield Found(bare, line, frozenset(line.stems) | line.headline_stems)


def _labels(want: Want, _place: Place, lines: Sequence[Line], _all: Sequence[Line]) -> Iterator[Found]:
    """Nothing tells what such a text looks like: only a label can."""
    yield from ()


def _around(line: Line, mention: Mention | Number) -> frozenset[str]:
    return frozenset(line.around(mention.start, mention.end)) | line.headline_stems


def _key(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


_FINDERS: dict[str, Callable[[Want, Place, Sequence[Line], Sequence[Line]], Iterator[Found]]] = {
    "date": _dates,
    "date-time": _moments,
    "time": _mentioned(lambda line: line.times),
    "email": _mentioned(lambda line: line.emails),
    "uri": _mentioned(lambda line: line.links),
    "phone": _mentioned(lambda line: line.phones),
    "person": _people,
    "position": _positions,
    "country": _named(names.countries),
    "organisation": _named(names.organisations),
    "place": _named(names.places),
    "topic": _topics,
    "title": _titles,
    "quote": _quotes,
    "money": _numbers(lambda _want, _line, number: number.is_money),
    "percent": _numbers(lambda _want, _line, number: number.unit == "percent"),
    "unit": _numbers(lambda want, _line, number: number.unit == want.unit),
    "year": _numbers(lambda _want, _line, number: number.is_year),
    "count": _numbers(_is_counted),
    "number": _numbers(lambda _want, _line, _number: True),
    "choice": _choices,
    "label": _labels,
    "form": _forms,
}
