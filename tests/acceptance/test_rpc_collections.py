import grpc
import pytest
from arcus.v1 import collections_pb2 as pb
from arcus.v1 import files_pb2 as files
from arcus.v1 import lists_pb2 as lists

from ray_jobs.engines.embedded.extraction.extractor import EmbeddedExtractor
from ray_jobs.extraction import ExtractionWork
from services.core.jobs import Jobs
from services.rpc.values import struct_json
from tests.acceptance.rpc_front import TEXT, RpcFront, open_front

TYPE = pb.COLLECTION_TYPE_MEDIA_DESCRIPTIONS


@pytest.fixture
async def front(tmp_path):
    async with open_front(tmp_path) as front:
        yield front


async def refused(code: grpc.StatusCode, call) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is code, caught.value.details()
    return caught.value


async def test_a_collection_is_made_read_changed_and_deleted(front: RpcFront):
    call = front.client.collections
    cut = pb.SegmentationConfig(shot_detector_config=pb.ShotDetectorConfig(detector="content", fill_gaps=False))
    new = pb.CreateCollectionRequest(
        name="talks",
        collection_type=TYPE,
        description="All.",
        describe_config=pb.DescribeConfig(enable_speech=False, prompt="boats"),
        default_segmentation_config=cut,
        enable_segment_thumbnails=False,
    )
    made = await call("Create", new)
    assert (made.name, made.description, made.collection_type) == ("talks", "All.", TYPE)
    assert made.describe_config.enable_summary and not made.describe_config.enable_speech
    assert made.default_segmentation_config == cut and not made.enable_segment_thumbnails
    assert await call("Get", pb.GetCollectionRequest(collection_id=made.id)) == made
    await refused(grpc.StatusCode.ALREADY_EXISTS, call("Create", new))
    changed = await call("Update", pb.UpdateCollectionRequest(collection_id=made.id, name="more"))
    assert (changed.name, changed.description) == ("more", "All.")
    listed = await call("List", pb.ListCollectionsRequest(collection_type=TYPE, page=lists.Page(order="name")))
    assert (list(listed.collections), listed.total) == ([changed], 1)
    await call("Delete", pb.DeleteCollectionRequest(collection_id=made.id))
    await refused(grpc.StatusCode.NOT_FOUND, call("Delete", pb.DeleteCollectionRequest(collection_id=made.id)))


async def test_what_is_not_offered_is_refused(front: RpcFront):
    zero = pb.SegmentationConfig(uniform_config=pb.UniformConfig())
    for new in (
        pb.CreateCollectionRequest(name="a"),
        pb.CreateCollectionRequest(name="a", collection_type=pb.COLLECTION_TYPE_ENTITIES),
        pb.CreateCollectionRequest(name="a", collection_type=99),  # type: ignore[arg-type]
        pb.CreateCollectionRequest(collection_type=TYPE),
        pb.CreateCollectionRequest(name="a", collection_type=TYPE, default_segmentation_config=zero),
        pb.CreateCollectionRequest(
            name="a", collection_type=TYPE, default_segmentation_config=pb.SegmentationConfig(start_time_seconds=1)
        ),
    ):
        await refused(grpc.StatusCode.INVALID_ARGUMENT, front.client.collections("Create", new))


async def test_a_file_is_added_followed_read_and_removed(front: RpcFront):
    call = front.client.collections
    at = await front.described(front.client)
    one = {"collection_id": at.collection_id, "file_id": at.file_id}
    member = await call("GetFile", pb.GetCollectionFileRequest(**one))
    assert (member.status, member.progress.segments_done, member.file.id) == (files.STATUS_COMPLETED, 2, at.file_id)
    again = pb.AddFileRequest(collection_id=at.collection_id, file_id=f"cloudglue://files/{at.file_id}")
    assert (await call("AddFile", again)).segmentation_id == member.segmentation_id
    spans = [pb.ManualSpan(end_time=2), pb.ManualSpan(start_time=2, end_time=4)]
    manual = pb.SegmentationConfig(manual_config=pb.ManualConfig(segments=spans))
    await refused(grpc.StatusCode.ALREADY_EXISTS, call("AddFile", pb.AddFileRequest(**one, segmentation_config=manual)))
    listed = await call("ListFiles", pb.ListCollectionFilesRequest(collection_id=at.collection_id, status=3))
    assert (list(listed.files), listed.total) == ([member], 1)
    await call("RemoveFile", pb.RemoveFileRequest(**one))
    await refused(grpc.StatusCode.NOT_FOUND, call("GetFile", pb.GetCollectionFileRequest(**one)))
    recut = await call("AddFile", pb.AddFileRequest(**one, segmentation_config=manual))
    assert list(recut.segmentation_config.manual_config.segments) == spans


