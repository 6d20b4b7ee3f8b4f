"""Searches over HTTP with the real Cloudglue client, and over gRPC: one behaviour."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from arcus.v1 import lists_pb2, search_pb2, segments_pb2
from cloudglue import CloudglueError

from loadtests.library import Library, fill
from services.core.index.embedding_log import EmbeddingLog
from tests.acceptance.described import describe, upload
from tests.acceptance.live_front import Account, Front
from tests.acceptance.rpc_front import TEXT, RpcFront, open_front
from tests.acceptance.scripted_server import vector_of

Json = dict[str, Any]


@pytest.fixture(scope="module")
def talks(answering: Front) -> tuple[Account, str, list[str]]:
    """An account, its collection, and two described files of two segments each."""
    account = answering.account()
    collection_id = account.sdk.collections.create(collection_type="media-descriptions", name="talks").id
    ids = []
    for name in ("a.mp4", "b.mp4"):
        ids.append(upload(account, name))
        account.sdk.collections.add_video(collection_id, file_id=ids[-1])
        describe(account, collection_id, ids[-1])
    account.sdk.files.update(ids[1], metadata={"speaker": "Zoë", "year": 2024})
    return account, collection_id, ids


def results(reply: Any) -> list[Any]:
    return [item.actual_instance for item in reply.results]


def test_segments_are_found_by_meaning_with_all_there_is_to_show(talks):
    account, collection_id, ids = talks
    found = account.sdk.search.search(scope="segment", collections=[collection_id], query="résumé parsing", limit=2)
    assert (found.object, found.scope, found.query, found.limit) == ("search", "segment", "résumé parsing", 2)
    assert found.search_modalities == ["general_content"] and found.total == 2 and found.group_by_key is None
    best, second = results(found)
    assert {best.file_id, second.file_id} == set(ids) and best.score >= second.score > 0.5
    assert (best.type, best.title, best.start_time, best.end_time) == ("segment", "Part 2", 20.0, 40.0)
    assert best.collection_id == collection_id and best.filename in ("a.mp4", "b.mp4")
    assert best.speech[0].text == "résumé parsing splits a document" and best.speech[0].speaker == "Speaker 1"
    assert best.visual_description[0].text == "A person at a desk" and best.scene_text[0].text == "SLIDE"
    assert best.thumbnail_url.startswith(account.front.url) and best.metadata == {}
    assert account.sdk.file_segments.get(best.file_id, best.segment_id).start_time == 20.0


def test_files_are_found_once_each(talks):
    account, collection_id, ids = talks
    for modality in ("general_content", "speech_lexical", "ocr_lexical"):
        query = "slide" if modality == "ocr_lexical" else "streaming"
        found = account.sdk.search.search(
            scope="file", collections=[collection_id], query=query, search_modalities=[modality]
        )
        assert sorted(item.file_id for item in results(found)) == sorted(ids), modality
        first = results(found)[0]
        assert (first.type, first.generated_title, first.summary) == ("file", "A talk", "On parsing and streaming.")


def test_words_are_looked_for_where_they_were_said_or_shown(talks):
    account, collection_id, _ = talks

    def starts(query: str, *modalities: str) -> list[float]:
        found = account.sdk.search.search(
            scope="segment", collections=[collection_id], query=query, search_modalities=list(modalities)
        )
        return sorted(item.start_time for item in results(found))

    assert starts("stream", "speech_lexical") == [0.0, 0.0]  # as streaming
    assert starts("slides", "ocr_lexical") == [0.0, 0.0, 20.0, 20.0]
    assert starts("slide", "speech_lexical") == [] and starts("streaming", "ocr_lexical") == []
    assert starts("desk", "speech_lexical", "ocr_lexical") == []
    assert starts('"parsing splits"', "speech_lexical") == [20.0, 20.0]
    assert starts('"splits parsing"', "speech_lexical") == []
    assert starts('streaming "a document"', "speech_lexical") == []
    assert starts("streaming documents", "speech_lexical") == [0.0, 0.0, 20.0, 20.0]
    assert starts("waiting slide", "speech_lexical", "ocr_lexical", "general_content") == [0.0, 0.0, 20.0, 20.0]
    for odd in ('"', '""', "'", "*", "a AND", "(", "speech : x", "NEAR(", "the of", "!", "\\", "é" * 100):
        starts(odd, "speech_lexical")


def test_several_ways_of_searching_are_fused(talks):
    account, collection_id, _ = talks
    both = ["speech_lexical", "general_content"]
    found = account.sdk.search.search(
        scope="segment", collections=[collection_id], query="résumé parsing", search_modalities=both, limit=4
    )
    assert found.search_modalities == both
    assert [item.start_time for item in results(found)] == [20.0, 20.0, 0.0, 0.0]
    scores = [item.score for item in results(found)]
    assert scores == sorted(scores, reverse=True) and len({item.segment_id for item in results(found)}) == 4


def test_results_are_grouped_by_file(talks):
    account, collection_id, ids = talks
    search = account.sdk.search.search
    for sort_by in (None, "score", "item_count"):
        found = search(
            scope="segment",
            collections=[collection_id],
            query="résumé parsing splits a document",
            group_by_key="file",
            sort_by=sort_by,
            limit=3,
        )
        groups = results(found)
        assert (found.group_by_key, found.group_count, found.total) == ("file", 2, 3)
        assert {group.file_id for group in groups} == set(ids)
        assert sorted(group.item_count for group in groups) == [1, 2]
        for group in groups:
            assert group.item_count == len(group.matched_items) and group.best_score == group.matched_items[0].score
            assert {item.file_id for item in group.matched_items} == {group.file_id}
    assert groups[0].item_count == 2


def test_a_threshold_leaves_out_what_scores_less(talks):
    account, collection_id, _ = talks
    scores = [item.score for item in results(_search(talks, query="streaming"))]
    found = account.sdk.search.search(
        scope="segment", collections=[collection_id], query="streaming", threshold=scores[1]
    )
    assert [item.score for item in results(found)] == scores[:2]
    assert account.sdk.search.search("segment", [collection_id], query="streaming", threshold=1.5).total == 0


def _search(talks: Any, **values: Any) -> Any:
    account, collection_id, _ = talks
    return account.sdk.search.search(**{"scope": "segment", "collections": [collection_id], "query": "talk", **values})


def _filter(kind: str, path: str, operator: str, value: str, **rest: str) -> Json:
    return {kind: [{"path": path, "operator": operator, "valueText": value, **rest}]}


@pytest.mark.parametrize("scope", ["segment", "file"])
@pytest.mark.parametrize("modality", ["general_content", "speech_lexical", "ocr_lexical"])
def test_a_filter_narrows_every_search(talks, scope: str, modality: str):
    _, _, ids = talks
    for filter, expected in (
        (_filter("metadata", "speaker", "Like", "ZOË"), [ids[1]]),
        (_filter("metadata", "year", "LessThan", "2024.5"), [ids[1]]),
        (_filter("file", "filename", "Equal", "a.mp4"), [ids[0]]),
        (_filter("video_info", "duration_seconds", "Equal", "40"), sorted(ids)),
        (_filter("video_info", "duration_seconds", "LessThan", "20", scope="segment"), []),
        (_filter("source_metadata", "topic", "NotEqual", "x"), sorted(ids)),
        (_filter("source_metadata", "topic", "Equal", "x"), []),
        (_filter("file", "id", "Equal", ids[0]) | _filter("metadata", "year", "Equal", "2024"), []),
    ):
        found = _search(
            talks, scope=scope, query="streaming parsing slide", filter=filter, search_modalities=[modality]
        )
        assert sorted({item.file_id for item in results(found)}) == expected, filter


def test_the_metadata_of_a_segment_narrows_searches_answers_and_lists(talks):
    account, collection_id, ids = talks
    sdk = account.sdk
    page = sdk.file_segments.list(ids[0])
    assert [(item.start_time, item.end_time, item.metadata) for item in page.data] == [(0, 20, {}), (20, 40, {})]
    chosen = page.data[1]
    try:
        changed = sdk.file_segments.update(ids[0], chosen.id, metadata={"kind": "intro", "rank": 2})
        assert changed.metadata == {"kind": "intro", "rank": 2}
        filter = _filter("metadata", "kind", "Equal", "intro", scope="segment")
        for modality in ("general_content", "speech_lexical", "ocr_lexical"):
            found = _search(talks, query="streaming slide résumé", filter=filter, search_modalities=[modality])
            assert [item.segment_id for item in results(found)] == [chosen.id], modality
            assert results(found)[0].metadata == {"kind": "intro", "rank": 2}
        assert [item.file_id for item in results(_search(talks, scope="file", filter=filter))] == [ids[0]]
        assert [item.id for item in sdk.files.list(filter=filter).data] == [ids[0]]
        assert [item.file_id for item in sdk.collections.list_videos(collection_id, filter=filter).data] == [ids[0]]
        response = sdk.responses.create(
            model="nimbus-001",
            input="What is said of streaming?",
            collections=[collection_id],
            instructions='{"messages": 2, "text": "Said [1] and [2]. "}',
            filter=filter,
        )
        cited = response.output[0].actual_instance.content[0].annotations
        assert {item.segment_id for item in cited} == {chosen.id}
    finally:
        with account.http as http:
            reply = http.put(f"/v1/files/{ids[0]}/segments/{chosen.id}", json={"metadata": None})
        assert reply.json()["metadata"] == {}


def test_segments_and_segmentations_of_a_file_are_listed(talks):
    account, _, ids = talks
    sdk = account.sdk
    (cut,) = sdk.files.list_segmentations(ids[0]).data
    assert (cut.status, cut.total_segments, cut.file_id) == ("completed", 2, ids[0])
    assert cut.segmentation_config.strategy == "uniform" and cut.thumbnails_config.enable_segment_thumbnails is True
    page = sdk.files.list_segments(ids[0], start_time_after=20)
    assert [(item.start_time, item.segmentation_id) for item in page.data] == [(20, cut.segmentation_id)]
    assert page.data[0].thumbnail_url.startswith(account.front.url)
    assert sdk.files.list_segments(ids[0], end_time_before=19.5).total == 0
    assert [item.end_time for item in sdk.files.list_segments(ids[0], limit=1, offset=1).data] == [40]
    with account.http as http:
        for query, total in (("min_duration=20", 2), ("max_duration=19", 0), ("min_duration=20.5", 0)):
            assert http.get(f"/v1/files/{ids[0]}/segments?{query}").json()["total"] == total


def test_past_searches_are_listed_and_read_again(answering: Front):
    account = answering.account()
    collection_id = account.sdk.collections.create(collection_type="media-descriptions", name="c").id
    file_id = upload(account)
    account.sdk.collections.add_video(collection_id, file_id=file_id)
    describe(account, collection_id, file_id)
    search = account.sdk.search
    made = [
        search.search(scope="segment", collections=[collection_id], query="parsing", group_by_key="file"),
        search.search(scope="file", collections=[collection_id], query="parsing"),
        search.search(scope="segment", collections=[collection_id], query="parsing", search_modalities=["ocr_lexical"]),
    ]
    for reply in made:
        assert uuid.UUID(reply.id) and search.get(reply.id) == reply
    listed = search.list(limit=2)
    assert (listed.total, listed.limit, [item.id for item in listed.data]) == (3, 2, [made[2].id, made[1].id])
    (first,) = search.list(limit=2, offset=2).data
    assert (first.query, first.group_by_key, first.group_count, first.total) == ("parsing", "file", 1, 2)
    with account.http as http:
        assert http.get("/v1/search?created_before=2020-01-01").json()["total"] == 0
    account.sdk.files.delete(file_id)
    assert [search.get(reply.id).total for reply in made] == [0, 0, 0]


def test_a_collection_that_can_not_be_searched_so_is_refused(talks):
    account, collection_id, _ = talks
    plain = account.sdk.collections.create(
        collection_type="media-descriptions", name="plain", describe_config={"enable_summary": False}
    )
    with pytest.raises(CloudglueError) as refused:
        _search(talks, scope="file", collections=[collection_id, plain.id])
    assert refused.value.status_code == 400 and "enable_summary" in refused.value.data.error
    with pytest.raises(CloudglueError) as missing:
        _search(talks, collections=[collection_id, "unknown"])
    assert missing.value.status_code == 404 and "unknown" in missing.value.data.error


def _far_away(front: Front, account: Account) -> tuple[str, Library]:
    """A collection of 1,000 files, of which only number 700 does not say what will be asked for."""
    backend = front.backend
    texts = ["nothing of it" if number == 700 else "parsing" for number in range(1000)]
    vectors = [vector_of(text).tobytes() for text in texts]
    new = backend.collections.create(account.tenant_id, name="many", collection_type="media-descriptions")
    collection = front.call(new)
    library = front.call(fill(backend.database, collection, texts, vectors, file_count=1000))
    assert front.engine is not None
    places = dict(zip(library.segment_ids, library.file_ids, strict=True))
    for row in front.call(EmbeddingLog(backend.database).read(collection.shard, 0, 100_000)):
        if row.segment_id in places:
            front.engine.index.setdefault(collection.id, {})[row.embedding_id] = vector_of(
                "nothing of it" if places[row.segment_id] == library.file_ids[700] else "parsing"
            )
            front.engine.places[row.embedding_id] = (places[row.segment_id], row.segment_id)
    return collection.id, library


def test_one_file_of_a_thousand_is_found_though_all_others_are_nearer(answering: Front):
    account = answering.account()
    collection_id, library = _far_away(answering, account)
    wanted = library.file_ids[700]
    filter = _filter("metadata", "number", "Equal", "700")
    for scope in ("segment", "file"):
        found = account.sdk.search.search(scope=scope, collections=[collection_id], query="parsing", filter=filter)
        assert [item.file_id for item in results(found)] == [wanted]
    response = account.sdk.responses.create(
        model="nimbus-001",
        input="What is said of parsing?",
        collections=[collection_id],
        instructions='{"messages": 1, "text": "Said [1]. "}',
        filter=filter,
    )
    assert {item.file_id for item in response.output[0].actual_instance.content[0].annotations} == {wanted}
    assert account.sdk.collections.list_videos(collection_id, filter=filter).total == 1


@pytest.fixture
async def rpc(tmp_path) -> Any:
    async with open_front(tmp_path) as front:
        yield front


async def test_grpc_searches_alike(rpc: RpcFront):
    at = await rpc.described(rpc.client)
    request = search_pb2.SearchRequest(
        scope="segment",
        collections=[at.collection_id],
        query="tide",
        limit=1,
        search_modalities=["speech_lexical"],
        group_by_key="file",
    )
    reply = await rpc.client.search("Search", request)
    (result,) = reply.results
    (item,) = result.segment_group.matched_items
    assert (reply.group_count, reply.total, reply.limit, reply.query) == (1, 1, 1, "tide")
    assert item.file_id == at.file_id and item.speech[0].text == TEXT and item.speech[0].speaker == "Ann"
    assert item.thumbnail_url.startswith("/v1/thumbnails/")
    assert await rpc.client.search("Get", search_pb2.GetSearchRequest(search_id=reply.id)) == reply
    listed = await rpc.client.search("List", search_pb2.ListSearchesRequest(page=lists_pb2.Page(limit=1)))
    assert (listed.total, listed.searches[0].id, len(listed.searches[0].results)) == (2, reply.id, 0)

    change = segments_pb2.UpdateSegmentRequest(
        file_id=at.file_id, segment_id=item.segment_id, metadata={"rank": 3, "tags": ["x"]}
    )
    assert (await rpc.client.segments("Update", change)).metadata["rank"] == 3
    only = lists_pb2.Criterion(path="rank", operator="GreaterThan", value_text="2", scope="segment")
    for scope, kind in (("segment", "segment"), ("file", "file")):
        narrowed = search_pb2.SearchRequest(
            scope=scope,
            collections=[at.collection_id],
            query="tide",
            search_modalities=["speech_lexical"],
            filter=lists_pb2.SearchFilter(metadata=[only]),
        )
        (found,) = (await rpc.client.search("Search", narrowed)).results
        assert getattr(found, kind).file_id == at.file_id
    cut = await rpc.client.segments("ListSegmentations", segments_pb2.ListSegmentationsRequest(file_id=at.file_id))
    assert cut.segmentations[0].segment_count == 2 and cut.segmentations[0].HasField("segmentation_config")
    listing = segments_pb2.ListSegmentsRequest(file_id=at.file_id, start_time_after=5)
    assert [part.start_time for part in (await rpc.client.segments("List", listing)).segments] == [5]
