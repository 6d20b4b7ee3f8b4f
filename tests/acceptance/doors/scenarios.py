"""The table of scenarios: each is played at every door, must hold there, and must come out the same at all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from services.core.store.plain_json import MAX_LEVELS
from tests.acceptance.doors.door import Json, Refused
from tests.acceptance.doors.stage import QUESTION, SPEAKERS, Stage, collection_of_talks
from tests.acceptance.folding import fold

TOOL = {"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}}
CALL = {"name": "weather", "arguments": '{"city": "Zürich"}'}
ENDLESS = {"messages": 10_000, "interval_seconds": 0.02}
RICH = {"include": ["cloudglue_citations.media_descriptions"]}


def text(body: Json) -> str:
    return "".join(part["text"] for item in body["output"] if item["type"] == "message" for part in item["content"])


def citations(body: Json) -> list[Json]:
    return [found for item in body["output"] for part in item.get("content", ()) for found in part["annotations"]]


def an_answer_is_given_whole_and_kept(at: Stage) -> Any:
    body = at.door.ask(at.asks(messages=3, metadata={"user": "u1", "n": {"list": [True, "x"]}}))
    assert body["status"] == "completed" and body["metadata"]["user"] == "u1"
    assert text(body).startswith("word word word word [1]") and body["usage"]["output_tokens"] == 12
    assert at.door.get(body["id"]) == body
    return body


def a_stream_adds_up_to_what_is_kept(at: Stage) -> Any:
    told = at.streamed(at.asks(seed=11, messages=20))
    body = fold(told)
    assert at.door.get(body["id"]) == body and body["status"] == "completed"
    assert at.followed(body["id"]) == told
    return told


def events_come_while_the_engine_writes(at: Stage) -> Any:
    with at.door.stream(at.asks(messages=1_000, interval_seconds=0.01)) as events:
        some = list(islice(events, 8))
        at.engine_writes(1)
    at.engine_writes(0)
    return some


def citations_are_numbered_by_first_use_and_none_is_made_up(at: Stage) -> Any:
    body = at.door.ask(at.asks(messages=1, text="Later [3], sooner [1][3], never [99]. [0] [2, 1] é𝄞"))
    assert text(body) == "Later [1], sooner [2][1], never. [3][2] é𝄞"
    assert len({found["segment_id"] for found in citations(body)}) == len(citations(body)) == 3
    assert {found["collection_id"] for found in citations(body)} == {at.collection_id}
    return body


def media_descriptions_are_told_where_they_are_asked_for(at: Stage) -> Any:
    plain, told = at.door.ask(at.asks(messages=4)), at.streamed(at.asks(messages=4, **RICH))
    added = [event["annotation"] for event in told if event["type"] == "response.output_text.annotation.added"]
    assert added == citations(fold(told)) and len(added) == 4
    assert {(found["start_time"], found["end_time"]) for found in added} == {(0, 20), (20, 40)}
    assert all(found["speech"] and found["relevant_sources"] for found in added)
    assert not any(found["speech"] or found["relevant_sources"] for found in citations(plain))
    return told


def follow_ups_continue_their_own_branch(at: Stage) -> Any:
    """The engine's count of input words tells which turns it was given."""
    root = at.door.ask(at.asks(messages=1, tokens_per_message=5))
    said = len(text(root).split())
    follow = {"knowledge_base": None, "previous_response_id": root["id"], "messages": 1}
    branches = [at.door.ask(at.asks("and why?", tokens_per_message=count, **follow)) for count in (2, 3)]
    for branch in branches:
        assert branch["usage"]["input_tokens"] == len(QUESTION.split()) + said + 2
        assert branch["previous_response_id"] == root["id"] and branch["instructions"] != root["instructions"]
        assert {found["collection_id"] for found in citations(branch)} == {at.collection_id}  # the same knowledge base
    third = at.door.ask(at.asks("so?", **{**follow, "previous_response_id": branches[1]["id"]}))
    said += len(text(branches[1]).split())
    assert third["usage"]["input_tokens"] == len(QUESTION.split()) + 2 + 1 + said
    return root, branches, third


def instructions_are_of_one_response(at: Stage) -> Any:
    root = at.door.ask(at.asks(messages=1, text="Bonjour [1]."))
    after = at.door.ask(at.asks("why?", knowledge_base=None, previous_response_id=root["id"]))
    assert after["instructions"] is None and "Bonjour" not in text(after)
    return root, after


