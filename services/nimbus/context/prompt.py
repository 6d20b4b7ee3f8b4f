"""What is put before the model: numbered sources within the token budget, and the conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

from services.core.errors import invalid
from services.nimbus.context.plan import Plan
from services.nimbus.context.retrieval import FoundSegment
from services.nimbus.requests.responses import Message, ResponseRequest

CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English


def tokens_in(*texts: str) -> int:
    return -(-sum(map(len, texts)) // CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class Evidence:
    """What was found for one part of a question, best first."""

    question: str
    found: tuple[FoundSegment, ...]


@dataclass(frozen=True)
class Prompt:
    request: pb.GenerateRequest
    sources: dict[int, FoundSegment]  # by the number that the model cites


def build_prompt(
    request: ResponseRequest,
    plan: Plan,
    evidence: Sequence[Evidence],
    *,
    request_id: str,
    tenant_id: str,
    max_output_tokens: int,
    context_tokens: int,
    conversation_tokens: int,
    embedder: str = "",
) -> Prompt:
    """Numbers segments by first appearance; a segment found for two parts keeps its number.

    When the budget is short, every part gets its best sources before any gets its second best.
    """
    numbers: dict[str, int] = {}
    sources: dict[int, FoundSegment] = {}
    rows: list[pb.Source] = []
    budget = context_tokens * CHARACTERS_PER_TOKEN
    depth = max((len(item.found) for item in evidence), default=0)
    for rank in range(depth):
        for part, item in enumerate(evidence):
            if rank >= len(item.found):
                continue
            found = item.found[rank]
            size = sum(len(passage.text) for passage in found.passages)
            if budget < size and rows:
                continue
            budget -= size
            key = f"{found.description_id}/{found.segment.id}"
            number = numbers.setdefault(key, len(numbers) + 1)
            sources.setdefault(number, found)
            rows.append(_source(number, part, found))
    message = pb.GenerateRequest(
        request_id=request_id,
        tenant_id=tenant_id,
        model=request.model,
        instructions=request.guidance,
        messages=conversation(request.messages, conversation_tokens),
        sources=rows,
        max_output_tokens=max_output_tokens,
        parts=[item.question for item in evidence],
        broad=plan.broad,
        per_file=plan.per_file,
        question=plan.question,
        embedder=embedder,
        form=plan.form,
        language=plan.language,
        json_schema=request.options.format.engine_schema,
    )
    message.temperature = request.sampling_temperature
    if request.options.top_p is not None:
        message.top_p = request.options.top_p
    if request.offered_tools and request.tool_mode != "none":
        message.tools.extend(_tool(tool) for tool in request.offered_tools)
        message.tool_choice = request.tool_mode
        message.max_tool_calls = request.options.most_tool_calls
    return Prompt(message, sources)


def conversation(messages: Sequence[Message], budget_tokens: int) -> list[pb.Message]:
    """The turns that fit the budget, oldest first. The oldest are left out first; the last question never is."""
    turns = [message for message in messages if message.role != "developer"]
    last = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=0)
    left = budget_tokens * CHARACTERS_PER_TOKEN - sum(map(_size, turns[last:]))
    first = last
    while first and (left := left - _size(turns[first - 1])) >= 0:
        first -= 1
    while first < last and turns[first].role != "user":  # an answer without its question says nothing
        first += 1
    return [
        pb.Message(
            role=turn.role,
            text=turn.text,
            tool_call_id=turn.call_id,
            tool_calls=[pb.ToolCall(id=call.call_id, name=call.name, arguments=call.arguments) for call in turn.calls],
            pictures=turn.pictures if index >= last else (),
        )
        for index, turn in enumerate(turns[first:], first)
    ]


def check_length(messages: Sequence[Message], budget_tokens: int) -> None:
    """Raises INVALID_ARGUMENT where turns would be left out."""
    size = sum(_size(message) for message in messages if message.role != "developer")
    if size > budget_tokens * CHARACTERS_PER_TOKEN:
        raise invalid(
            f"input is longer than {budget_tokens} tokens with the conversation before it: shorten it, or let truncation "
            "be auto, which leaves out the oldest turns",
            field="input",
        )


def _size(message: Message) -> int:
    return len(message.text) + sum(len(call.name) + len(call.arguments) for call in message.calls)


def _tool(tool: dict[str, Any]) -> pb.Tool:
    return pb.Tool(
        name=tool["name"],
        description=tool.get("description") or "",
        parameters=json.dumps(tool.get("parameters") or {"type": "object", "properties": {}}),
    )


def _source(number: int, part: int, found: FoundSegment) -> pb.Source:
    return pb.Source(
        number=number,
        part=part,
        file_id=found.file.id,
        segment_id=found.segment.id,
        filename=found.file.filename,
        start_time=found.segment.start_time,
        end_time=found.segment.end_time,
        passages=[
            pb.Passage(
                kind=passage.kind,
                text=passage.text,
                start_time=passage.start_time,
                end_time=passage.end_time,
                score=passage.score,
            )
            for passage in found.passages
        ],
    )
