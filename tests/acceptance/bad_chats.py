"""A table of chat completions that are wrong in one thing, as those of bad_requests.py."""

from __future__ import annotations

from typing import Any

from tests.acceptance.bad_searches import criterion

MODEL = "nimbus-001"
Json = dict[str, Any]


def chat(*messages: Any, **values: Any) -> Json:
    return {"model": MODEL, "messages": list(messages) or [{"role": "user", "content": "why?"}], **values}


def turn(role: Any = "user", content: Any = "why?", **values: Any) -> Json:
    return {"role": role, "content": content, **values}


CHAT = [
    ({}, "model"),
    (chat(model="gpt-4"), "model"),
    ({"model": MODEL}, "messages"),
    (chat(messages=[]), "messages"),
    (chat(messages="why?"), "messages"),
    (chat("why?"), "messages[0]"),
    (chat(turn("king")), "messages[0].role"),
    (chat(turn(["user"])), "messages[0].role"),
    (chat(turn(content=None)), "messages[0].content"),
    (chat(turn(content=[{"type": "image_url"}])), "messages[0].content[0]"),
    (chat(turn(name=5)), "messages[0].name"),
    (chat(turn(content=" ")), "messages must end"),
    (chat(turn(), turn("assistant", "because")), "messages must end"),
    (chat(turn("tool", "24", tool_call_id="c")), "messages must hold a message of the user"),
    (chat(turn(), turn("tool", "24")), "messages[1].tool_call_id"),
    (chat(turn(), turn("assistant", None, tool_calls=[{}])), "messages[1].tool_calls[0]"),
    (chat(turn(), turn("assistant", None, tool_calls="all")), "messages[1].tool_calls"),
    (
        chat(turn(), turn("assistant", None, tool_calls=[{"id": "c", "function": {"name": "f"}}])),
        "messages[1].tool_calls[0].function.arguments",
    ),
    (chat(turn(content="x" * 400_001)), "messages has more than"),
    (chat(collections=[]), "collections"),
    (chat(collections="x"), "collections"),
    (chat(collections=["{collection_id}", "{collection_id}"]), "exactly one"),
    (chat(collections=[5]), "collections"),
    (chat(temperature=2.1), "temperature"),
    (chat(temperature="hot"), "temperature"),
    (chat(max_tokens=0), "max_tokens"),
    (chat(max_completion_tokens=1.5), "max_completion_tokens"),
    (chat(stream="yes"), "stream"),
    (chat(stream_options=True), "stream_options"),
    (chat(stream_options={"include_usage": 1}), "stream_options.include_usage"),
    (chat(store=1), "store"),
    (chat(metadata=[]), "metadata"),
    (chat(metadata={"a": "x" * 70_000}), "metadata"),
    (chat(filter={"file": [], "unknown": "x" * 300_000}), "filter"),
    (chat(tools={}), "tools"),
    (chat(tools=[{"type": "function", "function": {}}]), "tools[0]"),
    (chat(tool_choice={"type": "function", "function": {"name": "f"}}), "tool_choice"),
    (chat(include=["cloudglue_citations.media"]), "include"),
    (chat(include_citations="no"), "include_citations"),
    (chat(force_search=1), "force_search"),
    (chat(n=2), "n must be 1"),
    (chat(n=True), "n must be 1"),
    (chat(stop=["."]), "stop"),
    (chat(logprobs=True), "logprobs"),
    (chat(response_format={"type": "xml"}), "response_format.type"),
    (chat(response_format={"type": "json_schema"}), "response_format.json_schema"),
    (
        chat(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "string"}}}),
        "response_format.json_schema.schema.type",
    ),
    (chat(tool_choice="required"), "tool_choice"),
    (chat(modalities=["text", "audio"]), "modalities"),
    (chat(audio={"voice": "x"}), "audio"),
    (chat(verbosity="loud"), "verbosity"),
    (chat(top_p=2), "top_p"),
    (chat(presence_penalty=1), "presence_penalty"),
    (chat(parallel_tool_calls="no"), "parallel_tool_calls"),
    (chat(logit_bias={"5": 1}), "logit_bias"),
    (chat(web_search_options={}), "web_search_options"),
    (chat(functions=[{"name": "f"}]), "functions"),
    (chat(function_call="auto"), "function_call"),
    (chat(background=True), "background"),
    (chat(filter=[]), "filter"),
    (chat(filter={"file": "all"}), "filter.file"),
    (chat(filter={"file": [{"path": "id", "operator": "In"}]}), "valueTextArray"),
    (chat(filter=criterion(operator="Near")), "filter.metadata[0].operator"),
]
