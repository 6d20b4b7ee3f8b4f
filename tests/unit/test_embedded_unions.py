"""What the embedded extractor finds for unions, tuples, maps and written forms, as the schemas of SDKs have them."""

from __future__ import annotations

from typing import Any

import pytest

from ray_jobs.engines.embedded.extraction.extractor import EmbeddedExtractor
from ray_jobs.engines.language.guides import bounded
from ray_jobs.engines.language.scripted import example
from ray_jobs.stages.extract import Extracted, ExtractRequest, Passage
from services.core.entities.schemas import misfit, parse_schema

TEXT, INTEGER, NUMBER = ({"type": kind} for kind in ("string", "integer", "number"))
HEIGHTS = Passage("scene_text", "Bay of Fundy: 16 meters\nSevern: 15 meters", 5.0, 9.0)
TICKET = Passage("speech", "the camera at 192.0.2.17 sent 0d9a8a4e-3b43-4f55-9d0b-1c1b1b8a7a11.", 1.0, 4.0)
DAM = Passage("scene_text", "La Rance, France: opened 1966\n24 turbines, 240 megawatts", 5.0, 9.0)
PAIR = {"type": "array", "prefixItems": [TEXT, NUMBER], "minItems": 2, "maxItems": 2}


def extract(place: dict[str, Any], name: str, *passages: Passage) -> Extracted:
    schema = {"type": "object", "properties": {name: place}}
    found = EmbeddedExtractor().extract_now(ExtractRequest(schema, "", passages))
    assert found.entities is None or misfit(schema, found.entities) == ""
    return found


@pytest.mark.parametrize(
    ("name", "place", "passage", "value"),
    [
        ("turbine_count", {"anyOf": [NUMBER, TEXT]}, DAM, 24),
        ("year_opened", {"anyOf": [{"type": "boolean", "const": True}, INTEGER]}, DAM, 1966),
        ("year_opened", {"anyOf": [{"type": "string", "format": "date"}, INTEGER]}, DAM, 1966),
        ("camera_address", {"type": "string", "format": "ipv4"}, TICKET, "192.0.2.17"),
        ("id", {"type": "string", "format": "uuid"}, TICKET, "0d9a8a4e-3b43-4f55-9d0b-1c1b1b8a7a11"),
        ("id", {"type": "string", "format": "uuid"}, DAM, None),
        ("heights", {"type": "object", "additionalProperties": NUMBER}, HEIGHTS, {"Bay of Fundy": 16, "Severn": 15}),
        ("heights", {"type": "object", "additionalProperties": INTEGER, "maxProperties": 1}, HEIGHTS, None),
        ("heights", {"type": "object", "additionalProperties": TEXT}, TICKET, None),
        ("heights", {"type": "array", "items": PAIR}, HEIGHTS, [["Bay of Fundy", 16], ["Severn", 15]]),
        ("country", {"type": "array", "prefixItems": [TEXT, NUMBER]}, DAM, None),
        ("country", {"enum": ["France", 1966, None]}, DAM, "France"),
        ("place", {"anyOf": [{"type": "object", "properties": {"email": TEXT}}, TEXT]}, DAM, "France"),
    ],
)
def test_what_a_text_supports_is_found(name: str, place: dict[str, Any], passage: Passage, value: Any):
    found = extract(place, name, passage)
    assert (found.entities or {}).get(name) == value
    assert all(source.path.startswith(name) for source in found.sources)
    assert bool(found.sources) == (value is not None)


def test_the_places_of_values_in_maps_and_tuples_are_told():
    of_map = extract({"type": "object", "additionalProperties": NUMBER}, "heights", HEIGHTS)
    assert [source.path for source in of_map.sources] == ["heights.Bay of Fundy", "heights.Severn"]
    of_list = extract({"type": "array", "items": PAIR}, "heights", HEIGHTS)
    assert [source.path for source in of_list.sources][:2] == ["heights[0][0]", "heights[0][1]"]


@pytest.mark.parametrize(
    "place",
    [
        {"oneOf": [TEXT, {"type": "array", "items": TEXT}]},
        {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}, "propertyNames": {"maxLength": 9}},
        {"type": "array", "items": PAIR},
        {"enum": ["a", 1]},
    ],
)
def test_a_schema_that_guides_a_model_has_an_end_everywhere_and_what_fits_it_fits_the_whole(place: dict[str, Any]):
    whole = parse_schema({"type": "object", "properties": {"v": place}, "required": ["v"]})
    guide = bounded(whole.schema)
    assert "oneOf" not in str(guide) and "propertyNames" not in str(guide)
    for part in parts(guide):
        assert part.get("type") != "string" or part.keys() & {"maxLength", "enum", "const"}, part
        assert part.get("type") != "array" or part["maxItems"] > 0, part
    assert whole.fits(example(guide))


def parts(value: Any):
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)