async def test_a_description_is_read_whole_in_part_and_as_text(front: RpcFront):
    call = front.client.collections
    at = await front.described(front.client)
    one = {"collection_id": at.collection_id, "file_id": at.file_id}
    whole = await call(
        "GetMediaDescription",
        pb.GetMediaDescriptionRequest(**one, include_thumbnails=True, include_word_timestamps=True),
    )
    assert (whole.title, whole.summary, whole.status) == ("A talk", "On tides.", files.STATUS_COMPLETED)
    assert [(speech.text, speech.start_time, len(speech.words)) for speech in whole.speech] == [
        (TEXT, 0, 1),
        (TEXT, 5, 1),
    ]
    assert all(part.thumbnail_url for part in whole.segment_summary)
    part = pb.GetMediaDescriptionRequest(**one, modalities=["speech"], start_time_seconds=5)
    partial = await call("GetMediaDescription", part)
    assert (partial.title, len(partial.speech), len(partial.segment_summary)) == ("", 1, 0)
    text = pb.GetMediaDescriptionRequest(**one, response_format=pb.RESPONSE_FORMAT_MARKDOWN)
    assert TEXT in (await call("GetMediaDescription", text)).content
    listed = await call("ListMediaDescriptions", pb.ListMediaDescriptionsRequest(collection_id=at.collection_id))
    assert ([item.title for item in listed.descriptions], listed.total) == (["A talk"], 1)
    odd = pb.GetMediaDescriptionRequest(**one, modalities=["smell"])
    await refused(grpc.StatusCode.INVALID_ARGUMENT, call("GetMediaDescription", odd))


FACTS = {
    "type": "object",
    "properties": {"mentions_tide": {"type": "boolean"}, "boats": {"type": "integer", "minimum": 1}},
}


async def entities_of(front: RpcFront, **config) -> tuple[str, str]:
    """A collection of type entities and a file that was extracted in it."""
    extract = pb.ExtractConfig(**config)
    extract.schema.update(FACTS)
    new = pb.CreateCollectionRequest(name="facts", collection_type=pb.COLLECTION_TYPE_ENTITIES, extract_config=extract)
    collection = await front.client.collections("Create", new)
    file = await front.client.upload()
    await front.client.collections("AddFile", pb.AddFileRequest(collection_id=collection.id, file_id=file.id))
    await front.ingest(file.id)
    job = await (jobs := Jobs(front.backend.database, lease_seconds=30)).claim("w")
    assert job is not None and job.kind == "extract"
    await ExtractionWork(front.backend.database, EmbeddedExtractor()).run(job, "w")
    await jobs.finish(job, "w")
    return collection.id, file.id


async def test_a_collection_of_entities_is_made_and_read(front: RpcFront):
    collection_id, file_id = await entities_of(front)
    made = await front.client.collections("Get", pb.GetCollectionRequest(collection_id=collection_id))
    assert made.collection_type == pb.COLLECTION_TYPE_ENTITIES and not made.HasField("describe_config")
    assert struct_json(made.extract_config, "schema") == FACTS
    assert made.extract_config.enable_video_level_entities and not made.extract_config.enable_segment_level_entities
    found = await front.client.collections(
        "GetEntities", pb.GetEntitiesRequest(collection_id=collection_id, file_id=file_id, include_thumbnails=True)
    )
    assert (found.status, struct_json(found, "entities")) == (files.STATUS_COMPLETED, {"mentions_tide": True})
    assert [(source.path, source.start_time) for source in found.entity_sources] == [("mentions_tide", 0.0)]
    assert found.total == 0 and "signature=" in found.thumbnail_url
    listed = await front.client.collections("ListEntities", pb.ListEntitiesRequest(collection_id=collection_id))
    assert listed.total == 1 and listed.files[0].entities == found.entities
    for name, request in (
        ("GetMediaDescription", pb.GetMediaDescriptionRequest(collection_id=collection_id, file_id=file_id)),
        ("ListMediaDescriptions", pb.ListMediaDescriptionsRequest(collection_id=collection_id)),
    ):
        error = await refused(grpc.StatusCode.INVALID_ARGUMENT, front.client.collections(name, request))
        assert error.details() == "This collection holds entities, not media-descriptions."


