"""What every engine that extracts entities must do: a record that fits the schema, or none."""

from __future__ import annotations

from typing import Any

from ray_jobs.engines.roles import Extractor
from ray_jobs.stages.extract import Extracted, ExtractRequest, Passage
from services.core.entities.schemas import misfit
from tests.contract.engines import engines

ALL = engines("embedded", "language", "openai")
TALK = {
    "type": "object",
    "properties": {
        "speaker": {"type": ["string", "null"]},
        "year": {"type": "integer"},
        "mood": {"enum": ["calm", "angry"]},
        "topics": {"type": "array", "items": {"$ref": "#/$defs/topic"}, "maxItems": 3},
    },
    "required": ["topics"],
    "$defs": {"topic": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}
SAID = (
    Passage("scene_text", "Speaker: Ann Lee", 1.0, 2.0),
    Passage("speech", "in nineteen sixty nine the sea was calm", 3.0, 4.0),
    Passage("scene_text", "Topic: tides\nTopic: moons", 5.0, 6.0),
)


def extractor(tried: Any) -> Extractor:
    assert tried.engine.extractor is not None
    return tried.engine.extractor


@ALL
async def test_a_record_fits_the_schema_and_its_sources_lie_in_the_passages(opened):
    async with opened("extract") as tried:
        extracted = await extractor(tried).extract(ExtractRequest(TALK, "the talk", SAID, "tenant-a"))
        await tried.idle()
    assert extracted.entities is not None and misfit(TALK, extracted.entities) == ""
    assert all((source.start_time, source.end_time) in {(1, 2), (3, 4), (5, 6)} for source in extracted.sources)


@ALL
async def test_nothing_is_made_of_no_passages(opened):
    required = {**TALK, "required": ["speaker", "year"]}
    async with opened("extract") as tried:
        assert await extractor(tried).extract(ExtractRequest(required, "", (), "tenant-a")) == Extracted(None)


@ALL
async def test_a_file_of_ten_thousand_passages_is_bounded(opened):
    many = tuple(Passage("speech", f"the tide number {n} rises", n, n + 1.0) for n in range(10_000))
    async with opened("extract") as tried:
        extracted = await extractor(tried).extract(ExtractRequest(TALK, "", many, "tenant-a"))
    assert extracted.entities is None or misfit(TALK, extracted.entities) == ""
