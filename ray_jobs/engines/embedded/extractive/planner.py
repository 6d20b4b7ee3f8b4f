"""Plans a question without a language model: sub-questions, and whether each video is to be asked on its own."""

from __future__ import annotations

import re

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.followups import standalone
from ray_jobs.engines.embedded.extractive.languages import language_of
from ray_jobs.engines.embedded.extractive.shapes import shape_of
from ray_jobs.engines.embedded.extractive.slots.planner import queries as plan_queries
from services.core.questions import wants_all

MAX_PARTS = 6

_SPLIT = re.compile(
    r"\?\s+|;\s*|\.\s+(?=[A-Z])|,?\s+and (?=(?:what|when|where|who|why|how|which|is|are|does|do|did)\b)", re.I
)
_BLANK = re.compile(r"(\s)\s+")  # what looks for blanks tries a long run of them at each of its places
_SENTENCES = re.compile(r"[?!]\s+\S")


def plan(request: pb.PlanRequest) -> pb.PlanResponse:
    """Deterministic. At most MAX_PARTS parts, and every video by itself only for one or two of them."""
    question = _BLANK.sub(r"\1", standalone(request.messages))
    queries, answered = plan_queries(question, language_of(question), request.tables)
    if answered:
        return pb.PlanResponse(question=question, parts=[question], queries=queries, answered_by_queries=True)
    if not request.decompose:
        return pb.PlanResponse(question=question, parts=[question], broad=wants_all(question))
    shape = shape_of(question)
    if shape.kind != "fact" and not _SENTENCES.search(question):
        return pb.PlanResponse(
            question=question, parts=shape.parts[:MAX_PARTS], per_file=shape.per_file, broad=shape.is_overview
        )
    broad = wants_all(question)
    pieces = [piece.strip(" ?.!") for piece in _SPLIT.split(question)]
    parts = list(dict.fromkeys(piece for piece in pieces if len(piece.split()) >= 2))[:MAX_PARTS]
    if len(parts) < 2:
        parts = [question.strip()]
    return pb.PlanResponse(question=question, parts=parts, per_file=broad and len(parts) <= 2, broad=broad)
