"""What a client can do with responses, chats and searches, in one small vocabulary, and what every door tells of it.

Requests and replies are JSON as the HTTP API has it; replies hold only what all doors tell, so that they can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

Json = dict[str, Any]
Events = AbstractContextManager[Iterator[Json]]  # leaving it before the last event is going away


class Refused(Exception):
    """A request that failed: as HTTP has it, whichever door it came through."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Door(Protocol):
    """Raises Refused."""

    name: str

    def ask(self, request: Json) -> Json: ...

    def stream(self, request: Json) -> Events: ...

    def follow(self, response_id: str, starting_after: int | None = None) -> Events: ...

    def get(self, response_id: str) -> Json: ...

    def list(self, *, status: str | None = None, limit: int | None = None, offset: int | None = None) -> Json: ...

    def cancel(self, response_id: str) -> Json: ...

    def delete(self, response_id: str) -> None: ...

    def chat(self, request: Json) -> Json: ...

    def stream_chat(self, request: Json) -> Events:
        """Of chunks."""
        ...

    def get_chat(self, chat_id: str) -> Json: ...

    def list_chats(self, *, limit: int | None = None, offset: int | None = None) -> Json: ...

    def delete_chat(self, chat_id: str) -> None: ...

    def search(self, request: Json) -> Json: ...

    def get_search(self, search_id: str) -> Json: ...

    def list_searches(self) -> Json: ...

    def close(self) -> None: ...


PLACE = ("item_id", "output_index", "content_index")
EVENT_FIELDS = {
    "response.created": ("response",),
    "response.in_progress": ("response",),
    "response.output_item.added": ("output_index", "item"),
    "response.content_part.added": (*PLACE, "part"),
    "response.output_text.delta": (*PLACE, "delta"),
    "response.output_text.annotation.added": (*PLACE, "annotation_index", "annotation"),
    "response.output_text.done": (*PLACE, "text"),
    "response.content_part.done": (*PLACE, "part"),
    "response.function_call_arguments.delta": ("item_id", "output_index", "delta"),
    "response.function_call_arguments.done": ("item_id", "output_index", "arguments"),
    "response.output_item.done": ("output_index", "item"),
    "response.completed": ("response",),
    "response.cancelled": ("response",),
    "error": ("error",),
}
RESPONSE_FIELDS = ("id", "status", "created_at", "model", "metadata")
ITEM_FIELDS = {
    "message": ("type", "id", "status", "role"),
    "function_call": ("type", "id", "status", "call_id", "name", "arguments"),
    "cloudglue_query_call": ("type", "id", "status", "sql", "row_count", "total_rows", "truncated", "error"),
}
RICH = ("relevant_sources", "visual_scene_description", "scene_text", "speech", "audio_description")
CITATION_FIELDS = ("file_id", "segment_id", "start_time", "end_time", "context")
USAGE_FIELDS = ("input_tokens", "output_tokens", "total_tokens")
CHAT_USAGE_FIELDS = ("prompt_tokens", "completion_tokens", "total_tokens")
VALUE_NAMES = ("valueText", "valueTextArray")
SEARCH_FIELDS = ("id", "query", "scope", "search_modalities", "total", "limit")
RESULT_FIELDS = ("file_id", "collection_id", "segment_id", "score", "start_time", "end_time", "title", "filename")


def told_event(event: Json) -> Json:
    kind = event["type"]
    value = {"type": kind, "sequence_number": event["sequence_number"]}
    value |= {name: event[name] for name in EVENT_FIELDS[kind]}
    tell = {
        "response": told_response,
        "item": told_item,
        "part": told_part,
        "annotation": told_citation,
        "error": told_error,
    }
    return {name: tell[name](part) if name in tell else part for name, part in value.items()}


def told_response(body: Json) -> Json:
    """Lists have neither output nor error."""
    usage = body.get("usage")
    return {
        **{name: body.get(name) for name in RESPONSE_FIELDS},
        "instructions": body.get("instructions") or None,
        "output": [told_item(item) for item in body.get("output") or ()],
        "usage": {name: usage[name] for name in USAGE_FIELDS} if usage else None,
        "error": told_error(body["error"]) if body.get("error") else None,
        "incomplete_details": body.get("incomplete_details"),
        "previous_response_id": body.get("previous_response_id") or None,
        "background": body["background"],
    }