def a_conversation_is_sent_as_messages(at: Stage) -> Any:
    turns = [
        {"role": "developer", "content": json.dumps({"messages": 1})},
        {"role": "user", "content": "What is said of streaming?"},
        {"role": "assistant", "content": "It beats waiting."},
        {"role": "user", "content": QUESTION},
    ]
    body = at.door.ask(at.asks(turns))
    assert body["usage"]["input_tokens"] == sum(len(turn["content"].split()) for turn in turns[1:])
    return body


def a_background_response_is_returned_at_once_and_polled(at: Stage) -> Any:
    begun = at.door.ask(at.asks(background=True, messages=20, interval_seconds=0.02))
    assert (begun["status"], begun["output"], begun["background"]) == ("in_progress", [], True)
    assert at.door.get(begun["id"]) == begun
    assert begun["id"] in [item["id"] for item in at.door.list(status="in_progress")["data"]]
    body = at.ended(begun["id"])
    assert body["status"] == "completed" and fold(at.followed(begun["id"])) == body
    return begun, body


def what_still_runs_is_not_continued(at: Stage) -> Any:
    begun = at.door.ask(at.asks(background=True, **ENDLESS))
    with pytest.raises(Refused) as refused:
        at.door.ask(at.asks(previous_response_id=begun["id"]))
    assert refused.value.status == 400 and "in progress" in refused.value.message
    at.door.cancel(begun["id"])
    return refused.value.message


def a_background_stream_is_left_and_resumed(at: Stage) -> Any:
    with at.door.stream(at.asks(background=True, seed=5, messages=30, interval_seconds=0.01)) as events:
        seen = list(islice(events, 7))
    id, after = seen[0]["response"]["id"], seen[-1]["sequence_number"]
    whole = seen + at.followed(id, after)
    assert fold(whole) == at.door.get(id) and whole[-1]["type"] == "response.completed"
    assert at.followed(id, 3) == whole[4:] and at.followed(id) == whole
    assert at.followed(id, 100_000) == []
    return whole


def a_response_is_cancelled_once_and_for_all(at: Stage) -> Any:
    begun = at.door.ask(at.asks(background=True, **ENDLESS))
    with at.door.follow(begun["id"]) as events:
        seen = list(islice(events, 8))
        at.engine_writes(1)
        cancelled = at.door.cancel(begun["id"])
        at.engine_writes(0)
        last = list(events)[-1]
    assert (cancelled["status"], last["type"]) == ("cancelled", "response.cancelled")
    assert at.door.cancel(begun["id"]) == cancelled == at.door.get(begun["id"])
    done = at.door.ask(at.asks(messages=1))
    assert at.door.cancel(done["id"]) == done
    return seen[:4], done


def going_away_frees_the_engine_and_keeps_what_was_told(at: Stage) -> Any:
    with at.door.stream(at.asks(**ENDLESS)) as events:
        seen = list(islice(events, 10))
        at.engine_writes(1)
    at.engine_writes(0)
    body = at.ended(seen[0]["response"]["id"])
    told = "".join(event["delta"] for event in seen if "delta" in event)
    assert body["status"] == "cancelled" and text(body).startswith(told) and body["output"][0]["status"] == "incomplete"
    return seen


def a_response_is_deleted_for_good(at: Stage) -> Any:
    kept, gone = (at.door.ask(at.asks(messages=1))["id"] for _ in range(2))
    for _ in range(2):
        at.door.delete(gone)
    at.door.delete(at.foreign_response_id)
    with pytest.raises(Refused) as refused:
        at.door.get(gone)
    assert refused.value.status == 404
    return at.door.get(kept), refused.value.message


def responses_are_listed_by_status_and_page(at: Stage) -> Any:
    ids = [at.door.ask(at.asks(messages=1))["id"] for _ in range(3)]
    whole = at.door.list(status="completed", limit=3)
    assert [item["id"] for item in whole["data"]] == ids[::-1]
    assert all(item["output"] == [] and item["usage"] for item in whole["data"])
    assert at.door.list(status="completed", limit=1, offset=1)["data"] == whole["data"][1:2]
    assert at.door.list(status="in_progress") == {"data": [], "total": 0}
    assert at.foreign_response_id not in [item["id"] for item in at.door.list(limit=100)["data"]]
    return whole["data"]


