"""Collections, the files in them and their descriptions over HTTP, through the real SDK."""

from __future__ import annotations

import json

import httpx
import pytest
from cloudglue import CloudglueError

from services.core.media import Span
from tests.acceptance.described import PICTURE, describe, described_talk, upload
from tests.acceptance.live_front import Account


def failure(call) -> tuple[int, str]:
    with pytest.raises(CloudglueError) as raised:
        call()
    assert raised.value.status_code is not None, raised.value
    body = raised.value.data
    return raised.value.status_code, body.error if body else str(raised.value)


def test_the_sdk_creates_gets_lists_updates_and_deletes_a_collection(account: Account):
    sdk = account.sdk
    made = sdk.collections.create(
        collection_type="media-descriptions", name="talks", describe_config={"enable_summary": False, "prompt": "p"}
    )
    assert (made.name, made.file_count, made.collection_type) == ("talks", 0, "media-descriptions")
    assert made.describe_config.enable_summary is False and made.describe_config.enable_speech is True
    assert made.default_segmentation_config.uniform_config.window_seconds == 20
    status, message = failure(lambda: sdk.collections.create(collection_type="media-descriptions", name="talks"))
    assert status == 409 and "talks" in message
    assert sdk.collections.get(made.id).id == made.id
    assert [item.id for item in sdk.collections.list(order="name", sort="asc").data] == [made.id]
    with account.http as http:
        query = "created_after=2020-01-01T00:00:00%2B01:00&created_before=2020-02-01"
        assert http.get(f"/v1/collections?{query}").json()["total"] == 0
    assert sdk.collections.update(made.id, name="films", description="d").name == "films"
    assert sdk.collections.delete(made.id).object == "collection"
    assert failure(lambda: sdk.collections.get(made.id))[0] == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"collection_type": "metadata"}, "metadata are not offered"),
        ({"collection_type": "nonsense"}, "collection_type"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"name": None}, "name"),
        ({"name": "null \0 character"}, "null character"),
        ({"name": "lone \ud800 surrogate"}, "JSON"),
        ({"describe_config": {"enable_speech": "yes"}}, "describe_config.enable_speech"),
        ({"default_segmentation_config": {"strategy": "uniform", "uniform_config": {}}}, "window_seconds"),
        (
            {"default_segmentation_config": {"strategy": "uniform", "uniform_config": {"window_seconds": 999}}},
            "window_seconds",
        ),
        (
            {"default_segmentation_config": {"strategy": "uniform", "manual_config": {"segments": []}}},
            "manual_config.segments",
        ),
        (
            {"default_segmentation_config": {"strategy": "uniform", "shot_detector_config": {"min_seconds": 0}}},
            "shot_detector_config.min_seconds",
        ),
        ({"default_thumbnails_config": {}}, "default_thumbnails_config.enable_segment_thumbnails"),
    ],
)
def test_a_bad_collection_names_its_field(account: Account, change: dict, words: str):
    with account.http as http:
        body = {"collection_type": "media-descriptions", "name": "c", **change}
        reply = http.post("/v1/collections", content=json.dumps(body))
        assert (reply.status_code, words in reply.json()["error"]) == (400, True), reply.text


def test_the_sdk_adds_lists_gets_and_removes_files(account: Account):
    sdk = account.sdk
    collection = sdk.collections.create(collection_type="media-descriptions", name="c")
    first, second = upload(account), upload(account, "b.mp4")
    member = sdk.collections.add_video(collection.id, file_id=first)
    assert (member.status, member.searchable_status, member.file.id) == ("pending", "pending", first)
    assert member.segmentation.segmentation_config.strategy == "uniform"
    assert sdk.collections.add_media(collection.id, url=f"cloudglue://files/{second}").file_id == second
    assert sdk.collections.add_video(collection.id, file_id=first).added_at == member.added_at
    listed = sdk.collections.list_videos(collection.id, order="filename", sort="asc")
    assert [item.file.filename for item in listed.data] == ["b.mp4", "clip.mp4"]
    only = {"file": [{"path": "filename", "operator": "Equal", "valueText": "b.mp4"}]}
    assert [item.file_id for item in sdk.collections.list_videos(collection.id, filter=only).data] == [second]
    assert sdk.collections.get(collection.id).file_count == 2
    describe(account, collection.id, first)
    done = sdk.collections.get_video(collection.id, first)
    assert (done.status, done.searchable_status, done.segmentation.status) == ("completed",) * 3
    assert sdk.collections.list_videos(collection.id, status="completed").total == 1
    with account.http as http:
        value = http.get(f"/v1/collections/{collection.id}/media/{first}").json()
        assert value["progress"] == {"stage": "done", "segments_done": 2, "segments_total": 2}
        assert http.get(f"/v1/collections/{collection.id}/videos?status=ready").status_code == 400
        assert http.delete(f"/v1/collections/{collection.id}/media/{second}").status_code == 200
    assert sdk.collections.remove_video(collection.id, first).object == "collection_file"
    assert failure(lambda: sdk.collections.get_video(collection.id, first))[0] == 404


