"""The Open Responses specification (openresponses.org, release 2026-04-24) as checks, and requests that it covers.

Its schema is read from openresponses-types, which is generated from it; the cases are those of its acceptance suite.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import openresponses_types as spec
from pydantic import BaseModel

Json = dict[str, Any]
EVENTS: dict[str, type[BaseModel]] = {
    next(iter(model.model_fields["type"].annotation)).value: model
    for name, model in vars(spec).items()
    if name.endswith("StreamingEvent")
}
CITATION = {"type", "file_id", "filename", "index", "segment_id", "start_time", "end_time", "context"}
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather at a place.",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
}


@dataclass(frozen=True)
class Case:
    """A request and what its response must hold. `call`: the function that an engine which can must call."""

    name: str
    request: Json
    call: str = ""

    def body(self, model: str) -> Json:
        return {"model": model, **copy.deepcopy(self.request)}


def user(text: Any) -> Json:
    return {"type": "message", "role": "user", "content": text}


CASES = (
    Case("basic", {"input": [user("Say hello in three words.")]}),
    Case("text-input", {"input": "Say hello in three words."}),
    Case("content-parts", {"input": [user([{"type": "input_text", "text": "Say hello in three words."}])]}),
    Case(
        "system-prompt",
        {"input": [{"type": "message", "role": "system", "content": "Talk like a sailor."}, user("Say hello.")]},
    ),
    Case(
        "image-input",
        {
            "input": [
                user([{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": PICTURE}])
            ]
        },
    ),
    Case("instructions", {"instructions": "Answer in one sentence.", "input": "Say hello."}),
    Case(
        "multi-turn",
        {
            "input": [
                user("I am called Alice."),
                {"type": "message", "role": "assistant", "content": "Hello Alice, how can I help?"},
                user("What am I called?"),
            ]
        },
    ),
    Case(
        "assistant-phase",
        {
            "input": [
                {"type": "message", "role": "assistant", "phase": "commentary", "content": "I look up the number."},
                {"type": "message", "role": "assistant", "phase": "final_answer", "content": "It is four."},
                user("Repeat the number."),
            ]
        },
    ),
    Case("tool-calling", {"input": [user("What is the weather in Zürich?")], "tools": [WEATHER]}, call="get_weather"),
    Case(
        "tool-choice",
        {
            "input": "What is the weather in Zürich?",
            "tools": [WEATHER, {"type": "function", "name": "other"}],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "get_weather"}],
            },
            "parallel_tool_calls": False,
        },
        call="get_weather",
    ),
    Case(
        "every-option",
        {
            "input": "Say hello.",
            "metadata": {"purpose": "test"},
            "temperature": 0.5,
            "top_p": 0.9,
            "max_output_tokens": 500,
            "max_tool_calls": 3,
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "top_logprobs": 0,
            "truncation": "auto",
            "service_tier": "auto",
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "safety_identifier": "someone",
            "prompt_cache_key": "a-key",
            "stream_options": {"include_obfuscation": False},
            "store": True,
            "background": False,
        },
    ),
)
REFUSED = (  # what a server of text answers may refuse, and the field that it must name
    (
        Case("file-input", {"input": [user([{"type": "input_file", "filename": "a.pdf", "file_data": "JVBERg=="}])]}),
        "input[0].content[0].type",
    ),
    (
        Case(
            "json-schema",
            {"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}},
        ),
        "text.format.schema",
    ),
    (Case("item-reference", {"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0].id"),
    (Case("penalty", {"input": "x", "presence_penalty": 1}), "presence_penalty"),
    (Case("logprobs", {"input": "x", "include": ["message.output_text.logprobs"]}), "include"),
)


def check_request(body: Json) -> None:
    """The cases themselves fit the schema of requests."""
    spec.CreateResponseBody.model_validate_json(json.dumps(body))


def check_response(body: Json) -> Json:
    spec.ResponseResource.model_validate_json(json.dumps(_without_citations(body)), strict=True)
    return body


@dataclass
class Stream:
    """Reads the lines of a stream as the specification has them, checks each event, and keeps what they add up to."""

    events: list[Json] = field(default_factory=list)
    items: list[Json] = field(default_factory=list)

    def read(self, text: str) -> Json:
        """The response that the last event holds."""
        *blocks, rest = text.split("\n\n")
        assert rest == "" and blocks[-1] == "data: [DONE]"
        for block in blocks[:-1]:
            name, data = block.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            assert event["sequence_number"] == len(self.events)
            EVENTS[event["type"]].model_validate_json(json.dumps(_without_citations(event)), strict=True)
            self._apply(event)
            self.events.append(event)
        assert [event["type"] for event in self.events[:2]] == ["response.created", "response.in_progress"]
        final = self.events[-1]
        assert final["type"] == "response.completed" and final["response"]["output"] == self.items
        return check_response(final["response"])

    def _apply(self, event: Json) -> None:
        """Items are added before they change, content before its text, and nothing changes once it is done."""
        if "output_index" not in event:
            return
        index = event["output_index"]
        if event["type"] == "response.output_item.added":
            assert index == len(self.items) and event["item"]["status"] == "in_progress"
            self.items.append(copy.deepcopy(event["item"]))
            return
        item = self.items[index]
        assert item["status"] == "in_progress" and event.get("item_id", item["id"]) == item["id"]
        match event["type"]:
            case "response.content_part.added":
                assert event["content_index"] == len(item["content"])
                item["content"].append(copy.deepcopy(event["part"]))
            case "response.output_text.delta":
                item["content"][event["content_index"]]["text"] += event["delta"]
            case "response.output_text.annotation.added":
                item["content"][event["content_index"]]["annotations"].append(event["annotation"])
            case "response.output_text.done":
                assert event["text"] == item["content"][event["content_index"]]["text"]
            case "response.content_part.done":
                assert event["part"] == item["content"][event["content_index"]]
            case "response.function_call_arguments.delta":
                item["arguments"] += event["delta"]
            case "response.function_call_arguments.done":
                assert event["arguments"] == item["arguments"]
            case "response.output_item.done":
                assert event["item"] == item | {"status": "completed"}
                self.items[index] = event["item"]
            case other:
                raise AssertionError(f"{other} is not expected")


def _without_citations(value: Json) -> Json:
    """The specification knows citations of web pages alone. Those of files are OpenAI's: they are checked here, and set aside."""
    value = copy.deepcopy(value)
    if value.get("type") == "response.output_text.annotation.added":
        _check_citation(value["annotation"])
        value["annotation"] = None
    for part in _parts(value):
        for annotation in part["annotations"]:
            _check_citation(annotation)
        part["annotations"] = []
    return value


