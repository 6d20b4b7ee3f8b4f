"""What queries found, told in the language of the question: the number first; what was cut or failed is said to be so."""

from __future__ import annotations

import json
import re
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.slots.lexicon import Lexicon, lexicon

MAX_SHOWN = 100


def sentences(request: pb.GenerateRequest, language: str) -> list[str] | None:
    """A paragraph for each result, its rows on lines of their own. None where there are no results.

    A result without SQL stands for a question that no query was planned for.
    """
    if not request.results:
        return None
    words = lexicon(language)
    told = [_told(result, words) for result in request.results]
    notes = [note for result in request.results if (note := _parted(result.purpose)[1])]
    return told + [f"{note[:1].upper()}{note[1:]}." for note in dict.fromkeys(notes)]


def _parted(purpose: str) -> tuple[str, str]:
    """(what was looked for, what is to be known of it): the front adds the latter behind a semicolon."""
    what, _, note = purpose.partition("; ")
    return what.strip(), note.strip()


def _told(result: pb.QueryResult, words: Lexicon) -> str:
    frames = words.frames
    what = _parted(result.purpose)[0]
    if not result.sql:
        return frames["untold"]
    if result.error:
        return frames["failed"].format(error=result.error.rstrip("."))
    rows = json.loads(result.rows or "[]")
    columns = list(result.columns)
    if columns in (["number"], ["number", "unknown"]) and len(rows) == 1:
        number, *unknown = rows[0]
        if number == 1 and words.language not in ("zh", "ja"):
            what = re.sub(rf"^{words.labels['videos']}\b", words.labels["video"], what)
        counted = frames["count"].format(n=number, what=what, where="")
        return f"{counted} {frames['unknown_too'].format(n=unknown[0])}" if any(unknown) else counted
    if columns == ["number", "videos"] and len(rows) == 1:
        number, videos = rows[0]
        label = words.labels["video" if videos == 1 and words.language not in ("zh", "ja") else "videos"]
        told, _, rest = what.removesuffix(")").partition(" (")
        inside = ", ".join(filter(None, (f"{videos} {label}", rest)))
        return frames["count"].format(n=number, what=f"{told} ({inside})", where="")
    what = re.sub(r" \((.*)\)$", r", \1", what)  # other brackets follow
    if len(rows) == 1 and len(columns) > 0 and columns != ["video"]:
        value = _shown(columns[-1], rows[0][-1], words)
        if len(columns) == 1:
            return frames["for"].format(value=value, what=what, where="")
        named = ", ".join(_shown(name, item, words) for name, item in zip(columns[:-1], rows[0][:-1], strict=True))
        return frames["for"].format(value=f"{named}: {value}", what=what, where="")
    if not rows:
        return frames["none"].format(what=what, where="")
    lines = [f"- {_line(columns, row, words)}" for row in rows[:MAX_SHOWN]]
    cut = result.truncated or len(rows) > MAX_SHOWN
    return "\n".join([frames["cut" if cut else "counted"].format(what=what, n=len(lines)), *lines])


def _line(columns: list[str], row: list[Any], words: Lexicon) -> str:
    """ "lecture.mp4: Tides" of two columns; of more, what stands between is in brackets."""
    shown = [_shown(name, value, words) for name, value in zip(columns, row, strict=True)]
    if len(shown) <= 2:
        return ": ".join(shown)
    return f"{shown[0]} ({', '.join(shown[1:-1])}): {shown[-1]}"


def _shown(column: str, value: Any, words: Lexicon) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and column == "duration_seconds":
        return duration(value, words)
    match value:
        case None:
            return words.frames["unknown"]
        case bool():
            return words.frames["yes" if value else "no"]
        case int() | float():
            return _number(value)
        case list():
            return ", ".join(_shown(column, item, words) for item in value)
        case dict():
            return ", ".join(f"{key} {_shown(key, item, words)}" for key, item in value.items())
    return re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?$", r"\1 \2", str(value)).removesuffix(" 00:00")


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def duration(seconds: float, words: Lexicon) -> str:
    """Seconds as "1 h 2 min 5 s"; tenths below a minute."""
    if seconds < 60:
        return f"{_number(round(float(seconds), 1))} {words.frames['second']}"
    whole = round(seconds)
    parts = ((whole // 3600, "hour"), (whole // 60 % 60, "minute"), (whole % 60, "second"))
    return " ".join(f"{count} {words.frames[unit]}" for count, unit in parts if count)