def told_error(error: Json) -> Json:
    return {name: error[name] for name in ("message", "type", "code")}


def told_item(item: Json) -> Json:
    if item["type"] == "reasoning":  # a query call, as it is told to clients that are not Cloudglue's
        assert [part["text"] for part in item["summary"]] == [item["sql"]]
        status = "completed" if item["status"] == "completed" else "failed"
        item = {**item, "type": "cloudglue_query_call", "status": status}
    value = {name: item.get(name) for name in ITEM_FIELDS[item["type"]]}
    if item["type"] == "message":
        value["content"] = [told_part(part) for part in item["content"]]
    return value


def told_part(part: Json) -> Json:
    return {
        "type": part["type"],
        "text": part["text"],
        "annotations": [told_citation(item) for item in part["annotations"]],
    }


def told_citation(citation: Json) -> Json:
    value = {name: citation[name] for name in CITATION_FIELDS}
    value["collection_id"] = citation.get("collection_id") or None
    return value | {name: list(citation.get(name) or ()) for name in RICH}


def told_list(body: Json) -> Json:
    return {"data": [told_response(item) for item in body["data"]], "total": body["total"]}


def told_chat(body: Json) -> Json:
    """Lists have no citations."""
    (choice,), payload = body["choices"], body["payload"]
    messages = [{"role": message["role"], "content": message["content"]} for message in payload["messages"]]
    return {
        **{name: body.get(name) for name in ("id", "created_at", "model")},
        "message": _message(choice["message"]),
        "finish_reason": choice["finish_reason"],
        "citations": [_chat_citation(item) for item in choice.get("citations") or ()],
        "usage": {name: body["usage"][name] for name in CHAT_USAGE_FIELDS},
        "temperature": payload.get("temperature"),
        "messages": messages,
        "collections": list(payload.get("collections") or ()),
        "filter": _filter(payload.get("filter") or {}),
        "metadata": body.get("metadata") or {},
    }


def told_chunk(chunk: Json) -> Json:
    """One that tells of a failure has only that."""
    if chunk.get("error"):
        return {"error": {name: chunk["error"][name] for name in ("message", "code")}}
    choice = (chunk["choices"] or [{}])[0]
    usage = chunk.get("usage")
    return {
        "id": chunk["id"],
        "model": chunk["model"],
        "delta": _message(choice.get("delta") or {}),
        "finish_reason": choice.get("finish_reason") or None,
        "citations": [_chat_citation(item) for item in choice.get("citations") or ()],
        "usage": {name: usage[name] for name in CHAT_USAGE_FIELDS} if usage else None,
    }


def told_chats(body: Json) -> Json:
    return {"data": [told_chat(item) for item in body["data"]], "total": body["total"]}


def _message(message: Json) -> Json:
    calls = [
        {"id": call.get("id") or None, **{name: call["function"].get(name) or "" for name in ("name", "arguments")}}
        for call in message.get("tool_calls") or ()
    ]
    return {"role": message.get("role") or None, "content": message.get("content") or "", "tool_calls": calls}


def _chat_citation(citation: Json) -> Json:
    value = {name: citation[name] for name in CITATION_FIELDS}
    value["collection_id"] = citation.get("collection_id") or None
    return value | {name: [dict(part) for part in citation.get(name) or ()] for name in RICH}


def _filter(filter: Json) -> Json:
    names = ("path", "operator", *VALUE_NAMES)
    return {
        kind: [{name: item[name] for name in names if item.get(name)} for item in items]
        for kind, items in filter.items()
        if items
    }


def told_search(body: Json) -> Json:
    value = {name: body[name] for name in SEARCH_FIELDS}
    return value | {
        "group_by_key": body.get("group_by_key") or None,
        "results": [_result(item) for item in body["results"]],
    }


def _result(item: Json) -> Json:
    value = {name: item[name] for name in RESULT_FIELDS if item.get(name) not in (None, "")}
    if "score" in value:
        value["score"] = round(value["score"], 3)  # of words: it also depends on what else is stored
    if item["type"] == "segment_group":
        found = {"item_count": item["item_count"], "matched_items": [_result(part) for part in item["matched_items"]]}
        value = {"file_id": item["file_id"], **found}
    return {"type": item["type"], **value}
