"""Questions about entities, and those that are planned first, at every door, answered by the embedded engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.nimbus.requests.input_items import response_of
from tests.acceptance.doors.door import Json, Refused
from tests.acceptance.doors.entity_stage import EntityStage
from tests.acceptance.doors.scenarios import citations, text
from tests.acceptance.folding import fold

COUNTING = "How many videos are about France?"
COUNTED = "2 videos (country: France)."
UNTOLD = "I could not tell that from what is recorded of these videos."


def kinds(body: Json) -> list[str]:
    return [item["type"] for item in body["output"]]


def a_count_is_told_and_its_query_shown_behind_the_message(at: EntityStage) -> Any:
    body = at.door.ask(at.asks_facts(COUNTING))
    assert kinds(body) == ["message", "cloudglue_query_call"]
    assert text(body) == COUNTED
    call = body["output"][1]
    assert (call["status"], call["row_count"], call["truncated"], call["error"]) == ("completed", 1, False, None)
    assert call["sql"].startswith("SELECT") and at.door.get(body["id"]) == body
    assert response_of(call["id"]) == body["id"]  # so that a later input may refer to it
    return body


def a_maximum_and_a_list_are_told(at: EntityStage) -> Any:
    most, listed = (
        at.door.ask(at.asks_facts(question))
        for question in ("Which video has the most turbines?", "List the rivers of all videos")
    )
    assert "Rance" in text(most) and "24" in text(most)
    assert all(river in text(listed) for river in ("Rance", "Annapolis", "Rhône"))
    return most, listed


def a_streamed_answer_adds_up_to_the_same(at: EntityStage) -> Any:
    told = at.streamed(at.asks_facts(COUNTING))
    body = fold(told)
    assert text(body) == COUNTED and kinds(body) == ["message", "cloudglue_query_call"]
    added = [event["output_index"] for event in told if event["type"] == "response.output_item.added"]
    assert added == [0, 1] and at.followed(body["id"]) == told and at.door.get(body["id"]) == body
    return told


def an_answer_in_the_background_is_the_same(at: EntityStage) -> Any:
    begun = at.door.ask(at.asks_facts(COUNTING, background=True))
    assert begun["status"] == "in_progress"
    body = at.ended(begun["id"])
    assert text(body) == COUNTED and kinds(body) == ["message", "cloudglue_query_call"]
    assert fold(at.followed(begun["id"])) == body
    return body


def what_entities_can_not_tell_is_said_to_be_so(at: EntityStage) -> Any:
    body = at.door.ask(at.asks_facts("Which dam is the most beautiful?"))
    assert text(body) == UNTOLD and kinds(body) == ["message"]
    return body


def segments_answer_what_entities_do_not(at: EntityStage) -> Any:
    counted = at.door.ask(at.asks_facts(COUNTING, talks=True))
    quoted = at.door.ask(at.asks_facts("What does résumé parsing split?", talks=True))
    assert text(counted) == COUNTED and citations(counted) == []
    assert "parsing splits a document" in text(quoted) and kinds(quoted) == ["message"]
    assert {found["collection_id"] for found in citations(quoted)} == {at.collection_id}
    return counted, quoted


def a_conversation_goes_on_over_the_same_entities(at: EntityStage) -> Any:
    root = at.door.ask(at.asks_facts(COUNTING))
    follow = {"model": "nimbus-002-preview", "knowledge_base": None, "previous_response_id": root["id"]}
    after = at.door.ask(at.asks("And about Canada?", **follow))
    assert text(after) == "1 video (country: Canada)." and kinds(after)[1] == "cloudglue_query_call"
    return root, after


def entities_of_others_and_other_models_are_refused(at: EntityStage) -> Any:
    told = []
    for wrong, status, word in (
        ({"facts": at.foreign_facts_id}, 404, "ollection"),
        ({"facts": at.collection_id}, 400, "not entities"),
        ({"model": "nimbus-001"}, 400, "nimbus-002-preview"),
    ):
        for background in (False, True):
            with pytest.raises(Refused) as refused:
                at.door.ask(at.asks_facts(COUNTING, background=background, **wrong))
            assert refused.value.status == status and word in refused.value.message
            told.append(refused.value.message)
    with pytest.raises(Refused) as refused:  # as one that is searched
        at.door.ask(at.asks(knowledge_base={"collections": [at.facts_id]}))
    return told, refused.value.status, refused.value.message


def the_files_themselves_are_asked_of(at: EntityStage) -> Any:
    told = []
    for model in ("nimbus-001", "nimbus-002-preview"):
        body = at.door.ask(at.asks("How many videos are there?", model=model))
        assert text(body) == f"{len(at.file_ids)} videos." and kinds(body) == ["message", "cloudglue_query_call"]
        assert citations(body) == []
        told.append(body)
    in_german = at.door.ask(
        at.asks("Wie viele Videos gibt es?", knowledge_base={"source": "files", "files": list(at.file_ids[:1])})
    )
    assert text(in_german) == "1 Video."
    return told, in_german


def a_comparison_cites_every_video_it_needs(at: EntityStage) -> Any:
    asked = "Compare what Amy.mp4 and Zoë.mp4 say about résumé parsing."
    body = at.door.ask(at.asks(asked, model="nimbus-002-preview"))
    assert {found["file_id"] for found in citations(body)} == set(at.file_ids)
    return body


def a_follow_up_is_searched_for_by_what_it_means(at: EntityStage) -> Any:
    root = at.door.ask(at.asks("What is said about chunked streaming?"))
    after = at.door.ask(at.asks("And about résumé parsing?", knowledge_base=None, previous_response_id=root["id"]))
    assert "beats waiting" in text(root), text(root)
    assert "splits a document" in text(after), text(after)
    return root, after


ENTITY_SCENARIOS: tuple[Callable[[EntityStage], Any], ...] = (
    a_count_is_told_and_its_query_shown_behind_the_message,
    a_maximum_and_a_list_are_told,
    a_streamed_answer_adds_up_to_the_same,
    an_answer_in_the_background_is_the_same,
    what_entities_can_not_tell_is_said_to_be_so,
    segments_answer_what_entities_do_not,
    a_conversation_goes_on_over_the_same_entities,
    entities_of_others_and_other_models_are_refused,
    the_files_themselves_are_asked_of,
    a_comparison_cites_every_video_it_needs,
    a_follow_up_is_searched_for_by_what_it_means,
)


# With an engine that follows a script: what an engine of another kind may plan.


def queries_and_segments_stand_in_one_answer(at: EntityStage) -> Any:
    queries = ["SELECT count(*) FROM entities", "SELECT * FROM read_text('/etc/passwd')", "SELECT river FROM entities"]
    told = at.streamed(at.asks_facts("What is said of parsing?", talks=True, queries=queries, parts=["parsing"]))
    body = fold(told)
    assert kinds(body) == ["message", *["cloudglue_query_call"] * 3] and len(citations(body)) == 4
    assert [item["status"] for item in body["output"][1:]] == ["completed", "failed", "completed"]
    assert [item["row_count"] for item in body["output"][1:]] == [1, 0, 3]
    assert "read_text" in body["output"][2]["error"] and at.door.get(body["id"]) == body
    return told


def a_function_is_called_behind_the_queries(at: EntityStage) -> Any:
    call = {"name": "weather", "arguments": "{}"}
    tools = [{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}]
    asked = at.asks_facts("Which?", queries=["SELECT 1"], tools=tools, call=call, messages=1)
    body = fold(at.streamed(asked))
    assert kinds(body) == ["message", "cloudglue_query_call", "function_call"]
    return body


SCRIPTED_SCENARIOS = (queries_and_segments_stand_in_one_answer, a_function_is_called_behind_the_queries)