def test_what_can_not_be_added_is_refused_with_its_reason(account: Account):
    sdk = account.sdk
    id = sdk.collections.create(collection_type="media-descriptions", name="c").id
    file_id = upload(account)
    status, message = failure(lambda: sdk.collections.add_video(id, url="https://example.com/a.mp4"))
    assert status == 400 and "does not fetch URLs" in message
    assert failure(lambda: sdk.collections.add_video(id, file_id="unknown"))[0] == 404
    assert failure(lambda: sdk.collections.add_video("unknown", file_id=file_id))[0] == 404
    stranger = account.front.account().sdk
    assert failure(lambda: stranger.collections.add_video(id, file_id=file_id))[0] == 404


@pytest.fixture
def talk(account: Account) -> tuple[str, str]:
    """A described file: the ids of its collection and of itself."""
    return described_talk(account)


def test_a_description_is_read_as_arrays_over_the_whole_file(account: Account, talk: tuple[str, str]):
    found = account.sdk.collections.get_media_descriptions(*talk)
    assert (found.title, found.summary, found.duration_seconds) == ("A talk", "On parsing and streaming.", 40.0)
    assert [part.text for part in found.speech] == [
        "chunked streaming beats waiting",
        "résumé parsing splits a document",
    ]
    assert [part.start_time for part in found.visual_scene_description] == [0.0, 20.0]
    assert [part.title for part in found.segment_summary] == ["Part 1", "Part 2"]
    assert found.audio_description == [] and found.speech[0].words is None and found.thumbnail_url is None
    assert found.file.id == talk[1] and found.file.metadata is None
    assert found.file.video_info.width == 640


def test_a_description_is_narrowed_by_range_and_modality(account: Account, talk: tuple[str, str]):
    found = account.sdk.collections.get_media_descriptions(
        *talk,
        start_time_seconds=21.5,
        end_time_seconds=30,
        include_word_timestamps=True,
        include_metadata=True,
    )
    assert [part.text for part in found.speech] == ["résumé parsing splits a document"]
    assert [word.word for word in found.speech[0].words] == ["résumé"]
    assert [part.start_time for part in found.scene_text] == [21.0]
    assert [part.title for part in found.segment_summary] == ["Part 2"] and found.file.metadata == {}
    with account.http as http:
        url = f"/v1/collections/{talk[0]}/videos/{talk[1]}/media-descriptions"
        two = http.get(f"{url}?modalities=speech&modalities=scene_text").json()
        assert len(two["speech"]) == 2 and "summary" not in two and "visual_scene_description" not in two
        assert set(http.get(f"{url}?modalities%5B%5D=title").json()) == {
            "collection_id",
            "file_id",
            "duration_seconds",
            "file",
            "title",
        }
        for query in ("modalities=smell", "response_format=xml", "start_time_seconds=9&end_time_seconds=1"):
            reply = http.get(f"{url}?{query}")
            assert reply.status_code == 400 and query.split("=")[0].split("_")[0] in reply.json()["error"]


def test_a_description_is_read_as_markdown_with_timecodes(account: Account, talk: tuple[str, str]):
    found = account.sdk.collections.get_media_descriptions(*talk, response_format="markdown")
    assert found.content.startswith("# A talk\n\nOn parsing and streaming.\n\n## 00:00–00:20 Part 1\n\n")
    assert "### Said\n\n- [00:23] **Speaker 1:** résumé parsing splits a document" in found.content
    assert found.speech is None


def test_thumbnail_links_work_without_a_key_but_not_without_their_signature(account: Account, talk: tuple[str, str]):
    found = account.sdk.collections.get_media_descriptions(*talk, include_thumbnails=True)
    url = found.segment_summary[0].thumbnail_url
    reply = httpx.get(url)
    assert (reply.status_code, reply.headers["content-type"], reply.content) == (200, "image/jpeg", PICTURE)
    forged = httpx.get(url.split("?")[0] + "?signature=00")
    assert forged.status_code == 401 and httpx.get(url.split("?")[0]).status_code == 401
    thumbnails = account.sdk.files.get_thumbnails(talk[1], type="segment")
    assert [item.time for item in thumbnails.data] == [0.0, 20.0] and thumbnails.data[0].url == url
    assert account.sdk.files.get_thumbnails(talk[1], is_default=True).total == 0
    account.sdk.files.delete(talk[1])
    assert httpx.get(url).status_code == 404


