"""A request that continues a stored response: the turns before it, and the knowledge base it goes on with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.core.answers.responses import Response, Responses
from services.core.errors import ArcusError, Reason, invalid
from services.nimbus.requests.responses import FunctionCall, Message, ResponseRequest, parse_request

MAX_TURNS = 200
MAX_CHARACTERS = 400_000


async def continued(responses: Responses, tenant_id: str, request: ResponseRequest) -> ResponseRequest:
    """The request with the conversation before it; as it is, where it continues none.

    Instructions belong to one response and are not taken over; the knowledge base is, where the request names none.
    Raises NOT_FOUND for a response that is not the tenant's, INVALID_ARGUMENT for one that is still being written.
    """
    if request.previous_response_id is None:
        return request
    try:
        previous = await responses.get(tenant_id, request.previous_response_id)
    except ArcusError as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
        raise ArcusError(
            Reason.NOT_FOUND, f"Response not found: {request.previous_response_id}", field="previous_response_id"
        ) from error
    if previous.status == "in_progress":
        raise invalid("The previous response is still in progress; wait for its end.", field="previous_response_id")
    turns: list[tuple[Message, ...]] = []
    knowledge_base = request.knowledge_base if request.names_knowledge_base else None
    size = 0
    async for earlier in responses.chain(previous, MAX_TURNS):
        asked = parse_request(earlier.request)
        if knowledge_base is None and asked.names_knowledge_base:
            knowledge_base = asked.knowledge_base
        turn = (*asked.messages, *_answered(earlier))
        size += sum(len(message.text) for message in turn)
        if size <= MAX_CHARACTERS:
            turns.append(turn)
        elif knowledge_base is not None:
            break
    messages = tuple(message for turn in reversed(turns) for message in turn) + request.messages
    if not any(message.role == "user" for message in messages):
        raise invalid("input must hold a message of the user", field="input")
    return replace(request, messages=messages, knowledge_base=knowledge_base or request.knowledge_base)


def part_text(part: dict[str, Any]) -> str:
    """Of a message's content: its words, or why it has none."""
    return part["refusal" if part["type"] == "refusal" else "text"]


def _answered(response: Response) -> list[Message]:
    turns = []
    for item in response.body["output"] or ():
        if item["type"] == "message":
            turns.append(Message("assistant", "\n".join(map(part_text, item["content"]))))
        elif item["type"] == "function_call":
            turns.append(Message("assistant", "", (FunctionCall(item["call_id"], item["name"], item["arguments"]),)))
    return turns
