"""What to look for before an answer is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from arcus.engine.v1 import engine_pb2 as pb

MAX_PARTS = 8


@dataclass(frozen=True)
class Plan:
    """Each part is searched by itself; `per_file` also searches every video by itself."""

    question: str  # as it reads without the conversation before it
    parts: tuple[str, ...]
    per_file: bool = False
    broad: bool = False  # about the whole of the videos rather than a fact in them
    queries: tuple[pb.Query, ...] = field(default=())
    answered_by_queries: bool = False
    form: str = ""  # what kind of answer is asked for; empty: not told
    language: str = "en"  # of the question, ISO 639-1

    @classmethod
    def from_message(cls, message: pb.PlanResponse) -> Plan:
        return cls(
            question=message.question,
            parts=tuple(dict.fromkeys(message.parts))[:MAX_PARTS] or (message.question,),
            per_file=message.per_file,
            broad=message.broad,
            queries=tuple(message.queries),
            answered_by_queries=message.answered_by_queries,
            form=message.form,
            language=message.language or "en",
        )
