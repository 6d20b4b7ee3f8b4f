"""An answer from what was retrieved, by the form of its question."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast, get_args

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.claims import phrase
from ray_jobs.engines.embedded.extractive.evidence import Point, in_order, point_of, points, quotable, threshold, told
from ray_jobs.engines.embedded.extractive.forms import (
    MAY_SAY_WHICH,
    asked_to_read,
    asks_for_mention,
    says_which,
)
from ray_jobs.engines.embedded.extractive.frames import frames
from ray_jobs.engines.embedded.extractive.languages import holds, language_of
from ray_jobs.engines.embedded.extractive.meant_files import of_meant_files
from ray_jobs.engines.embedded.extractive.outline import outline
from ray_jobs.engines.embedded.extractive.question import Form, Question, is_wordless, signs
from ray_jobs.engines.embedded.extractive.short_answer import affirmed, short_answer
from ray_jobs.engines.embedded.extractive.style import Style
from ray_jobs.engines.embedded.extractive.tables import Table, table_of, told_by
from ray_jobs.engines.embedded.titles import shortened
from services.core.questions import excludes_files, file_names
from services.core.words import Held, content_words

MAX_POINTS = 3
MAX_LISTED = 12
MAX_FILES = 12
TABLE_LINES = 3  # of figures alone, from which a text on the screen is a table or a chart
MAX_TABLES = 16  # passages that are looked through for the table that names what is asked for
SURE = 0.7  # the likelihood from which a passage says yes or no
FILE_SHARE = 0.4  # of the likelihood that a quote needs
FILE_MARGIN = 0.85  # of the likelihood of the likeliest file
POINTS_PER_SIDE = 2
MAX_NAMED = 4  # files that nothing was found in; more are counted
MAX_SIDE = 80  # characters of what is compared, as it is repeated
_LABELLED = re.compile(r"[^:：\d]{1,40}[:：]\s*\S{0,3}\d.{0,20}$")


def from_sources(request: pb.GenerateRequest) -> str:
    """The answer with [n] behind each claim, in the language of the question."""
    question = question_of(request)
    style = Style.of(request.instructions, request.messages[-1].text if request.messages else "", question.language)
    words = frames(style.language or question.language)
    sources = _of_named_files(question.text, request.sources)
    if not sources:
        return words.say("nothing")
    if is_wordless(question.text):
        lines = _with_signs(question, sources, style)
        return style.write(lines, "") if lines else words.say("refusal")
    if request.broad:
        return outline(of_meant_files(question, sources), question, style) or words.say("nothing")
    if question.form == "compare" and len(request.parts) > 1:
        lead, lines = _sides(question, request, sources, style)
    elif question.form in ("each", "which_file"):
        lead, lines = _each_file(question, request, sources, style)
        if question.form == "each" and not lines:
            return outline(sources, question, style) or words.say("nothing")
    else:
        lead, lines = _found(question, request, sources, style)
    return style.write(lines, lead) if lines else _nothing_found(question, style)


def _with_signs(question: Question, sources: Sequence[pb.Source], style: Style) -> list[str]:
    """What is said or shown with the pictographs that a question without words is made of."""
    wanted, several_files = signs(question.text), len({source.file_id for source in sources}) > 1
    found = [point_of(*place, 1.0) for place in quotable(sources) if wanted and wanted <= signs(place[1].text)]
    return [
        phrase(point, question, style, several_files=several_files) for point in found[: style.max_points or MAX_POINTS]
    ]


def _nothing_found(question: Question, style: Style) -> str:
    """Of a thing that is asked for by name, that nothing is found is an answer: it is not mentioned."""
    words = frames(style.language or question.language)
    said = words.say("refusal")
    is_denied = holds("negation", question.language, question.text)
    if question.form != "yes_no" or is_denied or not asks_for_mention(question.text):
        return said
    no = words.templates["no"]
    return words.say("seen", place=no if style.plain else f"**{no}**", text=said)


def question_of(request: pb.GenerateRequest) -> Question:
    asked = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
    form = cast(Form, request.form if request.form in get_args(Form) else "what")
    return Question(request.question or asked, form, request.language or "en")


def _found(
    question: Question, request: pb.GenerateRequest, sources: Sequence[pb.Source], style: Style
) -> tuple[str, list[str]]:
    """What answers each part of the question, and the parts that nothing answers."""
    most = style.max_points or (MAX_LISTED if question.form == "list" else MAX_POINTS)
    several_files = len({source.file_id for source in sources}) > 1
    parts = list(request.parts) or [question.text]
    lines: list[str] = []
    missed: list[str] = []
    for number, part in enumerate(parts):
        asked = replace(question, text=part)
        theirs = [source for source in sources if source.part == number]
        wanted = asked_to_read(part) if question.form in ("what", "list") else ""
        likely = points(asked, theirs, request.embedder, is_read=not wanted)
        shown = _read(asked, wanted, likely, request.embedder, most)
        found = shown or told(asked, likely, request.embedder, most)
        if not found:
            missed.append(part)
        elif shown or question.form == "list":
            lines += [
                phrase(point, asked, style, several_files=several_files, entire=True) for point in in_order(found)
            ]
        else:
            first = _with_its_screen(_by_its_table(asked, found[0], likely), theirs)
            others = [point for point in found if point.text != first.text]
            lines += _answered(asked, [first, *others], style, several_files)
    if not lines:
        return "", []
    words = frames(style.language or question.language)
    lines += [words.say("nothing_on", quote=words.quote(shortened(part, MAX_SIDE))) for part in missed]
    return "", list(dict.fromkeys(lines))


def _read(question: Question, wanted: str, found: Sequence[Point], embedder: str, most: int) -> list[Point]:
    """Where it is asked what a chart or a table shows, those that there are; where it is said on what, or what a sign or a slide
    says, what is about it."""
    if not wanted:
        return []
    seen = {point.text: point for point in reversed(found) if point.kind == "scene_text"}
    shown = [
        point for point in found if seen.get(point.text) is point and (_is_figures(point) or wanted == "lettering")
    ]
    if shown and (wanted == "lettering" or says_which(question.text, MAY_SAY_WHICH)):
        share = 1 if wanted == "lettering" else FILE_SHARE  # that there is a sign at all must be said by what is quoted
        least = max(threshold(embedder) * share, shown[0].score * FILE_MARGIN)
        shown = [point for point in shown if point.score >= least]
    return shown[:most]


def _answered(question: Question, found: Sequence[Point], style: Style, several_files: bool) -> list[str]:
    """The answer in a word first, where the form has one; then what else speaks to it, in order of time."""
    first, *others = found
    table = _table(first)
    cell = told_by(table, question) if table is not None and question.form != "yes_no" else None
    short = cell.text if cell is not None else ""
    if not short and not _is_table(first) and (table is None or len(table.columns) == 2):
        short = short_answer(question, first.text)
    is_entire = _is_table(first) or (
        table is not None and (not short or len(table.columns) > 2 or bool(cell and cell.compares))
    )
    if question.form == "yes_no" and not short and first.score >= SURE:
        short = affirmed(question, first.text)
    held = Held(first.text)
    more = [
        point
        for point in in_order(others)
        if (point.number != first.number or point.kind != first.kind)
        and any(word not in held for word in content_words(point.text, language_of(point.text)))
    ]
    return [
        phrase(first, question, style, several_files=several_files, short=short, entire=is_entire),
        *(phrase(point, question, style, several_files=several_files) for point in more),
    ]


def _by_its_table(question: Question, point: Point, likely: Sequence[Point]) -> Point:
    """Where a table does not name what is asked for, the likeliest that does."""

    def is_sure(point: Point) -> bool:
        table = _table(point)
        cell = told_by(table, question) if table is not None else None
        return cell is not None and cell.is_sure

    if question.form == "yes_no" or _table(point) is None or is_sure(point):
        return point
    return next((other for other in likely[:MAX_TABLES] if is_sure(other)), point)


def _with_its_screen(point: Point, sources: Sequence[pb.Source]) -> Point:
    """Of one row of a table, the whole of it: the names of its columns are on the screen beside it."""
    screens = [
        passage.text
        for source in sources
        if source.number == point.number and point.kind == "scene_text"
        for passage in source.passages
        if passage.kind == point.kind and point.text in passage.text.splitlines() and table_of(passage.text)
    ]
    return replace(point, text=screens[0]) if screens else point


def _table(point: Point) -> Table | None:
    return table_of(point.text) if point.kind == "scene_text" and not _is_table(point) else None


def _is_table(point: Point) -> bool:
    """Whether it is figures on a screen whose names are on other lines: which belongs to which can't be told."""
    lines = point.text.splitlines() if point.kind == "scene_text" else []
    return (
        sum(not any(map(str.isalpha, line)) or (len(line.split()) <= 2 and line[:1].isdigit()) for line in lines)
        >= TABLE_LINES
    )


