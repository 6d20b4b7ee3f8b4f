"""A request for a chat completion: read from JSON and checked, and the request for an answer that it comes down to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from services.core.errors import invalid
from services.core.search.filters import SearchFilter
from services.core.store.plain_json import check_plain
from services.nimbus.requests.answer_format import read_chat_format
from services.nimbus.requests.knowledge_base import KnowledgeBase
from services.nimbus.requests.options import VERBOSITIES, Options
from services.nimbus.requests.responses import (
    MAX_MESSAGES,
    FunctionCall,
    Message,
    ResponseRequest,
    check_messages,
    read_include,
    read_message,
    read_metadata,
    read_model,
    read_temperature,
    read_text,
    read_token_limit,
    read_typed,
)
from services.nimbus.requests.tools import read_tool_choice, read_tools

# What would change the answer's form, or where it ends, and is not offered: (name, values that ask for nothing, advice).
REFUSED: tuple[tuple[str, tuple[Any, ...], str], ...] = (
    ("n", (1,), "n must be 1: one answer is given to a request"),
    ("stop", ([],), "stop is not offered; leave it out"),
    ("logprobs", (False,), "logprobs are not offered; leave logprobs out"),
    ("modalities", (["text"],), "modalities must be text alone"),
    ("audio", (), "audio is not offered; leave it out"),
    ("logit_bias", ({},), "logit_bias is not offered; leave it out"),
    ("web_search_options", (), "the web is not searched; leave web_search_options out"),
    ("functions", ([],), "functions is not offered; use tools"),
    ("function_call", (), "function_call is not offered; use tool_choice"),
    ("background", (False,), "background is not offered for chat completions; use /responses"),
)
MAX_FILTER_CHARACTERS = 262_144  # of JSON
PAYLOAD_ROLES = {"developer": "system", "user": "user", "assistant": "assistant"}  # those that Cloudglue's clients know


@dataclass(frozen=True)
class ChatRequest:
    """`payload` is what is told again of the request: messages, temperature, filter, collections."""

    asked: ResponseRequest  # which is not kept as a response: the completion is kept instead
    payload: dict[str, Any]
    store: bool = True
    include_usage: bool = False  # at the end of a stream
    include_citations: bool = True


def parse_chat(body: Any) -> ChatRequest:
    """Reads the body of POST /chat/completions. Raises INVALID_ARGUMENT naming the field. Unknown fields are ignored."""
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object")
    for name, harmless, advice in REFUSED:
        value = body.get(name)
        if value is not None and not any(type(value) is type(one) and value == one for one in harmless):
            raise invalid(advice, field=name)
    model = read_model(body)
    names, messages = _messages(body.get("messages"))
    tools = read_tools(_tools(body.get("tools")))
    temperature = read_temperature(body)
    limits = [read_token_limit(body, name) for name in ("max_completion_tokens", "max_tokens")]
    read_include(body.get("include"))  # the media descriptions are always in the citations
    read_typed(body, "force_search", bool)  # an answer is always made from what was searched
    store, cites = read_typed(body, "store", bool), read_typed(body, "include_citations", bool)
    options = read_typed(body, "stream_options", dict) or {}
    if not isinstance(options.get("include_usage"), bool | None):
        raise invalid("stream_options.include_usage must be true or false", field="stream_options.include_usage")
    verbosity = body.get("verbosity")
    if verbosity not in (None, *VERBOSITIES):
        raise invalid(f"verbosity must be one of: {', '.join(VERBOSITIES)}", field="verbosity")
    base = _knowledge_base(body)
    asked = ResponseRequest(
        model=model,
        messages=messages,
        temperature=temperature,
        max_output_tokens=next((limit for limit in limits if limit is not None), None),
        knowledge_base=base,
        tools=tools,
        tool_choice=read_tool_choice(_tool_choice(body.get("tool_choice")), tools),
        metadata=read_metadata(body),
        stream=read_typed(body, "stream", bool) or False,
        store=False,
        chat_citations=True,
        options=replace(
            Options.from_json({**body, "text": {"verbosity": verbosity}}),
            format=read_chat_format(body.get("response_format")),
        ),
    )
    payload = {
        "messages": [
            {"role": PAYLOAD_ROLES[message.role], "content": message.text, **({"name": name} if name else {})}
            for name, message in zip(names, messages, strict=True)
            if message.role in PAYLOAD_ROLES and message.text
        ],
        "temperature": temperature,
        "filter": body.get("filter"),
        "collections": list(base.collections) or None,
    }
    return ChatRequest(
        asked=asked,
        payload={name: value for name, value in payload.items() if value is not None},
        store=store is not False,
        include_usage=bool(options.get("include_usage")),
        include_citations=cites is not False,
    )


def _knowledge_base(body: dict[str, Any]) -> KnowledgeBase:
    """One collection, or everything where none is named."""
    filter = None
    if body.get("filter") is not None:
        check_plain(body["filter"], "filter", MAX_FILTER_CHARACTERS)  # it is told again as it came
        filter = SearchFilter.from_json(_filter(body["filter"]), field="filter")
    ids = body.get("collections")
    if ids is None:
        return KnowledgeBase(filter=filter)
    if not isinstance(ids, list) or len(ids) != 1 or not isinstance(ids[0], str) or not ids[0]:
        raise invalid("collections must be an array of exactly one id; /responses takes several", field="collections")
    return KnowledgeBase("collections", tuple(ids), filter=filter)


def _filter(value: Any) -> Any:
    """Chats name the value of In in valueText too, where all other filters have only valueTextArray."""
    if not isinstance(value, dict):
        return value
    return {kind: [_in(item) for item in items] if isinstance(items, list) else items for kind, items in value.items()}


def _in(item: Any) -> Any:
    named = isinstance(item, dict) and item.get("operator") == "In" and item.get("valueTextArray") is None
    return {**item, "valueTextArray": [item.get("valueText")]} if named else item


def _messages(value: Any) -> tuple[list[str | None], tuple[Message, ...]]:
    """(names of their authors, the messages)."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MESSAGES:
        raise invalid(f"messages must be an array of 1 to {MAX_MESSAGES} messages", field="messages")
    names, messages = [], []
    for index, item in enumerate(value):
        field = f"messages[{index}]"
        if not isinstance(item, dict):
            raise invalid(f"{field} must be an object with role and content", field=field)
        if not isinstance(item.get("name"), str | None):
            raise invalid(f"{field}.name must be a string", field=f"{field}.name")
        names.append(item.get("name"))
        messages.append(_message(item, field))
    check_messages(messages, "messages")
    return names, tuple(messages)