async def test_entities_of_segments_come_in_pages(front: RpcFront):
    collection_id, file_id = await entities_of(front, enable_segment_level_entities=True)
    page = lists.Page(limit=1, offset=1)
    request = pb.GetEntitiesRequest(collection_id=collection_id, file_id=file_id, page=page, include_thumbnails=True)
    found = await front.client.collections("GetEntities", request)
    assert not found.HasField("entities") and found.total == 2
    (part,) = found.segment_entities
    assert (part.start_time, part.end_time, struct_json(part, "entities")) == (5.0, 10.0, {"mentions_tide": True})
    assert "signature=" in part.thumbnail_url


async def test_a_schema_that_is_wrong_is_refused_by_its_place(front: RpcFront):
    new = pb.CreateCollectionRequest(name="facts", collection_type=pb.COLLECTION_TYPE_ENTITIES)
    error = await refused(grpc.StatusCode.INVALID_ARGUMENT, front.client.collections("Create", new))
    assert "extract_config is required" in (error.details() or "")
    new.extract_config.schema.update({"type": "object", "properties": {"a": {"type": "strng"}}})
    error = await refused(grpc.StatusCode.INVALID_ARGUMENT, front.client.collections("Create", new))
    assert "extract_config.schema.properties.a.type" in (error.details() or "")
    media = pb.CreateCollectionRequest(name="m", collection_type=TYPE)
    made = await front.client.collections("Create", media)
    for name in ("GetEntities", "ListEntities"):
        request = getattr(pb, f"{name}Request")(collection_id=made.id)
        error = await refused(grpc.StatusCode.INVALID_ARGUMENT, front.client.collections(name, request))
        assert error.details() == "This collection holds media-descriptions, not entities."


async def test_a_rich_transcript_is_read_as_fields_and_as_subtitles(front: RpcFront):
    call = front.client.collections
    at = await front.described(front.client, pb.COLLECTION_TYPE_RICH_TRANSCRIPTS)
    made = await call("Get", pb.GetCollectionRequest(collection_id=at.collection_id))
    assert made.collection_type == pb.COLLECTION_TYPE_RICH_TRANSCRIPTS
    assert made.transcribe_config.enable_speech and not made.HasField("describe_config")
    one = {"collection_id": at.collection_id, "file_id": at.file_id}
    whole = await call("GetRichTranscript", pb.GetRichTranscriptRequest(**one, include_word_timestamps=True))
    assert [(item.text, [word.word for word in item.words]) for item in whole.speech] == [(TEXT, ["The"])] * 2
    cues = pb.GetRichTranscriptRequest(**one, response_format=pb.RESPONSE_FORMAT_SRT, start_time_seconds=4)
    assert (await call("GetRichTranscript", cues)).content == "1\n00:00:05,000 --> 00:00:05,200\nAnn: The\n"
    listed = await call("ListRichTranscripts", pb.ListRichTranscriptsRequest(collection_id=at.collection_id))
    assert ([item.title for item in listed.transcripts], listed.total) == (["A talk"], 1)
    description = pb.GetMediaDescriptionRequest(**one)
    assert "rich-transcripts" in str(
        (await refused(grpc.StatusCode.INVALID_ARGUMENT, call("GetMediaDescription", description))).details()
    )


async def test_a_file_is_added_with_metadata_and_without_pictures(front: RpcFront):
    call = front.client.collections
    file = await front.client.upload(metadata={"year": 2024, "by": "Ann"})
    new = pb.CreateCollectionRequest(name="talks", collection_type=TYPE)
    collection = await call("Create", new)
    one = {"collection_id": collection.id, "file_id": file.id}
    add = pb.AddFileRequest(**one, enable_segment_thumbnails=False)
    add.metadata.update({"by": "Bob", "count": 3})
    await call("AddFile", add)
    await front.ingest(file.id)
    found = await front.client.files("Get", files.GetFileRequest(file_id=file.id))
    assert dict(found.metadata) == {"year": 2024, "by": "Bob", "count": 3}
    described = await call(
        "GetMediaDescription",
        pb.GetMediaDescriptionRequest(**one, include_thumbnails=True, include_chapters=True, include_shots=True),
    )
    assert not any(part.thumbnail_url for part in described.segment_summary)
    assert [(item.index, item.start_time, item.end_time, item.description) for item in described.chapters] == [
        (0, 0, 5, "Part 0"),
        (1, 5, 10, "Part 1"),
    ]
    assert not described.shots
