"""Answers without a language model: picks what was retrieved, says where it stands, and refuses when nothing fits."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.planner import plan
from ray_jobs.engines.embedded.titles import shortened
from ray_jobs.engines.embedded.wording import Style, phrase
from services.core.words import stems

# Likeness of MiniLM vectors, tuned by `make eval` on its answerable and unanswerable questions.
SURE_SCORE = 0.42  # alike enough by meaning alone
WORDED_SCORE = 0.20  # enough when the rarer words of the question are there too
MARGIN = 0.12  # how far below the best a further sentence may be
MAX_POINTS = 4
MAX_POINTS_BROAD = 12
REFUSAL = "I could not find anything about that in these videos."
NOTHING = "There is nothing in these videos to answer from."

_WORD = re.compile(r"[a-z0-9']+")
_TOKEN = re.compile(r"\s*\S+")


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


class EmbeddedGenerator:
    """Extractive: every sentence quotes or repeats a retrieved passage and cites it. Deterministic."""

    async def setup(self) -> None:
        return None

    async def plan(self, request: pb.PlanRequest) -> pb.PlanResponse:
        return plan(request)

    async def generate(self, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        """The answer word by word. The last chunk carries finish_reason and the count of input tokens."""
        answer = compose(request)
        limit = request.max_output_tokens or 1_000_000
        words = _TOKEN.findall(answer)
        for word in words[:limit]:
            yield pb.GenerateChunk(text=word, output_tokens=1)
        read = sum(len(passage.text.split()) for source in request.sources for passage in source.passages)
        asked = sum(len(message.text.split()) for message in request.messages)
        yield pb.GenerateChunk(
            finish_reason="length" if len(words) > limit else "stop",
            input_tokens=read + asked + len(request.instructions.split()),
        )


def compose(request: pb.GenerateRequest) -> str:
    """The whole answer as text with [n] behind each claim."""
    question = request.messages[-1].text if request.messages else ""
    style = Style.read(request.instructions)
    if not request.sources:
        return NOTHING
    several_files = len({source.file_id for source in request.sources}) > 1
    if request.broad:
        points = _overview(request.sources, style.max_points or MAX_POINTS_BROAD)
        return style.write([phrase(point, several_files, style) for point in points]) if points else NOTHING
    parts = list(request.parts) or [question]
    lines: list[str] = []
    missed: list[str] = []
    for number, part in enumerate(parts):
        sources = [source for source in request.sources if source.part == number]
        points = _evidence(part, sources, style.max_points or MAX_POINTS)
        if points:
            lines += [phrase(point, several_files, style) for point in _in_order(points)]
        else:
            missed.append(part)
    if not lines:
        return REFUSAL
    lines = list(dict.fromkeys(lines))
    lines += [f"I found nothing on “{shortened(part, 80)}”." for part in missed]
    return style.write(lines)


def _evidence(question: str, sources: Iterable[pb.Source], most: int) -> list[Point]:
    """The passages that answer, best first: alike by meaning, or by the question's own words and some meaning."""
    wanted = stems(question)
    scored: list[tuple[float, float, Point]] = []
    for source in sources:
        # That someone speaks is no answer where it is known what is said.
        skipped = {"summary"}
        if any(passage.kind == "speech" for passage in source.passages):
            skipped.add("audio_description")
        for passage in source.passages:
            if passage.kind in skipped:
                continue
            held = stems(passage.text)
            coverage = len(wanted & held) / len(wanted) if wanted else 0.0
            sure = passage.score >= SURE_SCORE or (coverage >= 0.5 and passage.score >= WORDED_SCORE)
            if sure:
                value = passage.score + 0.25 * coverage
                point = Point(
                    source.number,
                    source.part,
                    source.filename,
                    passage.kind,
                    passage.text,
                    passage.start_time,
                    passage.score,
                )
                scored.append((value, passage.score, point))
    scored.sort(key=lambda item: -item[0])
    if not scored:
        return []
    best, _, first = scored[0]
    kept: dict[str, Point] = {}
    kinds: set[str] = set()
    for value, _, point in scored:
        # What is said and what is shown at the best place stand for each other where one was misheard or misread.
        other_side = point.number == first.number and point.kind not in kinds
        if (value >= best - MARGIN or other_side) and len(kept) < most:
            kinds.add(point.kind)
            kept.setdefault(" ".join(_WORD.findall(point.text.lower())), point)
    return list(kept.values())


def _overview(sources: Iterable[pb.Source], most: int) -> list[Point]:
    """One point for each segment, in order of time, file by file; spread over all of them when there are too many."""
    points: dict[tuple[str, float], Point] = {}
    for source in sources:
        lead = _lead(source)
        if lead is not None:
            points.setdefault((source.filename + source.file_id, source.start_time), lead)
    ordered = [points[key] for key in sorted(points)]
    unique = list({point.text: point for point in reversed(ordered)}.values())[::-1]
    if len(unique) > most:
        unique = [unique[round(index * (len(unique) - 1) / max(1, most - 1))] for index in range(most)]
    return unique


def _lead(source: pb.Source) -> Point | None:
    """What stands for a segment: text on the screen with what is said, else either, else what is seen."""
    for kind in ("scene_text", "speech", "visual_scene_description", "audio_description"):
        said = [passage for passage in source.passages if passage.kind == kind and passage.text.strip()]
        if said:
            best = max(said, key=lambda passage: len(passage.text)) if kind == "speech" else said[0]
            return Point(source.number, source.part, source.filename, kind, best.text, best.start_time, best.score)
    return None


def _in_order(points: list[Point]) -> list[Point]:
    """Of one file: in order of time. Of several: the best file first, each in order of time."""
    order = {name: rank for rank, name in enumerate(dict.fromkeys(point.filename for point in points))}
    return sorted(points, key=lambda point: (order[point.filename], point.start_time))
