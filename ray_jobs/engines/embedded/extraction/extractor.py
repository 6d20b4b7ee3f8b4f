"""Extracts entities by their schema from what text supports; nothing is added.

A value is one that stands in the text, or the normal form of it: an ISO date, a number that was said in words, a name
with its capitals, a web address with its scheme, a choice of the schema whose words stand there. A boolean tells whether
the words of its name stand there. A property that the text does not support is null where it may be, empty where it is a
required list, and else left out; a record that then does not fit its schema is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ray_jobs.engines.embedded.extraction.lines import Line, lines_of
from ray_jobs.engines.embedded.extraction.values import Found, presence_line, values
from ray_jobs.engines.embedded.extraction.wants import Want, presence, want, words_of
from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.core.entities.schemas import MAX_NAME, Place, Property, parse_schema
from services.core.library.entities import ValueSource

MAX_ITEMS = 100
# What stands before a colon names the thing that the rest of the line tells of.
_THING = set("name item label title what key place location subject entity product event thing region area".split())


@dataclass(frozen=True)
class Support:
    """The line that a value at a path of a record was taken from."""

    path: str
    line: Line


@dataclass(frozen=True)
class Filled:
    """A value and what supports it and its parts; `sources` is empty where nothing of it was found."""

    value: Any
    sources: tuple[Support, ...] = ()


class EmbeddedExtractor:
    """Reads the schema; a prompt beside it is left to engines that understand language."""

    async def extract(self, request: ExtractRequest) -> Extracted:
        return await asyncio.to_thread(self.extract_now, request)

    def extract_now(self, request: ExtractRequest) -> Extracted:
        place = parse_schema(request.schema)
        filled = record(place, lines_of(request.passages))
        if filled is None or not place.fits(filled.value):
            return Extracted(None)
        times = [(one.path, one.line.start_time, one.line.end_time) for one in filled.sources]
        return Extracted(filled.value, tuple(ValueSource(*one) for one in times))


def record(place: Place, lines: Sequence[Line], *, is_alone: bool = False) -> Filled | None:
    """What the lines tell of an object; None where something that it must have is missing. It may not fit all rules.

    `is_alone`: they are one line that tells of nothing else.
    """
    return _object(place, lines, "", is_alone=is_alone)


def missing(place: Place, lines: Sequence[Line]) -> list[str]:
    """Names of the properties that an object must have, and that the lines don't support."""
    needed = {item.name: item for item in place.properties if item.is_required and not item.place.is_nullable}
    made = {name: _property(item, lines, name, False) for name, item in needed.items()}
    return [name for name, filled in made.items() if filled is None or not filled.sources]


def _object(place: Place, lines: Sequence[Line], path: str, *, is_alone: bool = False) -> Filled | None:
    """None where something required has no support."""
    record: dict[str, Any] = {}
    sources: list[Support] = []
    for item in place.properties:
        filled = _property(item, lines, f"{path}.{item.name}" if path else item.name, is_alone)
        if filled is not None:
            record[item.name] = filled.value
            sources += filled.sources
        elif item.place.is_nullable:
            record[item.name] = None
        elif item.is_required:
            if item.place.kind != "array" or not item.place.fits([]):
                return None
            record[item.name] = []
    return Filled(record, tuple(sources))


def _property(item: Property, lines: Sequence[Line], path: str, is_alone: bool) -> Filled | None:
    """Of a union, the first of its places that the text supports."""
    for place in (item.place, *item.place.others):
        filled = _of_place(replace(item, place=place), lines, path, is_alone)
        if filled is not None and (filled.sources or not item.place.others):
            return filled
    return None


def _of_place(item: Property, lines: Sequence[Line], path: str, is_alone: bool) -> Filled | None:
    place = item.place
    if place.kind == "object" and place.values is not None and not place.properties:
        return _map(place, place.values, lines, path)
    if place.kind == "object":
        filled = _object(place, lines, path, is_alone=is_alone)
        if filled is None or not place.fits(filled.value):
            return None
        return filled if filled.sources or (item.is_required and not place.is_nullable) else None
    if place.kind == "array" and place.prefix:
        return _tuple(item.name, place, lines, path, is_alone)
    if place.kind == "array":
        return _array(item, lines, path)
    if place.kind == "boolean":
        line = presence_line(presence(item.name, place), lines)
        if not place.fits(line is not None):
            return None
        return Filled(False) if line is None else Filled(True, (Support(path, line),))
    wanted = want(item.name, place)
    found = _thing(item.name, wanted, place, lines[0]) if is_alone and lines else []
    found = found or values(wanted, place, lines, is_list=False, is_alone=is_alone)
    return Filled(found[0].value, (Support(path, found[0].line),)) if found else None


