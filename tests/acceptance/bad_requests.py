"""Tables of requests that are wrong in one thing, and the words that must name it. {ids} are filled in."""

from __future__ import annotations

from functools import reduce
from typing import Any

from tests.acceptance.bad_chats import CHAT, chat
from tests.acceptance.bad_searches import (
    CREATED,
    PAGES,
    SEARCH_BODIES,
    SEARCH_QUERIES,
    SEARCH_UNKNOWN,
    SEARCH_WITH_BODY,
    criterion,
)

MODEL = "nimbus-001"
DEEP: dict[str, Any] = reduce(lambda inner, _: {"a": inner}, range(40), {"a": 1})
NEW = {"name": "c", "collection_type": "media-descriptions"}
UNIFORM = {"strategy": "uniform", "uniform_config": {"window_seconds": 20}}
LONG = "x" * 3000
Json = dict[str, Any]


def cut(**values: Any) -> Json:
    return {**NEW, "default_segmentation_config": {**UNIFORM, **values}}


def shots(**values: Any) -> Json:
    return {**NEW, "default_segmentation_config": {"strategy": "shot-detector", "shot_detector_config": values}}


def manual(segments: Any, **values: Any) -> Json:
    config = {"strategy": "manual", "manual_config": {"segments": segments}, **values}
    return {"file_id": "{file_id}", "segmentation_config": config}


def ask(**values: Any) -> Json:
    return {"model": MODEL, "input": "why?", "knowledge_base": {"collections": ["{collection_id}"]}, **values}


def about(**values: Any) -> Json:
    return ask(knowledge_base=values)


def entities(**config: Any) -> Json:
    return {"name": "c", "collection_type": "entities", "extract_config": config}


def wanted(**properties: Any) -> Json:
    return entities(schema={"type": "object", "properties": properties})


