"""Plans a question without a language model: sub-questions, and whether each video is to be asked on its own."""

from __future__ import annotations

import re

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.followups import standalone
from services.core.questions import is_broad

MAX_PARTS = 6

_SPLIT = re.compile(
    r"\?\s+|;\s*|\.\s+(?=[A-Z])|,?\s+and (?=(?:what|when|where|who|why|how|which|is|are|does|do|did)\b)", re.I
)
_COMPARE = re.compile(
    r"\b(?:compare|contrast|difference between|differences between)\b\s*(.+?)\s+(?:and|with|to|versus|vs\.?)\s+(.+)",
    re.I,
)


def plan(request: pb.PlanRequest) -> pb.PlanResponse:
    """Deterministic. At most MAX_PARTS parts."""
    question = standalone(request.messages)
    broad = is_broad(question)
    if not request.decompose:
        return pb.PlanResponse(question=question, parts=[question], broad=broad)
    compared = _COMPARE.search(question)
    pieces = [piece.strip(" ?.!") for piece in _SPLIT.split(question)]
    parts = [piece for piece in pieces if len(piece.split()) >= 2]
    if compared:
        parts = [side.strip(" ?.!") for side in compared.groups()]
    if len(parts) < 2:
        parts = [question.strip()]
    parts = list(dict.fromkeys(parts))[:MAX_PARTS]
    return pb.PlanResponse(question=question, parts=parts, per_file=broad or bool(compared), broad=broad)
