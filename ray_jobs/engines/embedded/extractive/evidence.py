"""Which retrieved passages answer a question, and which stand for a whole video."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.familiarity import anchored, knows, symbols
from services.core.questions import without_file_names
from services.core.search.tokens import pieces
from services.core.words import Held, content_words

# Likeness of MiniLM vectors, tuned by `make eval` on its answerable and unanswerable questions.
SURE_SCORE = 0.42  # alike enough by meaning alone
WORDED_SCORE = 0.20  # enough when the rarer words of the question are there too
FOREIGN_COVERAGE = 0.4  # of the letters of a question in a language that the embedder does not know
LEADS = ("scene_text", "speech", "visual_scene_description", "audio_description")
MARGIN = 0.12  # how far below the best a further sentence may be

_WORD = re.compile(r"[a-z0-9']+")
_SIDES = {
    "scene_text": re.compile(r"\b(?:slides?|screens?|written|text)\b", re.I),
    "speech": re.compile(r"\b(?:speakers?|narrators?|says?|said|spoken|hears?|heard)\b", re.I),
}


@dataclass(frozen=True)
class Point:
    """One thing to say, with its source."""

    number: int
    part: int
    filename: str
    kind: str
    text: str
    start_time: float
    score: float
    file_id: str = ""
    end_time: float = 0.0


def supported(question: str, sources: Iterable[pb.Source]) -> list[tuple[float, Point]]:
    """(value, passage) of all that speak to the question, best first: alike by meaning, or by the question's own words and
    some meaning."""
    text = without_file_names(question)
    wanted = set(content_words(text))
    if not any(pieces(text)):
        signs = symbols(text)
        return [
            (1.0, point_of(source, passage))
            for source in sources
            for passage in source.passages
            if signs & symbols(passage.text)
        ]
    is_known = knows(text)
    scored: list[tuple[float, Point]] = []
    for source in sources:
        # That someone speaks is no answer where it is known what is said.
        skipped = {"summary"}
        if any(passage.kind == "speech" for passage in source.passages):
            skipped.add("audio_description")
        for passage in source.passages:
            if passage.kind in skipped:
                continue
            coverage = Held(passage.text).share(wanted)
            if is_known:
                speaks = passage.score >= SURE_SCORE or (coverage >= 0.5 and passage.score >= WORDED_SCORE)
            else:
                coverage = anchored(text, passage.text)
                speaks = coverage >= FOREIGN_COVERAGE
            if speaks:
                value = passage.score + 0.25 * coverage if is_known else coverage
                scored.append((value, point_of(source, passage)))
    return sorted(scored, key=lambda item: -item[0])


def point_of(source: pb.Source, passage: pb.Passage) -> Point:
    return Point(
        source.number,
        source.part,
        source.filename,
        passage.kind,
        passage.text,
        passage.start_time,
        passage.score,
        source.file_id,
        passage.end_time,
    )


def evidence(question: str, sources: Iterable[pb.Source], most: int) -> list[Point]:
    """The passages that answer, best first: alike by meaning, or by the question's own words and some meaning."""
    scored = supported(question, sources)
    if not scored:
        return []
    best, first = scored[0]
    kept: dict[str, Point] = {}
    kinds: set[str] = set()
    for value, point in scored:
        # What is said and what is shown at the best place stand for each other where one was misheard or misread.
        other_side = point.number == first.number and point.kind not in kinds
        if (value >= best - MARGIN or other_side) and len(kept) < most:
            kinds.add(point.kind)
            kept.setdefault(" ".join(_WORD.findall(point.text.lower())), point)
    return list(kept.values())


def asked_kind(question: str) -> str:
    """The one kind of passage that a question about a whole video is about, if it names one: "What is on the slides?"."""
    text = without_file_names(question)
    return next((kind for kind, words in _SIDES.items() if words.search(text)), "")


def overview(sources: Iterable[pb.Source], most: int, kind: str = "") -> list[Point]:
    """One point for each segment, in order of time, file by file; spread over all of them when there are too many.

    With `kind`, of the segments that have a passage of that kind.
    """
    points: dict[tuple[str, float], Point] = {}
    for source in sources:
        lead = lead_of(source, (kind,) if kind else LEADS)
        if lead is not None:
            points.setdefault((source.filename + source.file_id, source.start_time), lead)
    ordered = [points[key] for key in sorted(points)]
    unique = list({point.text: point for point in reversed(ordered)}.values())[::-1]
    if len(unique) > most:
        unique = [unique[round(index * (len(unique) - 1) / max(1, most - 1))] for index in range(most)]
    return unique


def lead_of(source: pb.Source, kinds: Sequence[str] = LEADS) -> Point | None:
    """What stands for a segment: of the first of these kinds that it has."""
    for kind in kinds:
        said = [passage for passage in source.passages if passage.kind == kind and passage.text.strip()]
        if said:
            best = max(said, key=lambda passage: len(passage.text)) if kind == "speech" else said[0]
            return point_of(source, best)
    return None


def in_order(points: list[Point]) -> list[Point]:
    """Of one file: in order of time. Of several: the best file first, each in order of time."""
    order = {name: rank for rank, name in enumerate(dict.fromkeys(point.filename for point in points))}
    return sorted(points, key=lambda point: (order[point.filename], point.start_time))
