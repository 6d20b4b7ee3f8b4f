"""Rich transcripts over HTTP through the real SDK: a description under a transcribe_config, as fields and subtitles."""

from __future__ import annotations

import pytest

from tests.acceptance.described import describe, upload
from tests.acceptance.live_front import Account, Front
from tests.acceptance.test_rest_collections import failure


@pytest.fixture
def owner(answering: Front) -> Account:
    return answering.account()


@pytest.fixture
def talk(owner: Account) -> tuple[str, str]:
    """A transcribed file: the ids of its collection and of itself."""
    collection = owner.sdk.collections.create(
        collection_type="rich-transcripts", name="talks", transcribe_config={"enable_audio_description": False}
    )
    file_id = upload(owner)
    owner.sdk.collections.add_video(collection.id, file_id=file_id)
    describe(owner, collection.id, file_id)
    return collection.id, file_id


def test_the_collection_says_how_it_transcribes(owner: Account, talk: tuple[str, str]):
    collection = owner.sdk.collections.get(talk[0])
    assert collection.collection_type == "rich-transcripts" and collection.describe_config is None
    flags = collection.transcribe_config
    assert (flags.enable_speech, flags.enable_summary, flags.enable_audio_description) == (True, True, False)
    assert owner.sdk.collections.list(collection_type="rich-transcripts").total == 1
    assert owner.sdk.collections.list(collection_type="media-descriptions").total == 0


def test_the_sdk_reads_a_transcript_and_a_page_of_them(owner: Account, talk: tuple[str, str]):
    found = owner.sdk.collections.get_rich_transcripts(*talk, start_time_seconds=21, include_metadata=True)
    assert (found.title, found.summary, found.duration_seconds) == ("A talk", "On parsing and streaming.", 40.0)
    assert [part.text for part in found.speech] == ["résumé parsing splits a document"]
    assert [part.title for part in found.segment_summary] == ["Part 2"] and found.file.metadata == {}
    page = owner.sdk.collections.list_rich_transcripts(talk[0])
    (item,) = page.data
    assert (page.total, item.file_id, item.data.title, len(item.data.speech)) == (1, talk[1], "A talk", 2)
    text = owner.sdk.collections.get_rich_transcripts(*talk, response_format="markdown")
    assert text.content.startswith("# A talk") and text.speech is None


def test_a_transcript_is_read_as_subtitles(owner: Account, talk: tuple[str, str]):
    text = owner.sdk.collections.get_rich_transcripts(*talk, response_format="srt", end_time_seconds=20).content
    assert text == "1\n00:00:03,000 --> 00:00:04,000\nSpeaker 1: chunked\n"
    with owner.http as http:
        url = f"/v1/collections/{talk[0]}/videos/{talk[1]}/rich-transcripts"
        timed = http.get(f"{url}?include_word_timestamps=true&modalities=speech").json()["speech"]
        assert [item["words"][0]["word"] for item in timed] == ["chunked", "résumé"]
        assert http.get(f"{url}?response_format=vtt").json()["content"].startswith("WEBVTT\n\n00:00:03.000 --> ")
        assert http.get(f"{url}?response_format=srt&modalities=scene_text").json()["content"] == ""


def test_a_collection_of_another_type_is_refused_by_its_type(owner: Account, talk: tuple[str, str]):
    other = owner.sdk.collections.create(collection_type="media-descriptions", name="films")
    owner.sdk.collections.add_video(other.id, file_id=talk[1])
    for call in (
        lambda: owner.sdk.collections.get_media_descriptions(*talk),
        lambda: owner.sdk.collections.list_media_descriptions(talk[0]),
        lambda: owner.sdk.collections.get_rich_transcripts(other.id, talk[1]),
        lambda: owner.sdk.collections.list_rich_transcripts(other.id),
    ):
        status, message = failure(call)
        assert status == 400 and "media-descriptions" in message and "rich-transcripts" in message


def test_a_transcribed_file_is_described_once_for_both_types(owner: Account):
    file_id = upload(owner)
    first = owner.sdk.collections.create(collection_type="media-descriptions", name="films")
    owner.sdk.collections.add_video(first.id, file_id=file_id)
    describe(owner, first.id, file_id)
    second = owner.sdk.collections.create(collection_type="rich-transcripts", name="talks")
    assert owner.sdk.collections.add_video(second.id, file_id=file_id).status == "completed"
    assert owner.sdk.collections.get_rich_transcripts(second.id, file_id).title == "A talk"


def test_transcripts_answer_questions_with_citations(owner: Account, talk: tuple[str, str]):
    response = owner.sdk.responses.create(
        model="nimbus-001",
        input="What is said of parsing?",
        instructions='{"messages": 2, "text": "Said [1]. "}',
        collections=[talk[0]],
    )
    (citation,) = response.output[0].actual_instance.content[0].annotations
    assert (citation.collection_id, citation.file_id) == talk