def _thing(name: str, wanted: Want, place: Place, line: Line) -> list[Found]:
    """Bay of Fundy, of "Bay of Fundy: 16 meters"."""
    label = line.label[0]
    if (
        label
        and wanted.aim in ("label", "person", "place", "title")
        and set(words_of(name)) <= _THING
        and place.fits(label)
    ):
        return [Found(label, line)]
    return []


def _map(place: Place, values: Place, lines: Sequence[Line], path: str) -> Filled | None:
    """What stands before the colons of lines, and what of the rest of each is such a value."""
    record: dict[str, Any] = {}
    sources: list[Support] = []
    for line in lines:
        name, rest = (part.strip() for part in line.label)
        if not name or len(name) > MAX_NAME or name in record:
            continue
        if values.kind == "string" and not values.format and not values.choices:
            filled = Filled(rest, (Support("", line),)) if rest and values.fits(rest) else None
        else:
            filled = _property(Property("", values, True), [line], "", True)
        if filled is not None and filled.sources:
            record[name] = filled.value
            sources += [Support(f"{path}.{name}" if path else name, line)]
        if len(record) == MAX_ITEMS:
            break
    return Filled(record, tuple(sources)) if record and place.fits(record) else None


def _tuple(name: str, place: Place, lines: Sequence[Line], path: str, is_alone: bool) -> Filled | None:
    """Its elements in their order; none where one that can't be null has no support."""
    value: list[Any] = []
    sources: list[Support] = []
    for number, inner in enumerate(place.prefix):
        filled = _property(Property(name, inner, True), lines, f"{path}[{number}]", is_alone)
        if filled is None and not inner.is_nullable:
            return None
        value.append(filled.value if filled else None)
        sources += filled.sources if filled else ()
    return Filled(value, tuple(sources)) if sources and place.fits(value) else None


def _array(item: Property, lines: Sequence[Line], path: str) -> Filled | None:
    place, items = item.place, item.place.items
    assert items is not None
    limit = MAX_ITEMS if place.max_items is None else min(MAX_ITEMS, place.max_items)
    found: list[tuple[Any, tuple[Support, ...]]] = []
    if items.kind == "object":
        found = _objects(items, lines)
    elif items.prefix:
        tuples = [(_tuple("", items, [line], "", True)) for line in lines]
        found = [(one.value, one.sources) for one in tuples if one is not None]
    elif items.kind in ("string", "integer", "number"):
        # The elements of a list are what the list is described as.
        wanted = want(item.name, items if items.description else replace(items, description=place.description))
        found = [(one.value, (Support("", one.line),)) for one in values(wanted, items, lines, is_list=True)]
    found = found[:limit]
    value = [one for one, _ in found]
    if not value or not place.fits(value):
        return None
    sources = [
        Support(f"{path}[{number}]{_inner(source.path)}", source.line)
        for number, (_, parts) in enumerate(found)
        for source in parts
    ]
    return Filled(value, tuple(sources))


def _objects(place: Place, lines: Sequence[Line]) -> list[tuple[Any, tuple[Support, ...]]]:
    """One object for each line that tells more than half of its properties, booleans not counted."""
    asked = [item for item in place.properties if item.place.kind != "boolean"] or list(place.properties)
    found: list[tuple[Any, tuple[Support, ...]]] = []
    for line in lines:
        filled = _object(place, [line], "", is_alone=True)
        if filled is None:
            continue
        told = {source.path.partition(".")[0].partition("[")[0] for source in filled.sources}
        if 2 * sum(item.name in told for item in asked) <= len(asked) or not place.fits(filled.value):
            continue
        if all(filled.value != other for other, _ in found):
            found.append((filled.value, filled.sources))
        if len(found) == MAX_ITEMS:
            break
    return found


def _inner(path: str) -> str:
    return path if path.startswith("[") or not path else f".{path}"