COLLECTION = [
    ({}, "collection_type"),
    ({"name": "c"}, "collection_type"),
    ({"collection_type": "media-descriptions"}, "name"),
    ({**NEW, "name": "   "}, "name"),
    ({**NEW, "name": "x" * 256}, "name"),
    ({**NEW, "name": ["c"]}, "name"),
    ({**NEW, "description": 5}, "description"),
    ({**NEW, "collection_type": None}, "collection_type"),
    ({**NEW, "collection_type": "moments"}, "not offered"),
    ({**NEW, "describe_config": []}, "describe_config"),
    ({**NEW, "describe_config": {"enable_summary": 1}}, "describe_config.enable_summary"),
    ({**NEW, "describe_config": {"enable_scene_text": "true"}}, "describe_config.enable_scene_text"),
    ({**NEW, "describe_config": {"enable_audio_description": []}}, "describe_config.enable_audio_description"),
    ({**NEW, "describe_config": {"prompt": 1}}, "describe_config.prompt"),
    ({**NEW, "describe_config": {"prompt": LONG}}, "describe_config.prompt"),
    ({**NEW, "collection_type": "rich-transcripts", "transcribe_config": []}, "transcribe_config"),
    (
        {**NEW, "collection_type": "rich-transcripts", "transcribe_config": {"enable_speech": "yes"}},
        "transcribe_config.enable_speech",
    ),
    ({**NEW, "default_thumbnails_config": {"enable_segment_thumbnails": "no"}}, "enable_segment_thumbnails"),
    ({**NEW, "default_thumbnails_config": True}, "default_thumbnails_config"),
    ({**NEW, "default_segmentation_config": "uniform"}, "default_segmentation_config"),
    ({**NEW, "default_segmentation_config": {}}, "default_segmentation_config.strategy"),
    (cut(strategy="random"), "default_segmentation_config.strategy"),
    (cut(strategy="narrative"), "narrative is not offered"),
    (cut(strategy="manual", manual_config={"segments": [{"start_time": 0, "end_time": 1}]}), "can't be manual"),
    (cut(uniform_config={"window_seconds": "20"}), "uniform_config.window_seconds"),
    (cut(uniform_config={"window_seconds": 0}), "uniform_config.window_seconds"),
    (cut(uniform_config={"window_seconds": 121}), "uniform_config.window_seconds"),
    (cut(uniform_config={"window_seconds": True}), "uniform_config.window_seconds"),
    (cut(uniform_config={"window_seconds": 20, "hop_seconds": 0}), "uniform_config.hop_seconds"),
    (cut(uniform_config={"window_seconds": 20, "hop_seconds": -1}), "uniform_config.hop_seconds"),
    (cut(uniform_config=[]), "uniform_config"),
    (cut(start_time_seconds=-1), "start_time_seconds"),
    (cut(start_time_seconds="0"), "start_time_seconds"),
    (cut(start_time_seconds=5, end_time_seconds=5), "end_time_seconds"),
    (shots(detector="magic"), "shot_detector_config.detector"),
    (shots(threshold="high"), "shot_detector_config.threshold"),
    (shots(threshold=-1), "shot_detector_config.threshold"),
    (shots(min_seconds=0.1), "shot_detector_config.min_seconds"),
    (shots(max_seconds=601), "shot_detector_config.max_seconds"),
    (shots(min_seconds=20, max_seconds=10), "shot_detector_config.max_seconds"),
    (shots(fill_gaps="yes"), "shot_detector_config.fill_gaps"),
    ({"name": "c", "collection_type": "entities"}, "extract_config is required"),
    ({"name": "c", "collection_type": "entities", "extract_config": []}, "extract_config"),
    (entities(), "needs a schema, or a prompt"),
    (entities(prompt=5), "extract_config.prompt"),
    (entities(prompt=LONG), "extract_config.prompt"),
    (entities(schema=[]), "extract_config.schema"),
    (entities(schema={}), "extract_config.schema.type"),
    (entities(schema={"type": "array", "items": {"type": "string"}}), "extract_config.schema.type"),
    (entities(schema={"type": "object", "properties": {}}), "needs properties"),
    (wanted(a={"type": "strng"}), "extract_config.schema.properties.a.type"),
    (wanted(a={"type": "string", "pattern": "(?=a)a"}), "extract_config.schema.properties.a.pattern"),
    (wanted(a={"$ref": "https://example.com/a.json"}), "extract_config.schema.properties.a.$ref"),
    (wanted(a={"type": "string", "format": "colour"}), "extract_config.schema.properties.a.format"),
    (wanted(a={"type": "array"}), "extract_config.schema.properties.a"),
    (entities(prompt="p", enable_transcript_mode="yes"), "extract_config.enable_transcript_mode"),
    (entities(prompt="p", enable_metadata_mode=True), "enable_metadata_mode"),
    (
        entities(prompt="p", enable_video_level_entities=True, enable_segment_level_entities=True),
        "enable entities of the video or of its segments, not both",
    ),
]
COLLECTION_CHANGE = [({"name": ""}, "name"), ({"name": 1}, "name"), ({"description": {}}, "description")]
FILE_CHANGE = [
    ({"filename": ""}, "filename"),
    ({"filename": 5}, "filename"),
    ({"metadata": []}, "metadata"),
    ({"metadata": "{}"}, "metadata"),
    ({"metadata": {"a": "x" * 70_000}}, "metadata"),
    ({"metadata": {"a": 10**400}}, "metadata"),
]
ADDITION = [
    ({}, "file_id"),
    ({"file_id": 7}, "file_id"),
    ({"file_id": None}, "file_id"),
    ({"file_id": "{file_id}", "url": "cloudglue://files/{file_id}"}, "file_id"),
    ({"url": "https://example.com/a.mp4"}, "does not fetch URLs"),
    ({"url": "cloudglue://files/"}, "file id"),
    ({"url": "cloudglue://files/a/b"}, "file id"),
    ({"url": 3}, "url"),
    ({"file_id": "{file_id}", "metadata": {"a": "\0"}}, "null character"),
    ({"file_id": "{file_id}", "metadata": {"a": "x" * 70_000}}, "metadata"),
    ({"file_id": "{file_id}", "metadata": 5}, "metadata"),
    ({"file_id": "{file_id}", "segmentation_id": 5}, "segmentation_id"),
    ({"file_id": "{file_id}", "segmentation_id": "x", "segmentation_config": UNIFORM}, "segmentation_id"),
    ({"file_id": "{file_id}", "segmentation_config": []}, "segmentation_config"),
    ({"file_id": "{file_id}", "segmentation_config": {"strategy": "x"}}, "segmentation_config.strategy"),
    ({"file_id": "{file_id}", "segmentation_config": {"strategy": "manual"}}, "manual_config"),
    (manual([]), "manual_config.segments"),
    (manual("all"), "manual_config.segments"),
    (manual([5]), "manual_config.segments[0]"),
    (manual([{"start_time": 0}]), "manual_config.segments[0]"),
    (manual([{"start_time": 0, "end_time": 2}, {"start_time": 4, "end_time": 3}]), "manual_config.segments[1]"),
    (manual([{"start_time": -1, "end_time": 3}]), "start_time"),
    (manual([{"start_time": 0, "end_time": 1}], end_time_seconds=-1), "end_time_seconds"),
    ({"file_id": "{file_id}", "thumbnails_config": {}}, "thumbnails_config.enable_segment_thumbnails"),
]
QUESTION = [
    ({}, "model"),
    (ask(model=None), "model"),
    (ask(model=["nimbus-001"]), "model"),
    (ask(model="nimbus-009"), "model"),
    (ask(input=None), "input"),
    (ask(input="  "), "input"),
    (ask(input=[]), "input"),
    (ask(input=5), "input"),
    (ask(input=["why?"]), "input[0]"),
    (ask(input=[{"role": "king", "content": "x"}]), "input[0].role"),
    (ask(input=[{"role": ["user"], "content": "x"}]), "input[0].role"),
    (ask(input=[{"role": "user"}]), "input[0].content"),
    (ask(input=[{"role": "user", "content": [{"type": "input_image"}]}]), "input[0].content[0]"),
    (ask(input=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]), "input must end"),
    (ask(input="x" * 400_001), "input"),
    (ask(instructions=5), "instructions"),
    (ask(temperature="hot"), "temperature"),
    (ask(temperature=-0.1), "temperature"),
    (ask(temperature=2.1), "temperature"),
    (ask(temperature=True), "temperature"),
    (ask(max_output_tokens=0), "max_output_tokens"),
    (ask(max_output_tokens=1.5), "max_output_tokens"),
    (ask(max_output_tokens=128_001), "max_output_tokens"),
    (ask(stream="yes"), "stream"),
    (ask(store=1), "store"),
    (ask(metadata=[]), "metadata"),
    (ask(background="yes"), "background"),
    (ask(background=True, store=False), "store"),
    (ask(previous_response_id=5), "previous_response_id"),
    (ask(tool_choice="sometimes"), "tool_choice"),
    (ask(input=[{"type": "computer_call"}]), "input[0]"),
    (ask(include="all"), "include"),
    (ask(include=[1]), "include"),
    (ask(include=["cloudglue_citations.media_description"]), "include"),
    (ask(tools={}), "tools"),
    (ask(tools=[{"type": "function"}]), "tools[0]"),
    (ask(knowledge_base=[]), "knowledge_base"),
    (about(), "knowledge_base.collections"),
    (about(collections="x"), "knowledge_base.collections"),
    (about(collections=[]), "knowledge_base.collections"),
    (about(collections=[1]), "knowledge_base.collections"),
    (about(collections=["x"] * 101), "knowledge_base.collections"),
    (about(source="internet"), "knowledge_base.source"),
    (about(source=["files"]), "knowledge_base.source"),
    (ask(metadata=DEEP), "metadata is nested deeper"),
    (ask(metadata={"a": "x" * 70_000}), "metadata"),
    (ask(tools=[{"type": "function", "name": "f", "parameters": DEEP}]), "tools is nested deeper"),
    (ask(tools=[{"type": "function", "name": "f", "description": "x" * 300_000}]), "tools"),
    (ask(instructions="x" * 400_001), "instructions"),
    (about(source="files"), "knowledge_base.files"),
    (about(files=["{unknown}"]), "knowledge_base.files needs source"),
    (about(source="files", files=["cloudglue://videos/1"]), "file id"),
    (about(source="default", type="entity_backed_knowledge"), "entity_backed_knowledge"),
    (about(source="default", type="guess"), "knowledge_base.type"),
    (about(source="default", filter=[]), "knowledge_base.filter"),
    (about(source="default", filter={"colour": []}), "colour"),
    (about(source="default", filter={"metadata": {}}), "knowledge_base.filter.metadata"),
    (about(source="default", filter=criterion(operator="Near")), "filter.metadata[0].operator"),
    (about(source="default", filter=criterion("file", path="colour")), "filter.file[0].path"),
    (about(source="default", filter=criterion("video_info", path="width")), "filter.video_info[0].path"),
    (about(source="default", filter=criterion(path="a..b")), "filter.metadata[0].path"),
    (about(source="default", filter=criterion(path=5)), "filter.metadata[0]"),
    (about(source="default", filter=criterion(valueText=5)), "valueText"),
    (about(source="default", filter=criterion(operator="In")), "valueTextArray"),
    (about(source="default", filter=criterion(operator="In", valueTextArray=[])), "valueTextArray"),
    (about(source="default", filter=criterion(operator="ContainsAny", valueTextArray=[1])), "valueTextArray"),
    (about(source="default", filter=criterion("file", path="bytes", valueText="many")), "filter"),
    (about(source="default", filter=criterion("file", path="created_at", valueText="now")), "filter"),
    (about(source="default", filter=criterion(scope="world")), "scope"),
    (about(source="default", filter={"source_metadata": [{}]}), "source_metadata"),
    (about(source="default", filter=criterion("file", path="id", scope="segment")), "filter.file[0].scope"),
    (about(source="default", filter=criterion("video_info", path="has_audio", valueText="x")), "true or false"),
]
BODIES = [
    *(("POST", "/collections", body, words) for body, words in COLLECTION),
    *(("PUT", "/collections/{collection_id}", body, words) for body, words in COLLECTION_CHANGE),
    *(("PUT", "/files/{file_id}", body, words) for body, words in FILE_CHANGE),
    *(("POST", "/collections/{collection_id}/media", body, words) for body, words in ADDITION),
    *SEARCH_BODIES,
    *(("POST", "/responses", body, words) for body, words in QUESTION),
    *(("POST", "/chat/completions", body, words) for body, words in CHAT),
]


