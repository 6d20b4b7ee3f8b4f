"""The form of an answer as requests ask for it: read alike from responses and chats, told again, refused by its field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.core.errors import ArcusError, Reason
from services.nimbus.requests.answer_format import AnswerFormat, read_chat_format, read_format
from services.nimbus.requests.responses import parse_request

SCHEMA = {
    "type": "object",
    "properties": {"speed": {"type": "number", "description": "km/h"}, "place": {"$ref": "#/$defs/Place"}},
    "required": ["speed"],
    "additionalProperties": False,
    "$defs": {"Place": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}
NAMED = {"name": "Train", "schema": SCHEMA, "strict": True, "description": "How fast."}


def test_responses_and_chats_mean_the_same_by_it() -> None:
    read = read_format({"type": "json_schema", **NAMED})
    assert read == read_chat_format({"type": "json_schema", "json_schema": NAMED})
    assert read.told() == {"type": "json_schema", **NAMED}
    assert json.loads(read.engine_schema) == {"description": "How fast.", **SCHEMA}


@pytest.mark.parametrize("read", [read_format, read_chat_format])
def test_text_and_any_object_need_no_more_than_their_type(read: Any) -> None:
    assert read(None) == read({"type": "text"}) == AnswerFormat()
    assert AnswerFormat().engine_schema == ""
    assert read({"type": "json_object"}).engine_schema == "{}"
    assert read({"type": "json_object"}).told() == {"type": "json_object"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "xml"}, "type"),
        ({"type": None}, "type"),
        ({"name": None}, "name"),
        ({"name": "two words"}, "name"),
        ({"name": "n" * 65}, "name"),
        ({"description": 7}, "description"),
        ({"strict": "yes"}, "strict"),
        ({"schema": None}, "schema"),
        ({"schema": {}}, "schema.type"),
        ({"schema": {"type": "array", "items": {"type": "string"}}}, "schema.type"),
        ({"schema": {"type": "object", "properties": {"a": {"type": "text"}}}}, "schema.properties.a.type"),
        ({"schema": {"type": "object", "properties": {"a": {"not": {}}}}}, "schema.properties.a.not"),
        ({"schema": {"type": "object", "properties": {"a": {"$ref": "#"}}}}, "schema.properties.a.$ref"),
        (
            {"schema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+\\1"}}}},
            "schema.properties.a.pattern",
        ),
        ({"schema": {**SCHEMA, "title": "x" * 40_000}}, "schema"),
    ],
)
def test_what_is_wrong_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    given = {"type": "json_schema", **NAMED, **change}
    with pytest.raises(ArcusError) as caught:
        read_format(given)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, f"text.format.{field}")
    with pytest.raises(ArcusError) as caught:
        read_chat_format({"type": given["type"], "json_schema": given})
    where = "response_format" if field == "type" else "response_format.json_schema"
    assert caught.value.field == f"{where}.{field}"


def test_it_is_kept_with_the_request() -> None:
    body = {"model": "nimbus-001", "input": "What?", "text": {"format": {"type": "json_schema", **NAMED, "x": 1}}}
    asked = parse_request(body)
    assert parse_request(asked.sent).options == asked.options
    assert "x" not in asked.sent["text"]["format"]
