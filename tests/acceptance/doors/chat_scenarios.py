"""Chat completions at every door."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from tests.acceptance.doors.door import Json, Refused
from tests.acceptance.doors.scenarios import CALL, ENDLESS
from tests.acceptance.doors.stage import QUESTION, SPEAKERS, Stage

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
USAGE = {"stream_options": {"include_usage": True}}
ASKED = {"role": "user", "content": QUESTION}


def fold_chunks(chunks: list[Json]) -> Json:
    """The completion that chunks add up to; the last one tells the usage."""
    *told, last, usage = chunks
    assert (told[0]["delta"]["role"], last["finish_reason"] is not None) == ("assistant", True)
    assert len({chunk["id"] for chunk in chunks}) == 1 and not any(chunk["finish_reason"] for chunk in told)
    calls: list[Json] = []
    for piece in (piece for chunk in told for piece in chunk["delta"]["tool_calls"]):
        if piece["id"]:
            calls.append(piece)
        else:
            calls[-1] = {**calls[-1], "arguments": calls[-1]["arguments"] + piece["arguments"]}
    content = "".join(chunk["delta"]["content"] for chunk in told)
    return {
        "id": usage["id"],
        "message": {"role": "assistant", "content": content, "tool_calls": calls},
        "citations": [found for chunk in told for found in chunk["citations"]],
        "finish_reason": last["finish_reason"],
        "usage": usage["usage"],
    }


def a_completion_cites_with_times_and_is_kept(at: Stage) -> Any:
    made = at.door.chat(at.chats(text="Later [3], sooner [1][3], never [99]. ", messages=2, temperature=0.5))
    assert made["message"]["content"].startswith("Later [1], sooner [2][1], never. ")
    assert (made["message"]["role"], made["finish_reason"], made["temperature"]) == ("assistant", "stop", 0.5)
    first, second = made["citations"]
    assert {(found["start_time"], found["end_time"]) for found in (first, second)} <= {(0, 20), (20, 40)}
    (said,) = first["speech"]
    assert said["text"] and said["end_time"] - said["start_time"] == 3
    assert said["text"] in first["context"] and first["scene_text"] == []
    assert first["collection_id"] == at.collection_id and {"text": "speech"} in first["relevant_sources"]
    assert [message["role"] for message in made["messages"]] == ["system", "user"]
    assert made["collections"] == [at.collection_id] and made["usage"]["total_tokens"] > 0
    assert at.door.get_chat(made["id"]) == made
    return made


def chunks_come_while_the_engine_writes_and_add_up_to_what_is_kept(at: Stage) -> Any:
    asked = at.chats(text="It splits [1]. ", messages=5, interval_seconds=0.05, metadata={"user": "u1"}, **USAGE)
    with at.door.stream_chat(asked) as chunks:
        told = list(islice(chunks, 4))
        at.engine_writes(1)
        told += list(chunks)
    made = fold_chunks(told)
    kept = at.door.get_chat(made["id"])
    assert made == {name: kept[name] for name in made} and len(made["citations"]) == 1
    assert kept["metadata"] == {"user": "u1"}
    return told, kept


def a_function_is_called_in_a_chat_and_its_result_goes_on(at: Stage) -> Any:
    asked = {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "weather"}}}
    script = {"call": CALL, "messages": 1}
    told = at.streamed_chat(at.chats(**asked, **script, **USAGE))
    made = fold_chunks(told)
    assert made["finish_reason"] == "tool_calls" and at.door.get_chat(made["id"])["message"] == made["message"]
    (call,) = made["message"]["tool_calls"]
    assert (call["name"], call["arguments"]) == (CALL["name"], CALL["arguments"])
    again = at.door.chat(at.chats(**asked, **script))["message"]
    assert again == {**made["message"], "tool_calls": [{**call, "id": again["tool_calls"][0]["id"]}]}
    function = {name: call[name] for name in ("name", "arguments")}
    calls = [{"id": call["id"], "type": "function", "function": function}]
    before = {"role": "assistant", "content": made["message"]["content"], "tool_calls": calls}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
    after = at.door.chat(at.chats(ASKED, before, result, tools=[TOOL], **script))
    assert after["finish_reason"] == "stop" and after["message"]["tool_calls"] == []
    return told, again, after


def a_chat_goes_on_from_its_earlier_turns_with_either_model(at: Stage) -> Any:
    earlier = {"role": "user", "content": "What is it about?"}, {"role": "assistant", "content": "Of streaming [1]."}
    made = [
        at.door.chat(at.chats(*earlier, ASKED, text="Said [1]. ", messages=1, model=model))
        for model in ("nimbus-001", "nimbus-002-preview")
    ]
    for one in made:
        assert [message["role"] for message in one["messages"]] == ["system", "user", "assistant", "user"]
        assert len(one["citations"]) == 1
    return made


def a_filter_keeps_what_a_chat_may_cite(at: Stage) -> Any:
    of_second = {
        "metadata": [{"path": "speaker", "operator": "Equal", "valueText": SPEAKERS[1]}],
        "video_info": [{"path": "duration_seconds", "operator": "GreaterThan", "valueText": "30"}],
    }
    made = at.door.chat(at.chats(filter=of_second))
    assert {found["file_id"] for found in made["citations"]} == {at.file_ids[1]} and made["filter"] == of_second
    return made


def a_chat_that_names_no_collection_is_about_everything(at: Stage) -> Any:
    made = at.door.chat(at.chats(collections=None))
    assert {found["file_id"] for found in made["citations"]} == set(at.file_ids) and made["collections"] == []
    assert {found["collection_id"] for found in made["citations"]} == {None}
    return made


def a_chat_is_cut_at_its_limit_and_says_so(at: Stage) -> Any:
    made = at.door.chat(at.chats(max_completion_tokens=8, messages=50))
    assert (made["finish_reason"], made["usage"]["completion_tokens"]) == ("length", 8)
    return made


def completions_are_listed_and_deleted_for_good(at: Stage) -> Any:
    ids = [at.door.chat(at.chats(messages=1))["id"] for _ in range(3)]
    listed = at.door.list_chats(limit=3)
    assert [item["id"] for item in listed["data"]] == ids[::-1]
    assert all(item["citations"] == [] and item["message"]["content"] for item in listed["data"])
    assert at.door.list_chats(limit=1, offset=1)["data"] == listed["data"][1:2]
    assert at.foreign_chat_id not in [item["id"] for item in at.door.list_chats(limit=100)["data"]]
    for _ in range(2):
        at.door.delete_chat(ids[0])
    at.door.delete_chat(at.foreign_chat_id)
    with pytest.raises(Refused) as refused:
        at.door.get_chat(ids[0])
    assert refused.value.status == 404 and at.door.list_chats()["total"] == listed["total"] - 1
    with at.account.front.account().http as http:
        assert http.get(f"/v1/chat/completions/{ids[1]}").status_code == 404
    return listed["data"], refused.value.message


def a_completion_is_no_response_and_is_kept_only_if_wanted(at: Stage) -> Any:
    chats, responses = at.door.list_chats()["total"], at.door.list()["total"]
    made = at.door.chat(at.chats(messages=1, store=False))
    told = at.streamed_chat(at.chats(messages=1, store=False, **USAGE))
    kept = at.door.chat(at.chats(messages=1))
    for get, id in ((at.door.get_chat, made["id"]), (at.door.get_chat, told[0]["id"]), (at.door.get, kept["id"])):
        with pytest.raises(Refused) as refused:
            get(id)
        assert refused.value.status == 404
    assert (at.door.list_chats()["total"], at.door.list()["total"]) == (chats + 1, responses)
    return made, told, kept


def an_engine_that_fails_is_told_in_the_last_chunk_and_nothing_is_kept(at: Stage) -> Any:
    before = at.door.list_chats()["total"]
    failing = at.chats(messages=5, fail_after=2, fail_reason="ENGINE_UNAVAILABLE")
    told = at.streamed_chat(failing)
    assert told[-1]["error"]["code"] == "engine_unavailable" and "word" in told[1]["delta"]["content"]
    with pytest.raises(Refused) as refused:
        at.door.chat(failing)
    assert refused.value.status == 503 and at.door.list_chats()["total"] == before
    return told, refused.value.message


def going_away_from_a_chat_frees_the_engine_and_keeps_nothing(at: Stage) -> Any:
    before = at.door.list_chats()["total"]
    with at.door.stream_chat(at.chats(**ENDLESS)) as chunks:
        told = list(islice(chunks, 5))
        at.engine_writes(1)
    at.engine_writes(0)
    assert at.door.list_chats()["total"] == before
    return told


CHAT_SCENARIOS: tuple[Callable[[Stage], Any], ...] = (
    a_completion_cites_with_times_and_is_kept,
    chunks_come_while_the_engine_writes_and_add_up_to_what_is_kept,
    a_function_is_called_in_a_chat_and_its_result_goes_on,
    a_chat_goes_on_from_its_earlier_turns_with_either_model,
    a_filter_keeps_what_a_chat_may_cite,
    a_chat_that_names_no_collection_is_about_everything,
    a_chat_is_cut_at_its_limit_and_says_so,
    completions_are_listed_and_deleted_for_good,
    a_completion_is_no_response_and_is_kept_only_if_wanted,
    an_engine_that_fails_is_told_in_the_last_chunk_and_nothing_is_kept,
    going_away_from_a_chat_frees_the_engine_and_keeps_nothing,
)
