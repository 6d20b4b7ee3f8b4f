"""Which schemas and extract_configs are taken, and what is said of those that are not."""

from __future__ import annotations

from functools import reduce

import pytest
from pydantic import BaseModel, Field

from services.core.entities.configs import ExtractConfig, parse_extract_config, prompted_schema
from services.core.entities.schemas import misfit, parse_schema
from services.core.errors import ArcusError

TEXT = {"type": "string"}


def of(**properties: object) -> dict:
    return {"type": "object", "properties": properties}


def nested(levels: int) -> dict:
    return of(a=nested(levels - 1)) if levels else of(a=TEXT)


class Speaker(BaseModel):
    name: str = Field(description="Who speaks")
    email: str | None = None


class Talk(BaseModel):
    title: str
    year: int | None = None
    speakers: list[Speaker] = []
    main: Speaker | None = None


BAD = [
    (None, "extract_config.schema must be"),
    ([], "extract_config.schema must be"),
    (TEXT, "extract_config.schema.type"),
    ({}, "extract_config.schema.type"),
    ({"type": "object"}, "needs properties"),
    ({"type": ["object", "null"], "properties": {"a": TEXT}}, "extract_config.schema.type"),
    ({"name": "string"}, "extract_config.schema.name is not offered"),
    (of(a="string"), "extract_config.schema.properties.a"),
    (of(a=True), "extract_config.schema.properties.a"),
    (of(a={}), "extract_config.schema.properties.a.type"),
    (of(a={"type": "text"}), "extract_config.schema.properties.a.type"),
    (of(a={"type": "null"}), "extract_config.schema.properties.a.type"),
    (of(a={"type": "array"}), "extract_config.schema.properties.a needs items"),
    (of(a={"type": "array", "items": {"type": "object"}}), "properties.a.items needs properties"),
    (of(a={"type": "string", "pattern": r"^(?=a)a"}), "properties.a.pattern must be"),
    (of(a={"type": "string", "pattern": "(a"}), "properties.a.pattern: '(a' is not"),
    (of(a={"type": "string", "format": "binary"}), "properties.a.format 'binary' is not offered"),
    (of(a={"type": "string", "minLength": -1}), "properties.a.minLength"),
    (of(a={"type": "string", "minLength": 3, "maxLength": 2}), "properties.a.minLength is above maxLength"),
    (of(a={"type": "integer", "minimum": 5, "maximum": 1}), "properties.a.minimum is above maximum"),
    (of(a={"type": "integer", "enum": [1, "two"]}), 'properties.a.enum holds "two"'),
    (of(a={"enum": []}), "properties.a"),
    ({**of(a=TEXT), "required": ["b"]}, "required names 'b'"),
    ({**of(a=TEXT), "required": "a"}, "extract_config.schema.required"),
    (of(a={"$ref": "https://example.com/schema.json"}), "properties.a.$ref"),
    (of(a={"$ref": "#/$defs/B"}), "properties.a.$ref leads nowhere"),
    (of(a={"$ref": "#"}), "properties.a.$ref leads back to itself"),
    (of(a={"anyOf": [TEXT, {}]}), "properties.a.anyOf[1].type"),
    (of(a={"anyOf": [{"type": "null"}]}), "properties.a.anyOf is offered"),
    (of(a={"allOf": [of(b=TEXT), of(c=TEXT)]}), "properties.a.allOf is offered"),
    (of(a={"type": "object", "additionalProperties": True}), "properties.a needs properties"),
    (of(a={"type": "object", "additionalProperties": {"type": "array"}}), "a.additionalProperties needs items"),
    (of(a={"type": "array", "prefixItems": [TEXT], "minItems": 2}), "properties.a.minItems is more than"),
    (of(a={"type": "array", "prefixItems": [TEXT, {}]}), "properties.a.prefixItems[1].type"),
    (of(a={"const": {"b": 1}}), "properties.a.enum is offered for"),
    ({"anyOf": [of(a=TEXT), of(b=TEXT)]}, "extract_config.schema.type must be object"),
    ({**of(a={"$ref": "#/$defs/B"}), "$defs": {"B": of(b={"$ref": "#/$defs/B"})}}, "$ref leads back to itself"),
    (of(a={"type": "string", "if": TEXT}), "properties.a.if is not offered"),
    ({**of(a=TEXT), "$id": "https://example.com"}, "extract_config.schema.$id is not offered"),
    (nested(7), "nested deeper"),
    (nested(300), "nested"),
    (of(a={"type": "string", "default": reduce(lambda inner, _: [inner], range(40), "a")}), "nested deeper"),
    (of(**{f"p{number}": TEXT for number in range(201)}), "more than 200 places"),
    (of(a={"type": "string", "description": "x" * 40_000}), "larger than"),
    (of(a={"type": "number", "maximum": float("inf")}), "plain JSON"),
    (of(a={"type": "integer", "maximum": 10**40}), "2**53"),
    (of(**{"": TEXT}), "1 to 100 characters"),
]