def _check_citation(annotation: Json) -> None:
    assert annotation["type"] == "file_citation" and annotation.keys() >= CITATION, annotation


def _parts(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        if value.get("type") == "output_text":
            yield value
        for inner in value.values():
            yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


def post(http: httpx.Client, body: Json) -> httpx.Response:
    check_request(body)
    return http.post("/responses", json=body)


def answer(http: httpx.Client, body: Json, *, stream: bool) -> Json:
    reply = post(http, {**body, "stream": stream})
    assert reply.status_code == 200, reply.text
    if stream:
        assert reply.headers["content-type"].partition(";")[0] == "text/event-stream"
        return Stream().read(reply.text)
    assert reply.headers["content-type"] == "application/json"
    return check_response(reply.json())


def check_answer(case: Case, body: Json, response: Json, *, can_call: bool) -> None:
    assert response["status"] == "completed" and response["output"] and response["error"] is None
    assert response["created_at"] <= response["completed_at"]
    kinds = [item["type"] for item in response["output"]]
    assert ("function_call" in kinds) == bool(can_call and case.call), kinds
    for item in response["output"]:
        if item["type"] == "function_call":
            assert item["name"] == case.call and item["call_id"] and json.loads(item["arguments"])
    told = set(body) - {"input", "stream", "stream_options", "instructions", "tools", "reasoning", "service_tier"}
    for name in told:
        assert response[name] == body[name], name
    assert [tool["name"] for tool in response["tools"]] == [tool["name"] for tool in body.get("tools", ())]
