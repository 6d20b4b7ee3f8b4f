"""What queries found, in plain sentences: counts, lists, groups; what was cut or failed is said to be so."""

from __future__ import annotations

import json
import re
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

UNTOLD = "I could not tell that from the entities of these videos."
MAX_SHOWN = 100
_NUMBER_OF = re.compile(r"number of (?P<noun>.+?)(?: that (?P<verb>have|are) (?P<rest>.+))?$")


def sentences(request: pb.GenerateRequest) -> list[str] | None:
    """A sentence for each result, its rows on lines of their own. None where there are no results.

    A result without SQL stands for a question that no query was planned for.
    """
    if not request.results:
        return None
    told = [_sentence(result) for result in request.results]
    notes = [note for result in request.results if (note := _parted(result.purpose)[1])]
    return told + [f"{note[:1].upper()}{note[1:]}." for note in dict.fromkeys(notes)]


def _parted(purpose: str) -> tuple[str, str]:
    """(what was looked for, what is to be known of it): the front adds the latter behind a semicolon."""
    what, _, note = purpose.partition("; ")
    return what.strip() or "result", note.strip()


def _sentence(result: pb.QueryResult) -> str:
    purpose = _parted(result.purpose)[0]
    if not result.sql:
        return UNTOLD
    if result.error:
        return (
            f"I could not find out the {purpose.removeprefix('the ')}: the query failed ({result.error.rstrip('.')})."
        )
    rows = json.loads(result.rows or "[]")
    columns = list(result.columns)
    if columns == ["number", "of"] and len(rows) == 1:
        return _share(purpose, *rows[0])
    if len(rows) == 1 and (len(columns) == 1 or columns[1:] == ["of"]):
        value = rows[0][0]
        if value is None or (columns[1:] == ["of"] and not rows[0][1]):
            return f"There is no {columns[0]}: nothing was found for the {purpose.removeprefix('the ')}."
        return f"{_capital(purpose, 'The ')}: {_shown(value)}."
    if not rows:
        return f"Nothing was found: no {purpose.removeprefix('the ')}."
    lines = [f"- {_line(columns, row)}" for row in rows[:MAX_SHOWN]]
    cut = result.truncated or len(rows) > MAX_SHOWN
    counted = f"the first {len(lines)}, there are more" if cut else str(len(rows))
    return "\n".join([f"{_capital(purpose)} ({counted}):", *lines])


def _share(purpose: str, number: int, of: int) -> str:
    match = _NUMBER_OF.match(purpose)
    noun = match["noun"] if match else purpose
    one = noun.removesuffix("s") if of == 1 else noun
    if not match or not match["verb"]:
        return f"There {'is' if number == 1 else 'are'} {number} {noun.removesuffix('s') if number == 1 else noun}."
    verb = {"have": "has", "are": "is"}[match["verb"]] if number == 1 else match["verb"]
    if number == 0:
        return f"None of the {of} {noun} {match['verb']} {match['rest']}."
    return f"{number} of {of} {one} {verb} {match['rest']}."


def _line(columns: list[str], row: list[Any]) -> str:
    """ "lecture.mp4: title Tides" of two columns reads "lecture.mp4: Tides"; of more, each is named."""
    shown = [_shown(value) for value in row]
    if len(row) <= 2:
        return ": ".join(shown)
    return f"{shown[0]}: " + ", ".join(f"{name} {value}" for name, value in zip(columns[1:], shown[1:], strict=True))


def _shown(value: Any) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.2f}".rstrip("0").rstrip(".")
        case list():
            return ", ".join(map(_shown, value))
        case dict():
            return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    return re.sub(r"T00:00:00$", "", str(value))


def _capital(text: str, article: str = "") -> str:
    text = text if text.startswith("the ") or not article else article + text
    return text[:1].upper() + text[1:]