@pytest.mark.parametrize(("schema", "words"), BAD)
def test_a_bad_schema_is_refused_by_its_place(schema: object, words: str) -> None:
    with pytest.raises(ArcusError) as caught:
        parse_schema(schema)
    assert words in caught.value.message, caught.value.message
    assert caught.value.field and caught.value.field.startswith("extract_config.schema")


def test_definitions_that_double_at_each_step_are_refused() -> None:
    steps = {f"D{n}": of(a={"$ref": f"#/$defs/D{n + 1}"}, b={"$ref": f"#/$defs/D{n + 1}"}) for n in range(5)}
    wide = {**steps, "D5": of(**{f"p{number}": TEXT for number in range(50)})}
    with pytest.raises(ArcusError, match=r"more than 200 places|nested deeper"):
        parse_schema({"$ref": "#/$defs/D0", "$defs": wide})


def test_the_schema_of_a_pydantic_model_is_taken() -> None:
    schema = Talk.model_json_schema()
    place = parse_schema(schema)
    at = {item.name: item.place for item in place.properties}
    assert (at["year"].kind, at["year"].is_nullable, at["main"].kind, at["main"].is_nullable) == (
        "integer",
        True,
        "object",
        True,
    )
    assert at["speakers"].items and at["speakers"].items.properties[0].place.description == "Who speaks"
    assert misfit(schema, {"title": "Tides", "speakers": [{"name": "Ann"}], "main": None}) == ""
    assert "speakers[0]" in misfit(schema, {"title": "Tides", "speakers": [{}]})


@pytest.mark.parametrize(
    ("format", "good", "bad"),
    [
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2024-03-05T14:30:00Z", "2024-03-05T14:30:00"),
        ("time", "14:30:00+01:00", "25:00:00Z"),
        ("email", "ann@example.org", "ann at example.org"),
        ("uri", "https://example.org/a", "example.org"),
        ("uuid", "0d9a8a4e-3b43-4f55-9d0b-1c1b1b8a7a11", "0d9a8a4e3b434f559d0b1c1b1b8a7a11"),
        ("uuid4", "0d9a8a4e-3b43-4f55-9d0b-1c1b1b8a7a11", "a word"),
        ("duration", "PT1H30M", "1h30"),
        ("ipv4", "192.0.2.1", "192.0.2.256"),
        ("ipv6", "2001:db8::1", "2001:db8"),
        ("hostname", "cam-1.example.org", "cam_1.example.org"),
    ],
)
def test_a_format_is_checked(format: str, good: str, bad: str) -> None:
    schema = of(a={"type": "string", "format": format})
    assert misfit(schema, {"a": good}) == "" and "$.a" in misfit(schema, {"a": bad})


BAD_CONFIGS = [
    (None, "extract_config is required"),
    ([], "must be an object"),
    ({}, "needs a schema, or a prompt"),
    ({"prompt": "  "}, "needs a schema, or a prompt"),
    ({"prompt": 5}, "extract_config.prompt"),
    ({"prompt": "x" * 2001}, "extract_config.prompt"),
    ({"prompt": "p", "schem": {}}, "unknown key: schem"),
    ({"prompt": "p", "enable_transcript_mode": "yes"}, "extract_config.enable_transcript_mode"),
    ({"prompt": "p", "enable_metadata_mode": True}, "enable_metadata_mode is not offered"),
    ({"prompt": "p", "enable_video_level_entities": True, "enable_segment_level_entities": True}, "not both"),
    ({"prompt": "p", "enable_video_level_entities": False, "enable_segment_level_entities": False}, "must enable"),
]


@pytest.mark.parametrize(("config", "words"), BAD_CONFIGS)
def test_a_bad_extract_config_is_refused(config: object, words: str) -> None:
    with pytest.raises(ArcusError) as caught:
        parse_extract_config(config)
    assert words in caught.value.message


def test_entities_are_those_of_the_video_unless_told_otherwise() -> None:
    levels = {
        (None, None): "video",
        (True, None): "video",
        (None, True): "segment",
        (False, None): "segment",
        (None, False): "video",
        (True, False): "video",
    }
    for (video, segment), level in levels.items():
        config = parse_extract_config(
            {
                "schema": of(a=TEXT),
                "enable_video_level_entities": video,
                "enable_segment_level_entities": segment,
            }
        )
        assert config.level == level
        assert ExtractConfig.from_json(config.to_json()) == config


def test_a_prompt_alone_stands_for_lists_of_what_it_names() -> None:
    named = prompted_schema("List the speakers, the e-mail addresses and any prices")["properties"]
    assert list(named) == ["people", "amounts", "emails"]
    everything = prompted_schema("Tell me more")["properties"]
    assert len(everything) == 8 and everything["dates"]["items"]["format"] == "date"
    for schema in (prompted_schema("dates"), prompted_schema("?")):
        assert parse_extract_config({"prompt": "p", "schema": schema}).schema == schema
