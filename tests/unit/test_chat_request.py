"""Requests for a chat completion: what they ask of the answering path, and what is told of them again."""

from __future__ import annotations

from typing import Any

from services.core.search.filters import SearchFilter
from services.nimbus.requests.chats import ChatRequest, parse_chat
from services.nimbus.requests.knowledge_base import KnowledgeBase
from services.nimbus.requests.responses import FunctionCall, Message, parse_request

QUESTION = {"role": "user", "content": "What?"}


def parsed(*messages: dict[str, Any], **more: Any) -> ChatRequest:
    return parse_chat({"model": "nimbus-001", "messages": list(messages) or [QUESTION], **more})


def test_a_chat_without_collections_asks_of_everything_and_is_kept_as_a_chat_alone():
    request = parsed()
    assert request.asked.knowledge_base == KnowledgeBase("default")
    assert request.store and not request.asked.store and request.asked.chat_citations
    assert request.payload == {"messages": [QUESTION]}


def test_what_asks_for_nothing_is_no_problem():
    nothing = {"n": 1, "stop": None, "logprobs": False, "response_format": {"type": "text"}, "modalities": ["text"]}
    assert parsed(**nothing, functions=[], background=False, seed=1, reasoning_effort="low") == parsed()


def test_options_are_those_of_responses():
    options = {"top_p": 0.5, "parallel_tool_calls": False, "user": "u"}
    answer = parse_request({"model": "nimbus-001", "input": "What?", "text": {"verbosity": "low"}, **options})
    asked = parsed(verbosity="low", **options).asked
    assert asked.options == answer.options and asked.guidance == "Be brief."


def test_a_filter_means_what_it_means_elsewhere_and_in_may_name_one_text():
    array = {"file": [{"path": "id", "operator": "In", "valueTextArray": ["a"]}]}
    text = {"file": [{"path": "id", "operator": "In", "valueText": "a"}]}
    expected = KnowledgeBase("collections", ("c",), filter=SearchFilter.from_json(array))
    for filter in (array, text):
        request = parsed(collections=["c"], filter=filter)
        assert request.asked.knowledge_base == expected and request.payload["filter"] == filter


def test_turns_are_understood_and_only_those_with_text_are_told_again():
    call = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    request = parsed(
        {"role": "developer", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}]},
        {**QUESTION, "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "24"},
    )
    assert request.asked.messages == (
        Message("developer", "Be\nbrief."),
        Message("user", "What?"),
        Message("assistant", "", (FunctionCall("c", "look_up", "{}"),)),
        Message("tool", "24", call_id="c"),
    )
    assert request.asked.guidance == "Be\nbrief." and request.asked.question == "What?"
    assert request.payload["messages"] == [
        {"role": "system", "content": "Be\nbrief."},
        {"role": "user", "content": "What?", "name": "Ann"},
    ]


def test_functions_are_those_of_responses():
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    answer = {"model": "nimbus-001", "input": "What?", "tools": [{"type": "function", **function}]}
    tools = [{"type": "function", "function": function}]
    named = [{"type": "function", "function": {"name": "f"}}]
    for choice, flat in (
        ("required", "required"),
        (named[0], {"type": "function", "name": "f"}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": named}},
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        ),
    ):
        asked = parsed(tools=tools, tool_choice=choice).asked
        expected = parse_request({**answer, "tool_choice": flat})
        assert (asked.tools, asked.tool_choice) == (expected.tools, expected.tool_choice)


def test_the_newer_name_of_the_token_limit_counts():
    assert parsed(max_tokens=5).asked.max_output_tokens == 5
    assert parsed(max_tokens=5, max_completion_tokens=7).asked.max_output_tokens == 7
