"""Entities of the example lecture, extracted by the whole system and compared with the text that the lecture is made of."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from cloudglue import Cloudglue

from services.core.entities.schemas import misfit
from services.core.words import stem
from tests.running_system import LECTURE, Lecture, wait_for

SLIDES = json.loads(LECTURE.with_suffix(".json").read_text())
SCHEMA = {
    "type": "object",
    "properties": {
        "titles": {"type": "array", "items": {"type": "string"}, "description": "Titles of the slides"},
        "distance_km": {"type": "number", "description": "How far the moon is away"},
        "year_opened": {"type": "integer"},
        "turbine_count": {"type": "integer"},
        "power_megawatts": {"type": "number"},
        "countries": {"type": "array", "items": {"type": "string"}},
        "tides": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "height_meters": {"type": "number"}},
                "required": ["place", "height_meters"],
            },
        },
        "topics": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
        "mentions_moon": {"type": "boolean"},
        "mentions_whales": {"type": "boolean"},
        "speaker": {"type": ["string", "null"]},
        "email": {"type": "string", "format": "email"},
    },
    "required": ["titles", "mentions_moon", "speaker"],
}


def extracted(lecture: Lecture, name: str, **config: Any) -> Any:
    """The entities of the lecture in a collection of its own; what was described of it is used again."""
    system = lecture.system
    sdk = Cloudglue(api_key=system.key, host=system.http)
    made = sdk.collections.create(collection_type="entities", name=name, extract_config={"schema": SCHEMA, **config})
    sdk.collections.add_video(made.id, file_id=lecture.file_id)
    with system.client() as client:
        member = wait_for(client, f"/collections/{made.id}/videos/{lecture.file_id}", seconds=60)
        assert member["status"] == "completed", member
        assert member["progress"]["stage"] == "done"
        raw = client.get(f"/collections/{made.id}/videos/{lecture.file_id}/entities").json()
    found = sdk.collections.get_video_entities(made.id, lecture.file_id)
    (listed,) = sdk.collections.list_entities(made.id).data
    assert listed.data.entities == found.entities
    assert len(listed.data.segment_entities) == len(found.segment_entities) == found.total
    return found, raw


@pytest.fixture(scope="module")
def of_video(lecture: Lecture) -> tuple[Any, dict]:
    begun = time.monotonic()
    found = extracted(lecture, "facts of the lecture")
    assert time.monotonic() - begun < 60
    return found


def test_the_facts_of_the_lecture_are_those_of_its_text(of_video: tuple[Any, dict]) -> None:
    found = of_video[0].entities
    assert misfit(SCHEMA, found) == ""
    assert [_plain(title) for title in found["titles"]] == [_plain(slide["title"]) for slide in SLIDES]
    expected = {"distance_km": 384_000, "year_opened": 1966, "turbine_count": 24, "power_megawatts": 240}
    assert {name: found.get(name) for name in expected} == expected
    assert found["countries"] == ["Canada", "France"]
    assert [(_plain(item["place"]), item["height_meters"]) for item in found["tides"]] == [
        ("bay of fundy canada", 16),
        ("mediterranean sea", 0.3),
    ]
    assert (found["mentions_moon"], found["mentions_whales"], found["speaker"]) == (True, False, None)
    assert "email" not in found, "there is none"
    text = " ".join(" ".join([slide["title"], *slide["lines"], slide["speech"]]) for slide in SLIDES)
    known = {stem(word) for word in re.findall(r"[^\W_]+", text)}
    assert 1 <= len(found["topics"]) <= 5
    assert all(stem(word) in known for topic in found["topics"] for word in topic.split()), found["topics"]


def test_each_fact_stands_where_it_is_said_to(of_video: tuple[Any, dict]) -> None:
    found, raw = of_video
    places = {source["path"]: (source["start_time"], source["end_time"]) for source in raw["entity_sources"]}
    for path, slide in (("distance_km", 1), ("tides[0].place", 3), ("year_opened", 4), ("turbine_count", 4)):
        start, end = places[path]
        assert start < SLIDES[slide]["end_time"] and end > SLIDES[slide]["start_time"], (path, start, end)
    assert all(0 <= start <= end <= SLIDES[-1]["end_time"] + 1 for start, end in places.values())
    assert found.segment_entities == [] and found.total == 0


def test_each_segment_of_the_lecture_has_its_own_facts(lecture: Lecture) -> None:
    found, _ = extracted(lecture, "facts of its segments", enable_segment_level_entities=True)
    assert found.entities == {} and found.total == 5
    for part in found.segment_entities:
        assert misfit(SCHEMA, part.entities) == ""
    of_time = {part.start_time: part.entities for part in found.segment_entities}
    assert list(of_time) == [0, 20, 40, 60, 80]
    assert 24 in [facts.get("turbine_count") for start, facts in of_time.items() if start >= 60]
    assert all("turbine_count" not in facts for start, facts in of_time.items() if start < 60)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
