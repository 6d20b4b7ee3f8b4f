"""Tables of searches and changes of segments that are wrong in one thing, as those of bad_requests.py."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
PAGES = (
    "limit=0",
    "limit=101",
    "limit=1.5",
    "limit=",
    "offset=-1",
    "offset=x",
    "offset=99999999999999999999",
    "after=at_x",
    "after=x&offset=1",
)
CREATED = ("created_after=soon", "created_before=2026-02-30", "created_after=2026-01-01T25:00:00")


def criterion(kind: str = "metadata", **values: Any) -> Json:
    return {kind: [{"path": "a", "operator": "Equal", "valueText": "b", **values}]}


def search(**values: Any) -> Json:
    return {"scope": "segment", "collections": ["{collection_id}"], "query": "why?", **values}


SEGMENT = [({"metadata": []}, "metadata"), ({"metadata": {"a": "x" * 70_000}}, "metadata")]
SEARCH = [
    ({}, "scope"),
    (search(scope="world"), "scope"),
    (search(scope=["file"]), "scope"),
    (search(scope="face", source_image={"url": "x"}), "face is not offered"),
    (search(scope="moment"), "moment is not offered"),
    (search(source_image={"url": "x"}), "source_image"),
    (search(criterion_name="x"), "criterion_name"),
    (search(label_filters=["x"]), "label_filters"),
    (search(collections=None), "collections"),
    (search(collections=[]), "collections"),
    (search(collections="x"), "collections"),
    (search(collections=["x"] * 101), "collections"),
    (search(query=None), "query"),
    (search(query=" "), "query"),
    (search(query=["why"]), "query"),
    (search(query="x" * 10_001), "query"),
    (search(limit=0), "limit"),
    (search(limit=101), "limit"),
    (search(limit="10"), "limit"),
    (search(limit=True), "limit"),
    (search(threshold="high"), "threshold"),
    (search(threshold=10**400), "threshold"),
    (search(group_by_key="speaker"), "group_by_key"),
    (search(scope="file", group_by_key="file"), "group_by_key"),
    (search(sort_by="age"), "sort_by"),
    (search(sort_by="item_count"), "sort_by"),
    (search(search_modalities="general_content"), "search_modalities"),
    (search(search_modalities=[1]), "search_modalities"),
    (search(search_modalities=["smell"]), "'smell' is not known"),
    (search(search_modalities=["tag_semantic"]), "'tag_semantic' is not offered"),
    (search(search_modalities=["doc_lexical"], scope="file"), "'doc_lexical' is not offered"),
    (search(filter=[]), "filter"),
    (search(filter=criterion(operator="Near")), "filter.metadata[0].operator"),
]
SEARCH_BODIES = [
    *(("PUT", "/files/{file_id}/segments/{segment_id}", body, words) for body, words in SEGMENT),
    *(("POST", "/search", body, words) for body, words in SEARCH),
]
SEARCH_QUERIES = {
    "/search": (*PAGES, *CREATED),
    "/files/{file_id}/segmentations": PAGES,
    "/files/{file_id}/segments": (
        *PAGES,
        "start_time_after=-1",
        "start_time_after=x",
        "end_time_before=inf",
        "min_duration=nan",
        "max_duration=-5",
        "min_duration=5&max_duration=4",
    ),
}
SEARCH_UNKNOWN = [
    ("GET", "/files/{unknown}/segmentations", None),
    ("GET", "/files/{unknown}/segments", None),
    ("GET", "/files/{unknown}/segments/{segment_id}", None),
    ("GET", "/files/{file_id}/segments/{unknown}", None),
    ("PUT", "/files/{file_id}/segments/{unknown}", {"metadata": {"a": 1}}),
    ("PUT", "/files/{unknown}/segments/{segment_id}", {"metadata": {"a": 1}}),
    ("GET", "/search/{unknown}", None),
    ("POST", "/search", search(collections=["{unknown}"])),
    ("POST", "/search", search(collections=["{collection_id}", "{unknown}"])),
]
SEARCH_WITH_BODY = [("PUT", "/files/{file_id}/segments/{segment_id}"), ("POST", "/search")]
