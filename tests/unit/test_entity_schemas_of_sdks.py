"""Schemas as pydantic, zod, Gemini and OpenAPI write them: what each is taken for, and what fits it."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, Field, create_model

from services.core.entities.schemas import misfit, parse_schema
from services.core.errors import ArcusError


class Left(BaseModel):
    side: Literal["left"]
    depth: float


class Right(BaseModel):
    side: Literal["right"]
    name: str


PYDANTIC = [  # type, the kind it is taken for, values that fit, values that don't
    (Decimal, "number", [1.5, "1.5"], [True, []]),
    (Decimal | None, "number", [1.5, None], [[]]),
    (Annotated[Decimal, Field(max_digits=5, decimal_places=2, ge=0)], "number", [2], [-2]),
    (int | float, "number", [1, 1.5], ["1"]),
    (str | int, "string", ["a", 1], [1.5]),
    (bool | str, "boolean", [True, "yes"], [1]),
    (Literal["a", 1], "string", ["a", 1], ["b", 2, True]),
    (Literal["a", 1, None], "string", ["a", 1, None], ["b"]),
    (Literal["a"] | Literal["b"], "string", ["a", "b"], ["c"]),
    (Literal[True], "boolean", [True], [False, "true"]),
    (Literal[1, 2.5] | None, "number", [1, 2.5, None], [3]),
    (tuple[str, int], "array", [["a", 1]], [["a"], [1, "a"], ["a", 1, 2]]),
    (tuple[float, ...], "array", [[], [1, 2.5]], [["a"]]),
    (list[tuple[str, float]], "array", [[["a", 1]]], [[["a"]]]),
    (dict[str, int], "object", [{}, {"any name": 1}], [{"a": "b"}]),
    (dict[str, list[str]], "object", [{"a": ["b"]}], [{"a": "b"}]),
    (dict[Literal["p", "q"], int], "object", [{"p": 1}], [{"r": 1}]),
    (dict[int, str], "object", [{"1": "a"}], [{"1": 2}]),
    (Annotated[dict[str, int], Field(max_length=1)], "object", [{"a": 1}], [{"a": 1, "b": 2}]),
    (date, "string", ["2024-02-29"], ["2023-02-29"]),
    (datetime | date, "string", ["2024-02-29", "2024-02-29T10:00:00Z"], ["today"]),
    (timedelta, "string", ["PT5M", "P1Y2M3DT4H"], ["P", "PT", "five minutes"]),
    (UUID, "string", ["0d9a8a4e-3b43-4f55-9d0b-1c1b1b8a7a11"], ["0d9a"]),
    (IPv4Address, "string", ["192.0.2.1"], ["192.0.2"]),
    (Path, "string", ["/a/b"], [1]),
    (AnyUrl, "string", ["https://example.org"], [""]),
    (set[str], "array", [["a", "b"]], [["a", "a"]]),
    (Annotated[str, Field(pattern=r"^[A-Z]{2}-\d+$")], "string", ["AB-1"], ["ab-1"]),
    (Annotated[str, Field(pattern=r"(a+)+$")], "string", ["ba"], ["a" * 5000 + "b"]),
    (Left | Right, "object", [{"side": "left", "depth": 1}, {"side": "right", "name": "n"}], [{"side": "up"}]),
    (Annotated[Left | Right, Field(discriminator="side")], "object", [{"side": "left", "depth": 1}], [{"depth": 1}]),
    (str | list[str], "string", ["a", ["a"]], [1]),
]


@pytest.mark.parametrize(("type", "kind", "good", "bad"), PYDANTIC, ids=[str(row[0]) for row in PYDANTIC])
def test_types_of_pydantic_are_taken(type: Any, kind: str, good: list[Any], bad: list[Any]):
    check(create_model("Record", v=(type, ...)).model_json_schema(), kind, good, bad)


ZOD = [  # as zod 4's toJSONSchema writes them
    (
        '{"type":"string","format":"email","pattern":"^(?!\\\\.)(?!.*\\\\.\\\\.)[a-z.]+@[a-z.]+$"}',
        "string",
        ["a@example.org"],
        ["a"],
    ),
    (
        '{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}],"items":false,"minItems":2,"maxItems":2}',
        "array",
        [["a", 1]],
        [["a"], ["a", 1, 1]],
    ),
    (
        '{"type":"object","propertyNames":{"type":"string"},"additionalProperties":{"type":"number"}}',
        "object",
        [{"a": 1}],
        [{"a": "b"}],
    ),
    (
        '{"type":"object","propertyNames":{"type":"string","enum":["a","b"]},"additionalProperties":{"type":"number"},'
        '"required":["a","b"]}',
        "object",
        [{"a": 1, "b": 2}],
        [{"a": 1}, {"a": 1, "b": 2, "c": 3}],
    ),
    ('{"enum":["a",1]}', "string", ["a", 1], [2]),
    ('{"type":["string","number"]}', "string", ["a", 1.5], [True]),
    ('{"type":["number","null"]}', "number", [1, None], ["a"]),
    ('{"type":"integer","minimum":0,"maximum":9007199254740991}', "integer", [0], [-1]),
    (
        '{"type":"string","format":"duration","pattern":"^P(?:(\\\\d+W)|(?!.*W)(?=\\\\d|T\\\\d)(\\\\d+Y)?)$"}',
        "string",
        ["P3W"],
        ["3W"],
    ),
    ('{"type":"string","format":"e164","pattern":"^\\\\+[1-9]\\\\d{6,14}$"}', "string", ["+4912345678"], ["0123"]),
]
GEMINI = [
    ({"type": "STRING", "nullable": True}, "string", ["a", None], [1]),
    ({"type": "STRING", "format": "enum", "enum": ["a", "b"], "nullable": True}, "string", ["a", None], ["c"]),
    ({"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "1"}, "array", [[1]], [[]]),
    (
        {"type": "OBJECT", "properties": {"a": {"type": "NUMBER"}}, "propertyOrdering": ["a"], "required": ["a"]},
        "object",
        [{"a": 1}],
        [{}],
    ),
    ({"anyOf": [{"type": "STRING"}, {"type": "BOOLEAN"}], "nullable": True}, "string", ["a", True, None], [1]),
]
OTHERS = [
    ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, "integer", [2], [1]),
    ({"type": "integer", "minimum": 1, "exclusiveMinimum": False}, "integer", [1], [0]),
    ({"type": "array", "items": [{"type": "string"}], "additionalItems": False}, "array", [["a"]], [["a", "b"]]),
    ({"oneOf": [{"const": "a", "title": "A"}, {"const": "b", "description": "B"}]}, "string", ["a", "b"], ["c"]),
    ({"type": "string", "nullable": False, "example": "a"}, "string", ["a"], [None]),
]
FORMS = [*((json.loads(text), *row) for text, *row in ZOD), *GEMINI, *OTHERS]


@pytest.mark.parametrize(("schema", "kind", "good", "bad"), FORMS, ids=[json.dumps(row[0])[:60] for row in FORMS])
def test_forms_of_other_sdks_are_taken(schema: dict, kind: str, good: list[Any], bad: list[Any]):
    check({"type": "object", "properties": {"v": schema}, "required": ["v"]}, kind, good, bad)


def check(schema: dict, kind: str, good: list[Any], bad: list[Any]) -> None:
    (property,) = parse_schema(schema).properties
    assert property.place.kind == kind
    assert [value for value in good if misfit(schema, {"v": value})] == []
    assert [value for value in bad if not misfit(schema, {"v": value})] == []
    assert [property.place.fits(value) for value in (*good, *bad)] == [True] * len(good) + [False] * len(bad)


def test_a_whole_schema_of_gemini_is_taken():
    schema = {
        "type": "OBJECT",
        "properties": {
            "people": {
                "type": "ARRAY",
                "items": {"type": "OBJECT", "properties": {"name": {"type": "STRING", "description": "Who"}}},
            }
        },
    }
    items = parse_schema(schema).properties[0].place.items
    assert items and items.properties[0].place.description == "Who"
    assert misfit(schema, {"people": [{"name": "Ann"}]}) == "" and "people[0].name" in misfit(
        schema, {"people": [{"name": 1}]}
    )


class Node(BaseModel):
    name: str
    children: list[Node] = []


def test_a_model_that_holds_itself_is_refused_where_it_does():
    with pytest.raises(ArcusError, match=r"\$defs\.Node\.properties\.children\.items\.\$ref leads back to itself"):
        parse_schema(Node.model_json_schema())
    with pytest.raises(ArcusError, match=r"\$ref leads back to itself"):
        parse_schema(create_model("Tree", root=(Node, ...)).model_json_schema())


@pytest.mark.parametrize("type", [Any, object, dict, dict[str, Any], list, bytes])
def test_a_type_that_says_nothing_of_what_to_look_for_is_refused_by_its_place(type: Any):
    with pytest.raises(ArcusError) as caught:
        parse_schema(create_model("Record", v=(type, ...)).model_json_schema())
    assert caught.value.field and caught.value.field.startswith("extract_config.schema.properties.v")