def a_function_is_called_and_its_output_goes_on(at: Stage) -> Any:
    asked = {"tools": [TOOL], "call": CALL, "messages": 1, "text": "Let me see. "}
    told = at.streamed(at.asks(**asked, background=True))
    body = fold(told)
    assert at.door.get(body["id"]) == body
    message, call = body["output"]
    assert (message["type"], call["name"], call["arguments"]) == ("message", "weather", CALL["arguments"])
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    after = at.door.ask(at.asks([output], **asked, previous_response_id=body["id"]))
    assert [item["type"] for item in after["output"]] == ["message"]
    given = [{"role": "user", "content": QUESTION}, _sent(call), output]
    assert text(at.door.ask(at.asks(given, **asked))) == text(after)
    return told, after


def _sent(call: Json) -> Json:
    return {name: call[name] for name in ("type", "call_id", "name", "arguments")}


def a_function_that_may_not_be_called_is_not(at: Stage) -> Any:
    asked: tuple[Json, ...] = (
        {"call": CALL},
        {"tools": [TOOL]},
        {"call": CALL, "tools": [TOOL], "tool_choice": "none"},
    )
    bodies = [at.door.ask(at.asks(**each, messages=1)) for each in asked]
    assert [[item["type"] for item in body["output"]] for body in bodies] == [["message"]] * 3
    return bodies


def a_filter_keeps_what_may_be_cited(at: Stage) -> Any:
    base = {"collections": [at.collection_id]}
    of_second = {"metadata": [{"path": "speaker", "operator": "Equal", "valueText": SPEAKERS[1]}]}
    of_first = {"file": [{"path": "id", "operator": "In", "valueTextArray": [at.file_ids[0]]}]}
    of_none = {"video_info": [{"path": "duration_seconds", "operator": "GreaterThan", "valueText": "4000"}]}
    bodies = [at.door.ask(at.asks(knowledge_base={**base, "filter": kept})) for kept in (of_second, of_first, of_none)]
    cited = [{found["file_id"] for found in citations(body)} for body in bodies]
    assert cited == [{at.file_ids[1]}, {at.file_ids[0]}, set()]
    return bodies


def sources_are_files_everything_or_not_named(at: Stage) -> Any:
    uri = f"cloudglue://files/{at.file_ids[1]}"
    bases = ({"source": "files", "files": [uri]}, {"source": "files", "files": [at.file_ids[0]]}, {"source": "default"})
    bodies = [at.door.ask(at.asks(knowledge_base=base)) for base in (*bases, None)]
    cited = [{found["file_id"] for found in citations(body)} for body in bodies]
    assert cited == [{at.file_ids[1]}, {at.file_ids[0]}, set(at.file_ids), set(at.file_ids)]
    assert all(found["collection_id"] is None for body in bodies for found in citations(body))
    return bodies


def collections_are_asked_together_or_alone(at: Stage) -> Any:
    other_id, other_files = collection_of_talks(at.account, "more talks")
    asked = ([at.collection_id, other_id], [other_id], [other_id, other_id])
    bodies = [at.door.ask(at.asks(knowledge_base={"collections": ids})) for ids in asked]
    cited = [{found["collection_id"] for found in citations(body)} for body in bodies]
    assert cited == [{at.collection_id, other_id}, {other_id}, {other_id}]
    assert {found["file_id"] for found in citations(bodies[1])} == set(other_files)
    at.account.sdk.collections.delete(other_id)
    for file_id in other_files:
        at.account.sdk.files.delete(file_id)
    return [citations(body) for body in bodies[1:]]


def an_answer_is_cut_at_its_limit_and_says_so(at: Stage) -> Any:
    body = at.door.ask(at.asks(messages=50, tokens_per_message=2, max_output_tokens=10))
    assert (body["status"], body["incomplete_details"]) == ("completed", {"reason": "max_output_tokens"})
    assert body["usage"]["output_tokens"] == 10
    return body


def what_is_not_to_be_stored_leaves_nothing(at: Stage) -> Any:
    before = at.door.list()["total"]
    bodies = [at.door.ask(at.asks(messages=1, store=False)), fold(at.streamed(at.asks(messages=1, store=False)))]
    assert at.door.list()["total"] == before
    for body in bodies:
        with pytest.raises(Refused):
            at.door.get(body["id"])
    return bodies