def _is_figures(point: Point) -> bool:
    return _is_table(point) or sum(_LABELLED.match(line) is not None for line in point.text.splitlines()) > 1


def _each_file(
    question: Question, request: pb.GenerateRequest, sources: Sequence[pb.Source], style: Style
) -> tuple[str, list[str]]:
    """The best of every video that speaks to what is asked; of each, which says nothing on it."""
    found = points(question, sources, request.embedder)
    best_of: dict[str, Point] = {}
    for point in found:
        best_of.setdefault(point.file_id, point)
    # Which video is meant can be told with less than what it says.
    least = threshold(request.embedder) * (FILE_SHARE if question.form == "which_file" else 1)
    likely = [point for point in best_of.values() if point.score >= least]
    if question.form == "which_file" and likely:
        likely = [point for point in likely if point.score >= likely[0].score * FILE_MARGIN]
    shown = likely[: style.max_points or MAX_FILES]
    lines = [phrase(point, question, style, several_files=True) for point in shown]
    if question.form == "each" and lines:
        words = frames(style.language or question.language)
        rest = sorted({source.filename for source in sources} - {point.filename for point in likely})
        if rest:
            listed = words.listed(rest)
            lines.append(
                words.say("nothing_in", files=listed)
                if len(rest) <= 4
                else words.say("nothing_in_others", count=len(rest))
            )
    return "", lines


