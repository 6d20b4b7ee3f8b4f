"""Requests for an answer: every easy form is understood, every problem names its field."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.core.errors import ArcusError, Reason
from services.nimbus.requests.responses import parse_request

GOOD = {"model": "nimbus-001", "input": "What?"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": "gpt"}, "model"),
        ({"model": None}, "model"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"role": "assistant", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, "input"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": True}, "max_output_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"instructions": 1}, "instructions"),
        ({"include": "all"}, "include"),
        ({"include": ["cloudglue_citations.everything"]}, "include"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"background": "yes"}, "background"),
        ({"background": True, "store": False}, "store"),
        ({"previous_response_id": 5}, "previous_response_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]}, "input"),
        ({"input": [{"type": "function_call_output", "output": "1"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": ""}]}, "input[0].name"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "tools": [{"type": "function", "name": "f"}]}}, "tool_choice.tools"),
        ({"tool_choice": {"type": "allowed_tools", "tools": []}}, "tool_choice.tools"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "some", "tools": []}}, "tool_choice.mode"),
        ({"tools": [{"type": "function", "name": "f", "strict": "yes"}]}, "tools[0].strict"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"knowledge_base": []}, "knowledge_base"),
        ({"knowledge_base": {"source": "moon"}}, "knowledge_base.source"),
        ({"knowledge_base": {"collections": []}}, "knowledge_base.collections"),
        ({"knowledge_base": {"source": "files", "files": [1]}}, "knowledge_base.files"),
        (
            {"model": "nimbus-002-preview", "knowledge_base": {"type": "entity_backed_knowledge"}},
            "knowledge_base.entity_backed_knowledge_config",
        ),
        (
            {
                "knowledge_base": {
                    "type": "entity_backed_knowledge",
                    "entity_backed_knowledge_config": {"entity_collections": [{"collection_id": "e"}]},
                }
            },
            "knowledge_base.type",
        ),
    ],
)
def test_a_bad_request_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ArcusError) as caught:
        parse_request({**GOOD, **change})
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert caught.value.field == field
    assert caught.value.message


@pytest.mark.parametrize(
    "input",
    [
        "What?",
        [{"role": "user", "content": "What?"}],
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What?"}]}],
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]},
            {"role": "user", "content": "What?"},
        ],
    ],
)
def test_every_easy_form_of_input_is_understood(input: Any) -> None:
    assert parse_request({**GOOD, "input": input}).question == "What?"


def test_developer_messages_join_the_instructions() -> None:
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "What?"}]
    request = parse_request({**GOOD, "input": messages, "instructions": "Use bullets."})
    assert request.guidance == "Use bullets.\nBe brief."


def test_without_a_knowledge_base_the_default_is_asked() -> None:
    assert parse_request(GOOD).knowledge_base.source == "default"


def test_unknown_fields_are_ignored() -> None:
    assert parse_request({**GOOD, "colour": {"of": "low"}, "include": ["reasoning.encrypted_content"]})


def test_unknown_fields_are_not_kept() -> None:
    """Wherever they stand; what is kept reads as the same request."""
    junk = {"junk": ["junk"] * 3}
    criterion = {"path": "speaker", "operator": "Equal", "valueText": "Ann"}
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "18", **junk}]}
    base = {"collections": ["c"], "filter": {"metadata": [{**criterion, **junk}]}, **junk}
    body = {
        **GOOD,
        **junk,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Warm?", **junk}], **junk}, call, output],
        "knowledge_base": base,
        "tools": [{"type": "function", "name": "f", **junk}],
        "text": {"verbosity": "low", **junk},
        "reasoning": {"effort": "low", **junk},
        "include": ["junk", "cloudglue_citations.media_descriptions"],
        "metadata": {"mine": "kept"},
    }
    asked = parse_request(body)
    assert "junk" not in json.dumps(asked.sent)
    again = parse_request(asked.sent)
    assert replace(again, include=asked.include) == asked
    assert again.knowledge_base.filter and again.metadata == {"mine": "kept"} and again.options.verbosity == "low"


@pytest.mark.parametrize("name", [{}, [], None, 5, "g"])
def test_a_choice_that_names_no_function_is_refused(name: Any) -> None:
    body = {**GOOD, "tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": name}}
    with pytest.raises(ArcusError) as caught:
        parse_request(body)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "tool_choice")


def test_tools_are_told_with_every_field() -> None:
    (tool,) = parse_request({**GOOD, "tools": [{"type": "function", "name": "f"}]}).tools
    assert tool == {"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}


@pytest.mark.parametrize(
    ("choice", "offered", "mode"),
    [
        (None, ["f", "g"], "auto"),
        ("required", ["f", "g"], "required"),
        ("none", [], "none"),
        ({"type": "function", "name": "g"}, ["f", "g"], "g"),
        ({"type": "allowed_tools", "tools": [{"type": "function", "name": "g"}]}, ["g"], "auto"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ["f"],
            "required",
        ),
    ],
)
def test_the_model_is_offered_what_the_choice_allows(choice: Any, offered: list[str], mode: str) -> None:
    tools = [{"type": "function", "name": name} for name in ("f", "g")]
    request = parse_request({**GOOD, "tools": tools, "tool_choice": choice})
    assert ([tool["name"] for tool in request.offered_tools], request.tool_mode) == (offered, mode)


def test_a_knowledge_base_may_leave_its_source_and_type_null():
    base = {"source": None, "type": None, "collections": ["c"]}
    asked = parse_request({"model": "nimbus-001", "input": "why?", "knowledge_base": base})
    assert (asked.knowledge_base.source, asked.knowledge_base.collections) == ("collections", ("c",))


QUESTION = {"role": "user", "content": "What?"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    "input",
    [
        [QUESTION, {"role": "developer", "content": "Be brief."}],
        [QUESTION, {"role": "system", "content": [{"type": "input_text", "text": "Be brief."}]}],
        [QUESTION, CALL, {"type": "function_call_output", "call_id": "c", "output": []}],
        [QUESTION, CALL, {"type": "function_call_output", "call_id": "c", "output": ""}],
        [{"type": None, **QUESTION}],
        [QUESTION, {"type": "item_reference", "id": "msg_1"}],
        [QUESTION, {"id": "msg_1"}],
        [QUESTION, {"type": None, "id": "msg_1"}, QUESTION],
    ],
)
def test_forms_that_openai_takes_are_taken(input: list[Any]):
    request = parse_request({**GOOD, "input": input})
    assert request.question == "What?"
    assert request.references == tuple(item["id"] for item in input if "id" in item)


@pytest.mark.parametrize(
    ("input", "field"),
    [
        ([{"role": "developer", "content": "Be brief."}], "input"),
        ([QUESTION, {"type": "item_reference"}], "input[1].id"),
        ([QUESTION, {"type": "item_reference", "id": 5}], "input[1].id"),
        ([QUESTION, {"type": "item_reference", "id": "x" * 201}], "input[1].id"),
        ([QUESTION, {"type": "web_search_call", "id": "ws_1"}], "input[1].type"),
        ([QUESTION, {"type": "of_the_future"}], "input[1].type"),
        (
            [QUESTION, CALL, {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image"}]}],
            "input[2].output[0].type",
        ),
        ([QUESTION, CALL, {"type": "function_call_output", "call_id": "c", "output": {}}], "input[2].output"),
    ],
)
def test_items_that_can_not_be_read_are_named(input: list[Any], field: str):
    with pytest.raises(ArcusError) as refusal:
        parse_request({**GOOD, "input": input})
    assert (refusal.value.reason, refusal.value.field) == (Reason.INVALID_ARGUMENT, field)