def an_engine_that_fails_ends_the_stream_with_an_error(at: Stage) -> Any:
    failing = at.asks(messages=5, fail_after=2, fail_reason="ENGINE_UNAVAILABLE")
    told = at.streamed(failing)
    body = fold(told)
    assert (told[-1]["type"], body["status"], body["error"]["code"]) == ("error", "failed", "engine_unavailable")
    assert at.door.get(body["id"]) == body and text(body)
    with pytest.raises(Refused) as refused:
        at.door.ask(failing)
    assert refused.value.status == 503
    return told, refused.value.message


def both_models_answer(at: Stage) -> Any:
    bodies = [at.door.ask(at.asks(model=model)) for model in ("nimbus-001", "nimbus-002-preview")]
    assert [body["model"] for body in bodies] == ["nimbus-001", "nimbus-002-preview"]
    return bodies


def segments_and_files_are_searched_and_the_search_is_kept(at: Stage) -> Any:
    common = {"collections": [at.collection_id], "query": "résumé parsing"}
    of_second = {"metadata": [{"path": "speaker", "operator": "Equal", "valueText": SPEAKERS[1]}]}
    found = [
        at.door.search({**common, "scope": "segment", "limit": 3}),
        at.door.search({**common, "scope": "file"}),
        at.door.search({**common, "scope": "segment", "group_by_key": "file"}),
        at.door.search({**common, "scope": "segment", "search_modalities": ["speech_lexical"]}),
        at.door.search({**common, "scope": "segment", "filter": of_second, "threshold": 0.01}),
        at.door.search(
            {**common, "scope": "segment", "search_modalities": ["ocr_lexical"], "query": "slide", "limit": 1}
        ),
    ]
    assert len(found[0]["results"]) == 3 and {hit["file_id"] for hit in found[4]["results"]} == {at.file_ids[1]}
    assert [at.door.get_search(one["id"]) for one in found] == found and len(found[5].pop("results")) == 1
    found[3]["results"].sort(key=lambda hit: hit["filename"])  # they are as good as each other
    listed = at.door.list_searches()
    assert listed["data"][:6] == [one["id"] for one in reversed(found)]
    return found


def what_is_nested_as_deep_as_may_be_is_told_again_at_every_door(at: Stage) -> Any:
    deep: Json = {"a": 1}
    for _ in range(MAX_LEVELS - 3):
        deep = {"a": deep}
    tools = [{**TOOL, "parameters": deep}]
    made = at.door.ask(at.asks(messages=1, metadata={"a": {"a": deep}}, tools=tools))
    assert at.door.get(made["id"]) == made and made["metadata"] == {"a": {"a": deep}}
    listed = at.door.list(limit=1)["data"][0]
    assert listed["metadata"] == made["metadata"] and fold(at.followed(made["id"])) == made
    at.door.delete(made["id"])
    return made


SCENARIOS: tuple[Callable[[Stage], Any], ...] = (
    an_answer_is_given_whole_and_kept,
    a_stream_adds_up_to_what_is_kept,
    events_come_while_the_engine_writes,
    citations_are_numbered_by_first_use_and_none_is_made_up,
    media_descriptions_are_told_where_they_are_asked_for,
    follow_ups_continue_their_own_branch,
    instructions_are_of_one_response,
    a_conversation_is_sent_as_messages,
    a_background_response_is_returned_at_once_and_polled,
    what_still_runs_is_not_continued,
    a_background_stream_is_left_and_resumed,
    a_response_is_cancelled_once_and_for_all,
    going_away_frees_the_engine_and_keeps_what_was_told,
    a_response_is_deleted_for_good,
    responses_are_listed_by_status_and_page,
    a_function_is_called_and_its_output_goes_on,
    a_function_that_may_not_be_called_is_not,
    a_filter_keeps_what_may_be_cited,
    collections_are_asked_together_or_alone,
    sources_are_files_everything_or_not_named,
    an_answer_is_cut_at_its_limit_and_says_so,
    what_is_not_to_be_stored_leaves_nothing,
    an_engine_that_fails_ends_the_stream_with_an_error,
    both_models_answer,
    segments_and_files_are_searched_and_the_search_is_kept,
    what_is_nested_as_deep_as_may_be_is_told_again_at_every_door,
)