ADDED = ("added_after=soon", "added_before=20260101T")
SORTS = ("order=size", "sort=up")
FILTERS = ("filter=x", "filter=[]", "filter=%7B%22colour%22:[]%7D", 'filter={"file":[{"path":"bytes"}]}')
TEXTS = ("response_format=xml", "modalities=smell", "modalities=speech&modalities=x", "include_metadata=maybe")
QUERIES = {
    "/files": (*PAGES, *SORTS, *CREATED, *FILTERS, "status=ready"),
    "/responses/{response_id}/input_items": ("limit=0", "limit=x", "order=up"),
    "/responses/{response_id}": ("stream=maybe", "starting_after=-2", "starting_after=x"),
    "/files/{file_id}/thumbnails": (*PAGES, "is_default=maybe", "type=poster"),
    "/collections": (*PAGES, *SORTS, *CREATED, "collection_type=films", "order=filename"),
    "/collections/{collection_id}/videos": (*PAGES, *SORTS, *ADDED, *FILTERS, "status=ready"),
    "/collections/{collection_id}/media": (*PAGES, *SORTS, *ADDED, *FILTERS, "status=ready"),
    "/collections/{collection_id}/media-descriptions": (*PAGES, *SORTS, *ADDED, *TEXTS),
    "/collections/{collection_id}/videos/{file_id}/media-descriptions": (
        *TEXTS,
        "start_time_seconds=-1",
        "start_time_seconds=x",
        "end_time_seconds=-0.5",
        "end_time_seconds=nan",
        "start_time_seconds=inf",
        "start_time_seconds=5&end_time_seconds=5",
        "include_thumbnails=2",
        "include_word_timestamps=x",
        "include_chapters=x",
        "include_shots=x",
    ),
    "/collections/{collection_id}/entities": (*PAGES, *SORTS, *ADDED),
    "/collections/{collection_id}/videos/{file_id}/entities": (
        *PAGES,
        "include_thumbnails=2",
        "include_chapters=x",
        "include_shots=x",
    ),
    "/collections/{collection_id}/rich-transcripts": (*PAGES, *SORTS, *ADDED, *TEXTS),
    "/collections/{collection_id}/videos/{file_id}/rich-transcripts": (
        *TEXTS,
        "start_time_seconds=-1",
        "end_time_seconds=nan",
        "start_time_seconds=5&end_time_seconds=5",
        "include_word_timestamps=x",
    ),
    "/responses": (*PAGES, *CREATED, "status=ready", "order=up"),
    "/chat/completions": (*PAGES, *CREATED, "order=up"),
    "/usage": (
        *PAGES,
        "bucket_width=2d",
        "start_time=x",
        "start_time=-1",
        "end_time=-1",
        "group_by=colour",
    ),
    **SEARCH_QUERIES,
}


