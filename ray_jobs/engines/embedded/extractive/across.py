"""Answers that span videos: which of them, each of them, two side by side, what they share, what came first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.evidence import Point, evidence, in_order, overview, point_of, supported
from ray_jobs.engines.embedded.extractive.shapes import Shape
from ray_jobs.engines.embedded.extractive.style import Style
from ray_jobs.engines.embedded.extractive.wording import phrase, place
from ray_jobs.engines.embedded.titles import shortened
from services.core.words import content_words, stems

MAX_FILES = 12
MAX_THEMES = 5
MAX_WORDS = 4
POINTS_PER_SIDE = 2
# How far below the best video another may be and still be one of those asked for; tuned by `make eval`.
FILE_MARGIN = 0.16
EACH_MARGIN = 0.4  # where each video is asked by itself
TIE = 0.05  # two videos that are this near are told apart by their names
_SEPARATORS = re.compile(r"[\W_]+")
_SMALL = frozenset("a an the of in on at by with from to for and or one video clip file recording".split())
_YEAR = re.compile(r"\b(?:1[0-9]{3}|20[0-9]{2})\b(?![,.]\d)")


def across(question: str, shape: Shape, sources: Sequence[pb.Source], style: Style) -> tuple[str, list[str]]:
    """(words before the list, its lines, each with its source). No lines: nothing fits."""
    if shape.has_sides:
        return _sides(shape, sources, style)
    if shape.kind == "common":
        if not shape.is_overview:
            meant = {point.file_id for _, point in supported(shape.parts[0], sources)}
            sources = [source for source in sources if source.file_id in meant]
        return _themes(sources, style) if sources else ("", [])
    if shape.is_overview:
        return "", _whole_files(sources, style)
    return _fitting(question, shape, sources, style)


def _fitting(question: str, shape: Shape, sources: Sequence[pb.Source], style: Style) -> tuple[str, list[str]]:
    """The best of every video that speaks to what is asked."""
    scored = supported(shape.parts[0], sources)
    best_of: dict[str, tuple[float, Point]] = {}
    for value, point in scored:
        best_of.setdefault(point.file_id, (value, point))
    margin = EACH_MARGIN if shape.kind == "each" else FILE_MARGIN
    wanted = stems(shape.parts[0])
    fitting = [
        point
        for value, point in best_of.values()
        if value >= scored[0][0] - margin or (wanted and wanted <= stems(point.text))
    ]
    points = fitting[: style.max_points or MAX_FILES]
    lines = [phrase(point, True, style) for point in points]
    lead = ""
    if question.lower().startswith("how many") and lines:
        lead = f"I found {len(fitting)}:"
    if shape.kind == "each" and lines:
        rest = sorted({source.filename for source in sources} - {point.filename for point in fitting})
        if rest:
            lines.append(f"I found nothing on it in {_listed(rest) if len(rest) <= 4 else f'{len(rest)} others'}.")
    return lead, lines


def _whole_files(sources: Sequence[pb.Source], style: Style) -> list[str]:
    """What stands for each video, one by one."""
    of_file: dict[str, list[pb.Source]] = defaultdict(list)
    for source in sources:
        of_file[source.file_id].append(source)
    most = min(len(of_file), style.max_points or MAX_FILES)
    each = 1 if most > MAX_FILES // 2 else POINTS_PER_SIDE
    points = [overview(found, each) for found in list(of_file.values())[:most]]
    flat = [point for found in points for point in found]
    return [phrase(point, True, style) for point in flat[: style.max_points or len(flat)]]


def _sides(shape: Shape, sources: Sequence[pb.Source], style: Style) -> tuple[str, list[str]]:
    is_short = style.max_points and style.max_points < POINTS_PER_SIDE * len(shape.parts)
    most = 1 if is_short or shape.kind == "order" else POINTS_PER_SIDE
    found: list[tuple[str, list[Point]]] = []
    missed: list[str] = []
    for number, side in enumerate(shape.parts):
        # When a video was made is not told by its name.
        points = _of_side(side, number, sources, most, by_name=shape.kind != "order")
        if points:
            found.append((side, points))
        else:
            missed.append(side)
    if not found:
        return "", []
    lead = ""
    if shape.kind == "order" and missed:
        return f"I found nothing on “{shortened(missed[0], 80)}”, so I can't tell which came first.", []
    if not missed:
        if shape.kind == "order":
            lead, found = _ordered(found)
        elif shape.kind == "common":
            shared = _shared(found, sources, style)
            if shared:
                return "", shared
            lead = "I found no words that they share; this is said or shown of each."
    several_files = len({point.file_id for _, points in found for point in points}) > 1
    lines = []
    for side, points in found:
        first, *more = [phrase(point, several_files, style) for point in points]
        lines.append(f"On {side}: {first[:1].lower() + first[1:] if _opens_with_place(first) else first}")
        lines += more
    lines += [f"I found nothing on “{shortened(side, 80)}”." for side in missed]
    return lead, lines


def _of_side(side: str, number: int, sources: Sequence[pb.Source], most: int, *, by_name: bool) -> list[Point]:
    """The best of one video on one side: the video that is named, or the one that speaks to it most.

    Where none speaks to it, with `by_name`, of the one whose name has most of its words.
    """
    named = [source for source in sources if source.filename.lower() == side.lower()]
    if named:
        return overview(named, most)
    its_sources = [source for source in sources if source.part == number]
    scored = supported(side, its_sources)
    if not scored:
        return overview(_of_the_name(side, its_sources), most) if by_name else []
    near = [point for value, point in scored if value >= scored[0][0] - TIE]
    wanted = stems(side)
    best = max(near, key=lambda point: len(wanted & stems(_SEPARATORS.sub(" ", point.filename))))
    return in_order(evidence(side, [source for source in its_sources if source.file_id == best.file_id], most))


def _of_the_name(side: str, sources: Sequence[pb.Source]) -> list[pb.Source]:
    """Those of the one video whose name shares most words with a side: "the lecture"."""
    wanted = _words(side) - _SMALL
    shared = {source.file_id: len(wanted & _words(source.filename.rpartition(".")[0])) for source in sources}
    best = [file_id for file_id, count in shared.items() if count and count == max(shared.values())]
    return [source for source in sources if [source.file_id] == best]


def _words(text: str) -> set[str]:
    return set(_SEPARATORS.sub(" ", text.lower()).split())


def _ordered(found: list[tuple[str, list[Point]]]) -> tuple[str, list[tuple[str, list[Point]]]]:
    """By the years that are named, else by time within one video; else as asked, and said so."""
    firsts = [points[0] for _, points in found]
    years = [match.group() if (match := _YEAR.search(point.text)) else "" for point in firsts]
    if all(years):
        ranked = sorted(zip(years, found, strict=True), key=lambda item: int(item[0]))
        return f"By the years that they name ({', then '.join(year for year, _ in ranked)}):", [
            item for _, item in ranked
        ]
    if len({point.file_id for point in firsts}) == 1:
        return "In order of time in the video:", sorted(found, key=lambda item: item[1][0].start_time)
    return "They are in different videos and do not all name a year, so I can't tell which came first.", found


# What videos share


def _shared(found: list[tuple[str, list[Point]]], sources: Sequence[pb.Source], style: Style) -> list[str]:
    """For the videos of all sides: the words that every one of them holds, and where."""
    ids = list(dict.fromkeys(points[0].file_id for _, points in found))
    texts = _texts(source for source in sources if source.file_id in ids)
    words = set.intersection(*({word for point in texts[id] for word in _telling(point.text)} for id in ids))
    return [_theme(words, [texts[id] for id in ids], style)] if len(ids) > 1 and words else []


def _themes(sources: Sequence[pb.Source], style: Style) -> tuple[str, list[str]]:
    """Words that several videos hold, those of the same videos together; most videos first."""
    texts = _texts(sources)
    holders: dict[str, list[str]] = defaultdict(list)
    for id, points in texts.items():
        for word in sorted({word for point in points for word in _telling(point.text)}):
            holders[word].append(id)
    together: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for word, ids in holders.items():
        if len(ids) > 1:
            together[tuple(ids)].add(word)
    ranked = sorted(together.items(), key=lambda item: (-len(item[0]) * min(len(item[1]), MAX_WORDS), item[0]))
    lines = [_theme(words, [texts[id] for id in ids], style) for ids, words in ranked[: style.max_points or MAX_THEMES]]
    if lines:
        return "", lines
    return "I found no words that they share; this is said or shown in each.", _whole_files(sources, style)


def _theme(words: set[str], files: list[list[Point]], style: Style) -> str:
    """ "“telescope”, “space”: in a.mp4 at 00:04 [1] and in b.mp4 at 00:00 [2]." """
    best = [max(points, key=lambda point: len(words & _telling(point.text).keys())) for points in files]
    shown: dict[str, str] = {}
    for point in best:
        for stem, word in _telling(point.text).items():
            if stem in words:
                shown.setdefault(stem, word)
    named = ", ".join(f"“{word}”" for word in list(shown.values())[:MAX_WORDS])
    return f"{named}: {_listed([f'{place(point, True, style)} [{point.number}]' for point in best])}."


def _texts(sources: Iterable[pb.Source]) -> dict[str, list[Point]]:
    """What is said and shown in each video, by file id."""
    found: dict[str, list[Point]] = defaultdict(list)
    for source in sources:
        for passage in source.passages:
            if passage.kind in ("speech", "scene_text"):
                found[source.file_id].append(point_of(source, passage))
    return found


def _telling(text: str) -> dict[str, str]:
    """Words long enough to be a subject, by their stems."""
    words = [word for word in content_words(text) if len(word) > 3 and word.isalpha()]
    return {next(iter(stems(word)), word): word for word in words}


def _opens_with_place(line: str) -> bool:
    return line.startswith(("In ", "At ", "The speaker", "The screen"))


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