def test_shots_are_told_of_a_shot_detector_segmentation(account: Account):
    collection = account.sdk.collections.create(
        collection_type="media-descriptions",
        name="shots",
        default_segmentation_config={"strategy": "shot-detector", "shot_detector_config": {"detector": "content"}},
    )
    file_id = upload(account)
    account.sdk.collections.add_video(collection.id, file_id=file_id)
    describe(account, collection.id, file_id, [Span(0, 5), Span(5, 40)])
    found = account.sdk.collections.get_media_descriptions(collection.id, file_id, include_shots=True)
    assert [(shot.index, shot.start_time, shot.end_time) for shot in found.shots] == [(0, 0.0, 5.0), (1, 5.0, 40.0)]
    assert found.total_shots == 2


def test_shots_found_for_another_collection_are_told_and_numbered_over_the_whole_file(account: Account):
    sdk = account.sdk
    plain = sdk.collections.create(collection_type="media-descriptions", name="plain")
    cut = sdk.collections.create(
        collection_type="media-descriptions",
        name="shots",
        default_segmentation_config={"strategy": "shot-detector", "shot_detector_config": {"detector": "content"}},
    )
    file_id = upload(account)
    sdk.collections.add_video(plain.id, file_id=file_id)
    describe(account, plain.id, file_id)
    assert sdk.collections.get_media_descriptions(plain.id, file_id, include_shots=True).shots is None
    sdk.collections.add_video(cut.id, file_id=file_id)
    describe(account, cut.id, file_id, [Span(0, 5), Span(5, 40)])
    found = sdk.collections.get_media_descriptions(plain.id, file_id, include_shots=True, start_time_seconds=6)
    assert [(shot.index, shot.start_time, shot.end_time) for shot in found.shots] == [(1, 5.0, 40.0)]


def test_chapters_are_told_when_they_are_asked_for(account: Account, talk: tuple[str, str]):
    assert account.sdk.collections.get_media_descriptions(*talk).chapters is None
    found = account.sdk.collections.get_media_descriptions(*talk, include_chapters=True)
    assert [(item.index, item.start_time, item.end_time, item.description) for item in found.chapters] == [
        (0, 0.0, 20.0, "Part 1"),
        (1, 20.0, 40.0, "Part 2"),
    ]
    assert found.total_chapters == 2


def test_metadata_given_with_a_member_is_merged_into_the_files_own(account: Account):
    sdk = account.sdk
    id = sdk.collections.create(collection_type="media-descriptions", name="c").id
    file_id = upload(account)
    sdk.files.update(file_id, metadata={"speaker": "Ann", "year": 2024})
    with account.http as http:
        body = {"file_id": file_id, "metadata": {"speaker": "Bob", "topics": ["tides"]}}
        member = http.post(f"/v1/collections/{id}/media", json=body).raise_for_status().json()
    merged = {"speaker": "Bob", "year": 2024, "topics": ["tides"]}
    assert member["file"]["metadata"] == sdk.files.get(file_id).metadata == merged


def test_a_collection_that_wants_no_pictures_is_shown_none(account: Account, talk: tuple[str, str]):
    """The pictures that another collection had made of the same segments stay that one's."""
    with account.http as http:
        off = {"default_thumbnails_config": {"enable_segment_thumbnails": False}}
        body = {"collection_type": "media-descriptions", "name": "bare", **off}
        other = http.post("/v1/collections", json=body).raise_for_status().json()["id"]
    account.sdk.collections.add_video(other, file_id=talk[1])
    for collection_id, is_shown in ((talk[0], True), (other, False)):
        found = account.sdk.collections.get_media_descriptions(collection_id, talk[1], include_thumbnails=True)
        assert [bool(part.thumbnail_url) for part in found.segment_summary] == [is_shown] * 2


def test_the_descriptions_of_a_collection_are_listed(account: Account, talk: tuple[str, str]):
    page = account.sdk.collections.list_media_descriptions(talk[0], include_metadata=True)
    (item,) = page.data
    assert (page.total, item.file_id, item.data.title) == (1, talk[1], "A talk")
    assert len(item.data.speech) == 2 and item.file.metadata == {} and item.duration_seconds == 40.0
    text = account.sdk.collections.list_media_descriptions(talk[0], response_format="markdown").data[0].data
    assert text.content.startswith("# A talk") and text.speech is None
    assert failure(lambda: account.front.account().sdk.collections.list_media_descriptions(talk[0]))[0] == 404
