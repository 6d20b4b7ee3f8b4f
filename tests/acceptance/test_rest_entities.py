"""Collections of type entities over HTTP, through the real SDK."""

from __future__ import annotations

import pytest
from cloudglue import CloudglueError

from services.core.media import Span
from tests.acceptance.described import describe, extract, upload
from tests.acceptance.live_front import Account

SCHEMA = {
    "type": "object",
    "properties": {
        "mentions_parsing": {"type": "boolean", "description": "Whether parsing is mentioned"},
        "quote": {"type": "string"},
        "headings": {"type": "array", "items": {"type": "string"}},
        "speaker": {"type": ["string", "null"]},
    },
    "required": ["mentions_parsing", "speaker"],
}
SAID = "chunked streaming beats waiting"


def refused(call) -> tuple[int | None, str]:
    with pytest.raises(CloudglueError) as raised:
        call()
    return raised.value.status_code, raised.value.data.error


def collection_of(account: Account, **config) -> str:
    made = account.sdk.collections.create(collection_type="entities", name="facts", extract_config=config)
    return made.id


def extracted(account: Account, collection_id: str, **cut) -> str:
    file_id = upload(account)
    account.sdk.collections.add_video(collection_id, file_id=file_id)
    describe(account, collection_id, file_id, **cut)
    extract(account, collection_id, file_id)
    return file_id


def test_the_sdk_creates_gets_and_lists_a_collection_of_entities(account: Account):
    sdk = account.sdk
    made = sdk.collections.create(
        collection_type="entities",
        name="facts",
        extract_config={"prompt": "what is said", "schema": SCHEMA, "enable_segment_level_entities": True},
        describe_config={"enable_speech": False},
    )
    config = sdk.collections.get(made.id).extract_config
    assert (made.collection_type, config.var_schema, config.prompt) == ("entities", SCHEMA, "what is said")
    assert (config.enable_video_level_entities, config.enable_segment_level_entities) == (False, True)
    assert (config.enable_transcript_mode, config.enable_metadata_mode) == (False, False)
    assert made.describe_config is None, "it is the extract_config that counts"
    assert [item.id for item in sdk.collections.list(collection_type="entities").data] == [made.id]
    assert sdk.collections.list(collection_type="media-descriptions").total == 0
    assert sdk.collections.update(made.id, name="other").extract_config.var_schema == SCHEMA
    media = sdk.collections.create(
        collection_type="media-descriptions", name="m", extract_config={"schema": {"type": "nonsense"}}
    )
    assert media.extract_config is None, "it is not for this type"
    shown = sdk.collections.create(collection_type="entities", name="p", extract_config={"prompt": "List the dates"})
    assert list(shown.extract_config.var_schema["properties"]) == ["dates"]


def test_a_schema_that_is_wrong_is_refused_by_its_place(account: Account):
    bad = {"type": "object", "properties": {"when": {"type": "string", "format": "moment"}}}
    status, message = refused(lambda: collection_of(account, schema=bad))
    assert status == 400 and message.startswith("extract_config.schema.properties.when.format 'moment'")
    assert account.sdk.collections.list().total == 0


def test_entities_of_a_file_tell_where_they_were_found(account: Account):
    sdk = account.sdk
    collection_id = collection_of(account, schema=SCHEMA)
    file_id = upload(account)
    sdk.collections.add_video(collection_id, file_id=file_id)
    assert sdk.collections.get_video_entities(collection_id, file_id).entities == {}, "not yet"
    describe(account, collection_id, file_id)
    with account.http as http:
        member = http.get(f"/v1/collections/{collection_id}/videos/{file_id}").json()
        assert (member["status"], member["progress"]["stage"]) == ("processing", "extract")
        extract(account, collection_id, file_id)
        found = sdk.collections.get_video_entities(collection_id, file_id)
        assert found.entities == {
            "mentions_parsing": True,
            "quote": SAID,
            "headings": ["SLIDE"],
            "speaker": None,
        }
        assert (found.segment_entities, found.total, found.limit, found.offset) == ([], 0, 50, 0)
        raw = http.get(f"/v1/collections/{collection_id}/videos/{file_id}/entities").json()
        times = {source["path"]: source["start_time"] for source in raw["entity_sources"]}
        assert times == {"mentions_parsing": 23.0, "quote": 3.0, "headings[0]": 1.0}
        (item,) = sdk.collections.list_entities(collection_id).data
        assert item.file_id == file_id and item.data.entities == found.entities
        assert item.data.segment_entities == []
        later = f"/v1/collections/{collection_id}/entities?added_after=2999-01-01"
        assert http.get(later).json()["data"] == []


def test_entities_of_segments_have_their_times_and_pages(account: Account):
    sdk = account.sdk
    collection_id = collection_of(account, schema=SCHEMA, enable_segment_level_entities=True)
    file_id = extracted(account, collection_id, spans=[Span(at, at + 10) for at in range(0, 40, 10)])
    found = sdk.collections.get_video_entities(collection_id, file_id, include_thumbnails=True)
    assert (found.entities, found.total) == ({}, 4)
    assert [(part.start_time, part.end_time) for part in found.segment_entities] == [
        (0, 10),
        (10, 20),
        (20, 30),
        (30, 40),
    ]
    assert [part.entities["mentions_parsing"] for part in found.segment_entities] == [False, True, False, True]
    assert all("signature=" in part.thumbnail_url for part in found.segment_entities)
    page = sdk.collections.get_video_entities(collection_id, file_id, limit=2, offset=3)
    assert (page.total, page.limit, page.offset, len(page.segment_entities)) == (4, 2, 3, 1)
    assert page.segment_entities[0].start_time == 30 and page.segment_entities[0].thumbnail_url is None
    (item,) = sdk.collections.list_entities(collection_id).data
    assert [part.start_time for part in item.data.segment_entities] == [0, 10, 20, 30]


def test_transcript_mode_reads_what_is_said_alone(account: Account):
    collection_id = collection_of(account, schema=SCHEMA, enable_transcript_mode=True)
    file_id = extracted(account, collection_id)
    found = account.sdk.collections.get_video_entities(collection_id, file_id).entities
    assert found == {"mentions_parsing": True, "quote": SAID, "speaker": None}, "the slide is not read"


def test_a_record_that_nothing_supports_is_none(account: Account):
    schema = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}
    collection_id = collection_of(account, schema=schema)
    file_id = extracted(account, collection_id)
    assert account.sdk.collections.get_video_entities(collection_id, file_id).entities == {}
    assert account.sdk.collections.get_video(collection_id, file_id).status == "completed"


def test_a_collection_of_another_type_answers_400(account: Account):
    sdk = account.sdk
    facts = collection_of(account, prompt="dates")
    media = sdk.collections.create(collection_type="media-descriptions", name="m").id
    file_id = upload(account)
    for id in (facts, media):
        sdk.collections.add_video(id, file_id=file_id)
    for call in (
        lambda: sdk.collections.list_entities(media),
        lambda: sdk.collections.get_video_entities(media, file_id),
    ):
        assert refused(call) == (400, "This collection holds media-descriptions, not entities.")
    for call in (
        lambda: sdk.collections.list_media_descriptions(facts),
        lambda: sdk.collections.get_media_descriptions(facts, file_id),
    ):
        assert refused(call) == (400, "This collection holds entities, not media-descriptions.")
