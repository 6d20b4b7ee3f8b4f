"""What is understood of videos reads the same at every door, and a filter means the same wherever it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.described import describe, upload
from tests.acceptance.doors.door import Json, Refused
from tests.acceptance.doors.entity_stage import RECORDS, EntityStage
from tests.acceptance.doors.libraries import LIBRARIES, Library
from tests.acceptance.doors.scenarios import citations
from tests.acceptance.doors.stage import SPEAKERS


def library(at: EntityStage) -> Library:
    return LIBRARIES[at.door.name](at.account)


def _one(kind: str, path: str, operator: str, value: str | list[str], **more: Any) -> Json:
    named = {"valueTextArray" if isinstance(value, list) else "valueText": value}
    return {kind: [{"path": path, "operator": operator, **named, **more}]}


# Filters of all kinds with every operator, and whether they keep the first and the second talk.
FILTERS: dict[str, tuple[Json, tuple[bool, bool]]] = {
    "Equal": (_one("metadata", "speaker", "Equal", SPEAKERS[0]), (True, False)),
    "NotEqual": (_one("metadata", "speaker", "NotEqual", SPEAKERS[0]), (False, True)),
    "LessThan": (_one("metadata", "talk.year", "LessThan", "2024.5"), (True, False)),
    "GreaterThan": (_one("metadata", "talk.day", "GreaterThan", "2024-03-01"), (False, True)),
    "Like": (_one("file", "filename", "Like", "ZOË%"), (False, True)),
    "In": (_one("metadata", "talk.year", "In", ["2024", "1999"]), (True, False)),
    "ContainsAny": (_one("metadata", "talk.tags", "ContainsAny", ["live", "dull"]), (True, True)),
    "ContainsAll": (_one("metadata", "talk.tags", "ContainsAll", ["live", "first"]), (True, False)),
    "a missing field": (_one("metadata", "talk.place", "Equal", "Paris"), (False, False)),
    "a measured field": (_one("video_info", "has_audio", "Equal", "true"), (True, True)),
    "a segment": (_one("video_info", "duration_seconds", "LessThan", "30", scope="segment"), (True, True)),
    "source_metadata": (_one("source_metadata", "topic", "Equal", "x"), (False, False)),
    "two at once": (
        _one("metadata", "talk.tags", "ContainsAny", ["live"]) | _one("file", "filename", "Like", "amy%"),
        (True, False),
    ),
}


def a_filter_means_the_same_wherever_it_is_given(at: EntityStage) -> Any:
    for file_id, year, tag in zip(at.file_ids, (2024, 2025), ("first", "second"), strict=True):
        metadata = at.account.sdk.files.get(file_id).metadata
        talk = {"year": year, "day": f"{year}-02-03", "tags": ["live", tag]}
        at.account.sdk.files.update(file_id, metadata={**metadata, "talk": talk})
    told = []
    for name, (filter, kept) in FILTERS.items():
        expected = {file_id for file_id, is_kept in zip(at.file_ids, kept, strict=True) if is_kept}
        base = {"collections": [at.collection_id], "filter": filter}
        found = at.door.search({"scope": "file", "query": "parsing", **base})
        answered = at.door.ask(at.asks(knowledge_base=base))
        listed, files = library(at).videos(at.collection_id, filter), library(at).files(filter)
        assert {hit["file_id"] for hit in found["results"]} == expected, name
        assert {cited["file_id"] for cited in citations(answered)} == expected, name
        assert set(listed["data"]) == expected and listed["total"] == len(expected), name
        assert set(files["data"]) & set(at.file_ids) == expected, name
        told.append((found, listed))
    with pytest.raises(Refused) as refused:
        library(at).files(_one("file", "filename", "In", "x"))
    assert refused.value.status == 400 and "valueTextArray" in refused.value.message
    return told, refused.value.message


def entities_are_read_by_file_and_by_page(at: EntityStage) -> Any:
    listed = library(at).list_entities(at.facts_id)
    assert [item["entities"] for item in listed["data"]] == [*RECORDS[::-1]] and listed["total"] == len(RECORDS)
    page = library(at).list_entities(at.facts_id, limit=1, offset=1)
    assert page == {"data": listed["data"][1:2], "total": len(RECORDS)}
    one = library(at).entities(at.facts_id, listed["data"][0]["file_id"])
    assert one == listed["data"][0] and one["segment_entities"] == []
    told = []
    for id in (at.foreign_facts_id, at.collection_id):
        with pytest.raises(Refused) as refused:
            library(at).list_entities(id)
        told.append((refused.value.status, refused.value.message.replace(id, "")))
    assert [status for status, _ in told] == [404, 400]
    return listed, told


def a_transcript_is_read_as_fields_markdown_and_subtitles(at: EntityStage) -> Any:
    new = at.account.sdk.collections.create(collection_type="rich-transcripts", name="said")
    file_id = upload(at.account, "said.mp4")
    at.account.sdk.collections.add_video(new.id, file_id=file_id)
    describe(at.account, new.id, file_id)
    read = library(at).transcript
    whole = read(new.id, file_id)
    assert (whole["title"], whole["segments"]) == ("A talk", ["Part 1", "Part 2"])
    assert [start for _, speaker, start, _ in whole["speech"] if speaker == "Speaker 1"] == [3, 23]
    assert library(at).list_transcripts(new.id) == {"data": [whole], "total": 1}
    part = read(new.id, file_id, start_time_seconds=21)
    assert part["segments"] == ["Part 2"] and len(part["speech"]) == 1
    texts = {format: read(new.id, file_id, format=format)["content"] for format in ("markdown", "srt", "vtt")}
    assert texts["markdown"].startswith("# A talk") and texts["vtt"].startswith("WEBVTT\n\n00:00:03.000 --> ")
    assert texts["srt"].startswith("1\n00:00:03,000 --> 00:00:04,000\nSpeaker 1: chunked\n")
    with pytest.raises(Refused) as refused:
        read(at.collection_id, at.file_ids[0])
    assert refused.value.status == 400 and "rich-transcripts" in refused.value.message
    at.account.sdk.collections.delete(new.id)
    at.account.sdk.files.delete(file_id)
    return whole, part, texts, refused.value.message


LIBRARY_SCENARIOS: tuple[Callable[[EntityStage], Any], ...] = (
    a_filter_means_the_same_wherever_it_is_given,
    entities_are_read_by_file_and_by_page,
    a_transcript_is_read_as_fields_markdown_and_subtitles,
)