def _message(item: dict[str, Any], field: str) -> Message:
    if item.get("role") == "tool":
        text = read_message({**item, "role": "user"}, field).text
        return Message("tool", text, call_id=read_text(item, "tool_call_id", field))
    calls = item.get("tool_calls") if item.get("role") == "assistant" else None
    if not calls:
        return read_message(item, field)
    text = "" if item.get("content") is None else read_message(item, field).text
    return Message("assistant", text, _calls(calls, f"{field}.tool_calls"))


def _calls(value: Any, field: str) -> tuple[FunctionCall, ...]:
    calls = []
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        place = f"{field}[{index}]"
        function = item.get("function") if isinstance(item, dict) else None
        if not isinstance(function, dict):
            raise invalid(f"{place} must be an object with id and function", field=place)
        id = read_text(item, "id", place)
        calls.append(
            FunctionCall(id, *(read_text(function, name, f"{place}.function") for name in ("name", "arguments")))
        )
    return tuple(calls)


def _tools(value: Any) -> Any:
    """Functions in the form of /responses; what is none is left to be refused there."""
    if not isinstance(value, list):
        return value
    return [_flat(item) if isinstance(item, dict) else item for item in value]


def _tool_choice(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if isinstance(allowed := value.get("allowed_tools"), dict):
        return {**value, **allowed, "tools": _tools(allowed.get("tools"))}
    return _flat(value)


def _flat(item: dict[str, Any]) -> dict[str, Any]:
    function = item.get("function")
    return {"type": item.get("type"), **function} if isinstance(function, dict) else item