def _sides(
    question: Question, request: pb.GenerateRequest, sources: Sequence[pb.Source], style: Style
) -> tuple[str, list[str]]:
    """What is said or shown of each side."""
    words = frames(style.language or question.language)
    several_files = len({source.file_id for source in sources}) > 1
    lines: list[str] = []
    missed: list[str] = []
    for number, side in enumerate(request.parts):
        asked = replace(question, text=side, form="what")
        named = [source for source in sources if source.filename.casefold() == side.casefold()]
        theirs = named or [source for source in sources if source.part == number]
        found = points(asked, theirs, request.embedder, is_read=False)
        kept = told(asked, found, request.embedder, POINTS_PER_SIDE) or (found[:POINTS_PER_SIDE] if named else [])
        if not kept:
            missed.append(side)
            continue
        shown = [(point, _of_side(question, side, point)) for point in in_order(kept)]
        first, *more = [
            phrase(point, asked, style, several_files=several_files, short=short, entire=bool(short))
            for point, short in shown
        ]
        lines += [f"{words.say('side', side=shortened(side, MAX_SIDE))} {first}", *more]
    if not lines:
        return "", []
    return "", lines + [words.say("nothing_on", quote=words.quote(shortened(side, MAX_SIDE))) for side in missed]


def _of_side(question: Question, side: str, point: Point) -> str:
    """What a table says of it, in the column that is compared."""
    table = _table(point)
    cell = told_by(table, question, side) if table is not None else None
    return cell.text if cell is not None else ""


def _of_named_files(question: str, sources: Iterable[pb.Source]) -> list[pb.Source]:
    """Where the question names files that were retrieved, only theirs; where it excludes one, all but that."""
    sources = list(sources)
    named = {name.lower() for name in file_names(question)}
    by_name: dict[bool, list[pb.Source]] = defaultdict(list)
    for source in sources:
        by_name[source.filename.lower() in named].append(source)
    return by_name[False] if excludes_files(question) else by_name[True] or sources
