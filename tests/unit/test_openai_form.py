"""Citations for clients that are not Cloudglue's: of a type they know, everywhere that one can stand."""

from __future__ import annotations

import copy
from typing import Any

from openai.types.responses import ResponseReasoningItem
from openai.types.responses.response_output_text import AnnotationFileCitation

from services.nimbus.answers.events import EventLog
from services.nimbus.views.openai_form import in_openai_form

CITED = {
    **{"type": "cloudglue_citation", "file_id": "f1", "filename": "tides.mp4", "segment_id": "s1", "index": 10},
    **{"start_time": 20, "end_time": 40.5, "context": "The moon pulls the sea."},
}
ENTRIES: list[Any] = [
    *(["created"], ["in_progress"], ["message"], ["part"], "The tide is"),
    *(["citation", 3, {name: value for name, value in CITED.items() if name != "index"}], " [1]."),
    *(["text_done"], ["part_done"], ["item_done", 0]),
    ["completed", {"input_tokens": 1, "output_tokens": 2}, False, 5],
]


def types(value: Any) -> list[str]:
    if isinstance(value, dict):
        found = [value["type"]] if "segment_id" in value else []
        return found + [type for inner in value.values() for type in types(inner)]
    return [type for inner in value for type in types(inner)] if isinstance(value, list) else []


def test_every_event_and_the_response_tell_file_citations_and_the_log_keeps_its_own():
    log = EventLog({"id": "r-1"})
    for event in [log.apply(entry) for entry in ENTRIES]:
        before = copy.deepcopy(event)
        told = in_openai_form(event)
        assert event == before
        assert types(told) == ["file_citation"] * len(types(event))
        assert told["sequence_number"] == event["sequence_number"] and told["type"] == event["type"]
    assert types(in_openai_form(log.body)) == ["file_citation"] and types(log.body) == ["cloudglue_citation"]


def test_a_citation_has_what_openai_requires_and_keeps_its_times():
    log = EventLog.replayed({"id": "r-1"}, ENTRIES)
    (told,) = in_openai_form(log.body)["output"][0]["content"][0]["annotations"]
    AnnotationFileCitation.model_validate(told, strict=True)
    assert (told["filename"], told["index"]) == ("tides.mp4", len("The tide is"))
    assert (told["start_time"], told["end_time"], told["segment_id"]) == (20, 40.5, "s1")


def test_responses_that_an_earlier_version_kept_are_read_too():
    old = {name: value for name, value in CITED.items() if name not in ("filename", "index")}
    part = {"type": "output_text", "text": "x", "annotations": [old]}
    body = {"output": [{"type": "message", "content": [part]}, {"type": "function_call", "call_id": "c"}]}
    message, call = in_openai_form(body)["output"]
    AnnotationFileCitation.model_validate(message["content"][0]["annotations"][0], strict=True)
    assert call == body["output"][1]


def test_a_query_is_reasoning_that_says_it_and_keeps_its_fields():
    query = {
        **{"type": "cloudglue_query_call", "id": "query_1", "status": "failed", "sql": "SELECT 1", "row_count": 0},
        **{"total_rows": None, "truncated": False, "error": "no such column"},
    }
    told = in_openai_form({"output": [query]})["output"][0]
    assert ResponseReasoningItem.model_validate(told).summary[0].text == "SELECT 1"
    assert told["error"] == "no such column" and told["status"] == "incomplete"
    event = {"type": "response.output_item.added", "output_index": 1, "item": query}
    assert in_openai_form(event)["item"]["type"] == "reasoning" and query["type"] == "cloudglue_query_call"
