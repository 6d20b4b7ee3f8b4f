"""Fields of OpenAI's clients: honoured, told again, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from services.core.errors import ArcusError, Reason
from services.nimbus.answers.events import opening_body
from services.nimbus.requests.options import Options
from services.nimbus.requests.responses import ResponseRequest, parse_request

GOOD = {"model": "nimbus-001", "input": "What?"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"top_p": 2}, "top_p"),
        ({"top_p": "all"}, "top_p"),
        ({"top_p": True}, "top_p"),
        ({"truncation": "middle"}, "truncation"),
        ({"text": "plain"}, "text"),
        ({"text": {"verbosity": "extreme"}}, "text.verbosity"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}}, "text.format.schema.type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"max_tool_calls": 0}, "max_tool_calls"),
        ({"reasoning": "much"}, "reasoning"),
        ({"reasoning": {"effort": "extreme"}}, "reasoning.effort"),
        ({"reasoning": {"summary": True}}, "reasoning.summary"),
        ({"service_tier": "gold"}, "service_tier"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": "x"}, "frequency_penalty"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"user": 7}, "user"),
        ({"safety_identifier": "x" * 65}, "safety_identifier"),
        ({"prompt_cache_key": "x" * 65}, "prompt_cache_key"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
    ],
)
def test_what_is_wrong_or_not_supported_is_refused_by_name(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ArcusError) as caught:
        parse_request({**GOOD, **change})
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, field)


def test_null_is_as_good_as_nothing() -> None:
    names = ("top_p", "truncation", "text", "parallel_tool_calls", "max_tool_calls", "reasoning", "service_tier")
    more = ("presence_penalty", "frequency_penalty", "top_logprobs", "user", "conversation", "prompt")
    assert Options.from_json(dict.fromkeys((*names, *more))) == Options()


def told(**change: Any) -> dict[str, Any]:
    return opening_body(parse_request({**GOOD, **change}), "r", 0)


def test_what_was_asked_for_is_told_again() -> None:
    asked = {
        "top_p": 0.5,
        "truncation": "disabled",
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "parallel_tool_calls": False,
        "max_tool_calls": 3,
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "temperature": 0,
        "metadata": {"a": "b"},
    }
    body = told(**asked)
    assert {name: body[name] for name in asked} == asked


def test_what_was_used_is_told_where_nothing_was_asked_for() -> None:
    body = told()
    used = {
        "temperature": 0.7,
        "top_p": 1.0,
        "truncation": "auto",
        "parallel_tool_calls": True,
        "service_tier": "default",
    }
    assert {name: body[name] for name in used} == used
    assert told(model="nimbus-002-preview")["temperature"] == 1.0
    hints = told(reasoning={"effort": "high", "summary": "auto"}, service_tier="priority")
    assert hints["reasoning"] == {"effort": None, "summary": None} and hints["service_tier"] == "default"


@pytest.mark.parametrize(
    ("change", "most"),
    [
        ({}, 0),
        ({"max_tool_calls": 4}, 4),
        ({"parallel_tool_calls": False}, 1),
        ({"parallel_tool_calls": False, "max_tool_calls": 4}, 1),
    ],
)
def test_calls_are_limited_as_asked(change: dict[str, Any], most: int) -> None:
    assert Options.from_json(change).most_tool_calls == most


def test_verbosity_joins_the_guidance() -> None:
    def guidance(verbosity: str) -> str:
        request: ResponseRequest = parse_request(
            {**GOOD, "instructions": "Use bullets.", "text": {"verbosity": verbosity}}
        )
        return request.guidance

    assert guidance("medium") == "Use bullets."
    assert guidance("low") == "Use bullets.\nBe brief."
