"""Answers without a language model: picks what was retrieved, says where it stands, and refuses when nothing fits."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extraction.numerals import numbers, tokens
from ray_jobs.engines.embedded.extractive.across import across
from ray_jobs.engines.embedded.extractive.evidence import Point, asked_kind, evidence, in_order, overview
from ray_jobs.engines.embedded.extractive.followups import standalone
from ray_jobs.engines.embedded.extractive.languages import language_of
from ray_jobs.engines.embedded.extractive.planner import plan
from ray_jobs.engines.embedded.extractive.shapes import shape_of
from ray_jobs.engines.embedded.extractive.slots.results import sentences
from ray_jobs.engines.embedded.extractive.style import Style
from ray_jobs.engines.embedded.extractive.wording import phrase
from ray_jobs.engines.embedded.titles import shortened
from services.core.errors import ArcusError, Reason, invalid
from services.core.questions import excludes_files, file_names
from services.core.quoting import inert

MAX_POINTS = 4
MAX_POINTS_BROAD = 12
REFUSAL = "I could not find anything about that in these videos."
NOTHING = "There is nothing in these videos to answer from."
NO_NUMBER = "I found no number for that; this comes nearest:"

_HOW_MUCH = re.compile(
    r"\W*(?:and )?how (?:many|much|tall|high|long|deep|wide|thick|large|big|far|old|fast|heavy|hot|cold|loud)\b", re.I
)
_NUMBER_WORDS = re.compile(
    r"\b(?:once|twice|thrice|half|dozens?|hundreds?|thousands?|millions?|no|none|single|double)\b", re.I
)
_TOKEN = re.compile(r"\s*\S+")
NO_CALLS = (
    "tool_choice: the embedded engine calls no functions; leave it at auto, or let an engine of kind vllm or openai play this "
    "model"
)


class EmbeddedGenerator:
    """Extractive: every sentence quotes or repeats a retrieved passage and cites it. Deterministic."""

    running = 0  # each word is at hand as soon as it is asked for

    async def setup(self) -> None:
        return None

    def check(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def plan(self, request: pb.PlanRequest) -> pb.PlanResponse:
        return plan(request)

    async def generate(self, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        """The answer word by word. The last chunk carries finish_reason and the count of input tokens.

        Raises INVALID_ARGUMENT where a function must be called.
        """
        if request.tool_choice not in ("", "auto", "none"):
            raise invalid(NO_CALLS)
        answer = compose(request)
        if not answer.startswith(request.written):
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The answer that was begun can't be continued; ask again.")
        limit = (request.max_output_tokens or 1_000_000) - request.output_tokens_written
        words = _TOKEN.findall(answer[len(request.written) :])
        for word in words[:limit]:
            yield pb.GenerateChunk(text=word, output_tokens=1)
        read = sum(len(passage.text.split()) for source in request.sources for passage in source.passages)
        asked = sum(len(message.text.split()) for message in request.messages)
        yield pb.GenerateChunk(
            finish_reason="length" if len(words) > limit else "stop",
            input_tokens=read + asked + len(request.instructions.split()),
        )


def compose(request: pb.GenerateRequest) -> str:
    """The whole answer as text with [n] behind each claim; what queries found comes first."""
    request = _quotable(request)
    told = sentences(request, language_of(request.messages[-1].text if request.messages else ""))
    if told is None:
        return _from_sources(request)
    told = [inert(sentence) for sentence in told]
    return "\n\n".join([*told, _from_sources(request)] if request.sources else told)


def _quotable(request: pb.GenerateRequest) -> pb.GenerateRequest:
    """With questions, and texts and names of sources, that can stand in the answer as they are."""
    made = pb.GenerateRequest()
    made.CopyFrom(request)
    made.parts[:] = map(inert, made.parts)
    for message in made.messages:
        if message.role == "user":
            message.text = inert(message.text)
    for source in made.sources:
        source.filename = inert(source.filename)
        for passage in source.passages:
            passage.text = inert(passage.text)
    return made


def _from_sources(request: pb.GenerateRequest) -> str:
    question = standalone(request.messages) if request.messages else ""
    style = Style.of(request.instructions, request.messages[-1].text if request.messages else "", "en")
    sources = _of_named_files(question, request.sources)
    if not sources:
        return NOTHING
    parts = list(request.parts) or [question]
    if request.per_file or len(parts) > 1:
        shape = shape_of(question)
        if shape.kind != "fact" and list(shape.parts) == parts:
            lead, lines = across(question, shape, sources, style)
            return style.write(lines, lead) if lines or lead else REFUSAL
    several_files = len({source.file_id for source in sources}) > 1
    if request.broad:
        kind = asked_kind(question)
        points = overview(sources, style.max_points or MAX_POINTS_BROAD, kind)
        if not points:
            return REFUSAL if kind else NOTHING
        return style.write([phrase(point, several_files, style) for point in points])
    told: list[Point] = []
    missed: list[str] = []
    for number, part in enumerate(parts):
        found = [source for source in sources if source.part == number]
        points = evidence(part, found, style.max_points or MAX_POINTS)
        if points:
            told += in_order(points)
        else:
            missed.append(part)
    if not told:
        return REFUSAL
    lines = list(dict.fromkeys(phrase(point, several_files, style) for point in told))
    lines += [f"I found nothing on “{shortened(part, 80)}”." for part in missed]
    lacks_number = _HOW_MUCH.match(question) and not any(_has_number(point.text) for point in told)
    return style.write(lines, NO_NUMBER if lacks_number else "")


def _has_number(text: str) -> bool:
    return bool(_NUMBER_WORDS.search(text) or numbers(text, tokens(text)))


def _of_named_files(question: str, sources: Sequence[pb.Source]) -> list[pb.Source]:
    """Where the question names files that were retrieved, only theirs; where it excludes one, all but that."""
    named = {name.lower() for name in file_names(question)}
    theirs = [source for source in sources if source.filename.lower() in named]
    if excludes_files(question):
        return [source for source in sources if source.filename.lower() not in named]
    return theirs or list(sources)