UNKNOWN = [
    ("GET", "/files/{unknown}", None),
    ("PUT", "/files/{unknown}", {"filename": "a"}),
    ("DELETE", "/files/{unknown}", None),
    ("GET", "/files/{unknown}/thumbnails", None),
    ("GET", "/collections/{unknown}", None),
    ("PUT", "/collections/{unknown}", {"name": "a"}),
    ("DELETE", "/collections/{unknown}", None),
    *(
        (method, f"/collections/{path}", body)
        for noun in ("videos", "media")
        for method, path, body in (
            ("GET", f"{{unknown}}/{noun}", None),
            ("POST", f"{{unknown}}/{noun}", {"file_id": "{file_id}"}),
            ("POST", f"{{collection_id}}/{noun}", {"file_id": "{unknown}"}),
            ("POST", f"{{collection_id}}/{noun}", {"url": "cloudglue://files/{unknown}"}),
            ("POST", f"{{collection_id}}/{noun}", {"file_id": "{file_id}", "segmentation_id": "{unknown}"}),
            ("GET", f"{{collection_id}}/{noun}/{{unknown}}", None),
            ("GET", f"{{unknown}}/{noun}/{{file_id}}", None),
            ("DELETE", f"{{collection_id}}/{noun}/{{unknown}}", None),
            ("DELETE", f"{{unknown}}/{noun}/{{file_id}}", None),
        )
    ),
    ("GET", "/collections/{unknown}/media-descriptions", None),
    ("GET", "/collections/{unknown}/videos/{file_id}/media-descriptions", None),
    ("GET", "/collections/{collection_id}/videos/{unknown}/media-descriptions", None),
    ("GET", "/collections/{unknown}/entities", None),
    ("GET", "/collections/{unknown}/videos/{file_id}/entities", None),
    ("GET", "/collections/{facts_id}/videos/{unknown}/entities", None),
    ("GET", "/collections/{unknown}/rich-transcripts", None),
    ("GET", "/collections/{unknown}/videos/{file_id}/rich-transcripts", None),
    ("GET", "/responses/{unknown}", None),
    ("GET", "/responses/{unknown}/input_items", None),
    ("POST", "/responses", ask(knowledge_base={"collections": ["{unknown}"]})),
    ("POST", "/responses", ask(knowledge_base={"source": "files", "files": ["{unknown}"]})),
    ("GET", "/chat/completions/{unknown}", None),
    ("GET", "/chat/completions?after={unknown}", None),
    ("POST", "/chat/completions", chat(collections=["{unknown}"])),
    ("GET", "/models/{unknown}", None),
    *SEARCH_UNKNOWN,
]


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b'"text"',
    b"5",
    b"null",
    b'{"a": Infinity}',
    b"{'a': 1}",
    b'{"a": 1,}',
    b"\x00",
    b"\xff",
]
WITH_BODY = [
    ("POST", "/collections"),
    ("PUT", "/collections/{collection_id}"),
    ("PUT", "/files/{file_id}"),
    ("POST", "/collections/{collection_id}/videos"),
    ("POST", "/collections/{collection_id}/media"),
    *SEARCH_WITH_BODY,
    ("POST", "/responses"),
    ("POST", "/chat/completions"),
]


FORM = "multipart/form-data; boundary=x"
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nbytes\r\n--x--\r\n'
FORMS = [
    ("multipart/form-data", FILE),
    ("multipart/form-data; boundary=", FILE),
    ("multipart/form-data; boundary=y", FILE),
    (f"multipart/form-data; boundary={'y' * 5000}", FILE),
    ("application/octet-stream", FILE),
    (FORM, b""),
    (FORM, b"--x--\r\n"),
    (FORM, b"--x\r\n\r\nbytes\r\n--x--\r\n"),
    (FORM, b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nbytes\r\n--x--\r\n'),
    (FORM, b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\nbytes\r\n--x--\r\n'),
    (FORM, b'--x\r\nContent-Disposition: form-data; name="file"; filename="/"\r\n\r\nbytes\r\n--x--\r\n'),
    (FORM, b"--x\r\nContent-Disposition form-data\r\n\r\nbytes\r\n--x--\r\n"),
    (FORM, FILE[:-6]),
    (FORM, FILE[:60]),
    (FORM, FILE.replace(b"bytes", b"")),
    (FORM, FILE.replace(b"a.mp4", b"a" * 9000 + b".mp4")[:4000]),
]
