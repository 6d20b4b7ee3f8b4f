"""Responses as logs: in the background, followed and resumed from any front, cancelled, continued. Real clients and sockets."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.core.settings import Settings
from services.nimbus.background import TICK_SECONDS
from services.nimbus.requests import MODELS
from tests.acceptance.described import describe, upload
from tests.acceptance.live_front import Account, Front
from tests.acceptance.scripted_server import ScriptedServer

QUESTION = "What is said of parsing?"
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
Pair = tuple[Account, Account]


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Front, Front]]:
    """Two fronts over one database, with one engine."""
    common = Settings(
        data_dir=tmp_path_factory.mktemp("arcus"),
        engine_secret="a-secret-of-the-tests",  # type: ignore[arg-type]
        engine_timeout_seconds=10,
        min_free_bytes=0,
    )
    first = Front(common, ScriptedServer()).start()
    address = first.backend.settings.engine_address
    second = Front(common.model_copy(update={"engine_address": address})).start()
    yield first, second
    second.stop()
    first.stop()


@pytest.fixture(scope="module")
def pair(fronts: tuple[Front, Front]) -> Pair:
    """One account, at either front, with one described file."""
    account = fronts[0].account()
    collection = account.sdk.collections.create(collection_type="media-descriptions", name="talks")
    file_id = upload(account)
    account.sdk.collections.add_video(collection.id, file_id=file_id)
    describe(account, collection.id, file_id)
    return account, Account(fronts[1], account.key, account.tenant_id)


def ask(**values: Any) -> dict[str, Any]:
    """A question whose answer follows a script; what is no part of a script is of the request."""
    request = {name: values.pop(name) for name in list(values) if name in REQUEST_FIELDS}
    return {"model": "nimbus-001", "input": QUESTION, "instructions": json.dumps(values), **request}


REQUEST_FIELDS = (
    "background",
    "stream",
    "store",
    "previous_response_id",
    "tools",
    "input",
    "tool_choice",
    "instructions",
)


def events_of(reply: httpx.Response) -> list[dict[str, Any]]:
    assert reply.status_code == 200, reply.text
    lines = [line[6:] for line in reply.text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def fold(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The response that a client puts together from its events alone."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "response.created"
    body, items = dict(events[0]["response"]), {}
    for event in events[1:]:
        index = event.get("output_index")
        match event["type"]:
            case "response.output_item.added":
                items[index] = dict(event["item"])
            case "response.content_part.added":
                items[index]["content"] = [dict(event["part"])]
            case "response.output_text.delta":
                items[index]["content"][0]["text"] += event["delta"]
            case "response.output_text.annotation.added":
                part = items[index]["content"][0]
                assert event["annotation_index"] == len(part["annotations"])
                part["annotations"] = [*part["annotations"], event["annotation"]]
            case "response.function_call_arguments.delta":
                items[index]["arguments"] += event["delta"]
            case "response.output_text.done":
                assert event["text"] == items[index]["content"][0]["text"]
            case "response.output_item.done":
                items[index]["status"] = "completed"
                assert event["item"] == items[index]
            case "error":
                body |= {"status": "failed", "error": event["error"]}
            case "response.completed" | "response.cancelled":
                body |= {name: event["response"][name] for name in ("status", "usage", "incomplete_details")}
    output = [items[index] for index in sorted(items)]
    if body["status"] != "completed":
        output = [item | {"status": "incomplete"} for item in output if item["content"][0]["text"]]
    return body | {"output": output}


def wait_for_end(account: Account, id: str, seconds: float = 20) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    with account.http as http:
        while (body := http.get(f"/v1/responses/{id}").json())["status"] == "in_progress":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    return body


def wait_for_engine(pair: Pair, streams: int) -> None:
    engine = pair[0].front.engine
    assert engine is not None
    deadline = time.monotonic() + 10
    while engine.engine.running != streams:
        assert time.monotonic() < deadline
        time.sleep(0.01)


scripts = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "messages": st.integers(1, 30),
        "tokens_per_message": st.integers(1, 6),
        "fail_after": st.sampled_from((-1, -1, -1, 0, 3, 8)),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=scripts, background=st.booleans(), model=st.sampled_from(MODELS))
def test_what_is_stored_is_what_the_events_add_up_to(pair: Pair, script, background, model):
    with pair[0].http as http, pair[1].http as elsewhere:
        sent = ask(**script, stream=True, background=background) | {"model": model}
        told = events_of(http.post("/v1/responses", json=sent))
        body = fold(told)
        stored = http.get(f"/v1/responses/{body['id']}").json()
        assert stored == body
        replayed = events_of(elsewhere.get(f"/v1/responses/{body['id']}?stream=true"))
        assert replayed == told
        if body["output"]:
            (part,) = body["output"][0]["content"]
            numbers = sorted({int(mark) for mark in _marks(part["text"])})
            assert numbers == list(range(1, len(part["annotations"]) + 1)), part


def _marks(text: str) -> list[str]:
    import re

    return re.findall(r"\[(\d{1,4})\]", text)


def test_a_background_response_is_returned_at_once_polled_and_listed(pair: Pair):
    with pair[0].http as http:
        begun = http.post("/v1/responses", json=ask(background=True, messages=20, interval_seconds=0.05)).json()
        assert (begun["status"], begun["output"], begun["background"]) == ("in_progress", [], True)
        running = http.get(f"/v1/responses/{begun['id']}").json()
        assert running == begun
        listed = http.get("/v1/responses", params={"status": "in_progress"}).json()["data"]
        assert begun["id"] in [item["id"] for item in listed]
        body = wait_for_end(pair[1], begun["id"])
        assert body["status"] == "completed" and body["output"][0]["content"][0]["text"].startswith("word")


def test_a_stream_is_resumed_anywhere_by_any_front_while_it_runs(pair: Pair):
    sent = ask(background=True, stream=True, messages=30, interval_seconds=0.05, seed=7)
    with pair[0].http as http, pair[1].http as elsewhere:
        with http.stream("POST", "/v1/responses", json=sent) as reply:
            seen = []
            for line in reply.iter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line[6:]))
                if len(seen) == 8:
                    break  # the client goes away: the response does not
        id = seen[0]["response"]["id"]
        for after in (7, 7, 12):
            rest = events_of(elsewhere.get(f"/v1/responses/{id}?stream=true&starting_after={after}"))
            assert [event["sequence_number"] for event in rest] == list(range(after + 1, after + 1 + len(rest)))
        whole = seen + events_of(http.get(f"/v1/responses/{id}?stream=true&starting_after=7"))
        assert fold(whole) == wait_for_end(pair[0], id)
        assert events_of(http.get(f"/v1/responses/{id}?stream=true&starting_after=100000")) == []


def test_the_openai_client_resumes_a_stream(pair: Pair):
    account = pair[0]
    with openai.OpenAI(api_key=account.key, base_url=f"{account.front.url}/v1", max_retries=0) as client:
        asked = ask(background=True, stream=True, messages=10, interval_seconds=0.02)
        events = []
        with closing(client.responses.create(**asked)) as stream:
            for event in stream:
                events.append(event)
                if len(events) == 6:
                    break
        id, number = events[0].response.id, events[-1].sequence_number
        for event in client.responses.retrieve(id, stream=True, starting_after=number):
            events.append(event)
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert events[-1].type == "response.completed"
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert client.responses.retrieve(id).output_text == text == events[-1].response.output_text
        begun = client.responses.create(**ask(background=True, messages=500, interval_seconds=0.05))
        assert client.responses.cancel(begun.id).status == "cancelled"


@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize("background", [False, True])
def test_cancelling_from_any_front_stops_the_engine(pair: Pair, by: int, background: bool):
    wait_for_engine(pair, 0)
    sent = ask(background=background, stream=True, messages=10_000, interval_seconds=0.02)
    with pair[0].http as http, pair[by].http as other:
        seen: list[dict[str, Any]] = []
        with http.stream("POST", "/v1/responses", json=sent, timeout=20) as reply:
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    seen.append(json.loads(line[6:]))
                if len(seen) == 10 and seen[-1]["type"] != "response.cancelled":
                    cancelled = other.post(f"/v1/responses/{seen[0]['response']['id']}/cancel").json()
                    assert cancelled["status"] == "cancelled"
        wait_for_engine(pair, 0)
        assert seen[-1]["type"] == "response.cancelled"
        assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
        id = cancelled["id"]
        assert other.post(f"/v1/responses/{id}/cancel").json() == cancelled == http.get(f"/v1/responses/{id}").json()
        told = "".join(event["delta"] for event in seen if event["type"] == "response.output_text.delta")
        kept = "".join(part["text"] for item in cancelled["output"] for part in item["content"])
        assert told.startswith(kept)
        last = events_of(other.get(f"/v1/responses/{id}?stream=true&starting_after={seen[-2]['sequence_number']}"))
        assert [(event["type"], event["sequence_number"]) for event in last] == [
            ("response.cancelled", seen[-1]["sequence_number"])
        ]


def test_a_response_deleted_while_it_runs_stops_and_its_readers_are_told(pair: Pair):
    wait_for_engine(pair, 0)
    with pair[0].http as http:
        begun = http.post("/v1/responses", json=ask(background=True, messages=10_000, interval_seconds=0.02)).json()
        with http.stream("GET", f"/v1/responses/{begun['id']}?stream=true", timeout=20) as reply:
            lines = reply.iter_lines()
            next(lines)
            assert pair[1].sdk.responses.delete(begun["id"]).deleted
            rest = [line for line in lines if line.startswith("event: ")]
        assert rest[-1] == "event: error"
        wait_for_engine(pair, 0)
        assert http.get(f"/v1/responses/{begun['id']}").status_code == 404


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_whose_row_is_late_is_answered_all_the_same(pair: Pair, stream: bool):
    """Another writer has the database for longer than the front takes to look after its responses, twice over."""
    front = pair[0].front
    with (
        closing(sqlite3.connect(front.data_dir / "arcus.db", isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
        pair[0].http as http,
    ):
        other.execute("BEGIN IMMEDIATE")
        asking = pool.submit(http.post, "/v1/responses", json=ask(messages=3, stream=stream), timeout=20)
        time.sleep(3 * TICK_SECONDS)
        assert not asking.done()
        other.execute("ROLLBACK")
        reply = asking.result()
    body = events_of(reply)[-1]["response"] if stream else reply.json()
    assert body["status"] == "completed" and body["output"]


def test_what_is_not_to_be_stored_leaves_nothing(pair: Pair):
    with pair[0].http as http:
        body = http.post("/v1/responses", json=ask(store=False)).json()
        assert body["status"] == "completed" and body["store"] is False
        assert http.get(f"/v1/responses/{body['id']}").status_code == 404
        events = events_of(http.post("/v1/responses", json=ask(store=False, stream=True)))
        assert http.get(f"/v1/responses/{events[0]['response']['id']}").status_code == 404


def test_follow_ups_continue_their_own_branch_at_any_front(pair: Pair):
    """The engine's count of input words tells which turns it was given."""
    with pair[0].http as http, pair[1].http as elsewhere:
        root = http.post("/v1/responses", json=ask(messages=1, tokens_per_message=5, instructions="x" * 50)).json()
        assert root["usage"]["input_tokens"] == len(QUESTION.split())
        said = len(root["output"][0]["content"][0]["text"].split())
        follow = {"previous_response_id": root["id"], "input": "and why?"}
        branches = [
            elsewhere.post("/v1/responses", json=ask(messages=1, tokens_per_message=5) | follow).json()
            for _ in range(2)
        ]
        for branch in branches:
            assert branch["usage"]["input_tokens"] == len(QUESTION.split()) + said + 2
            assert branch["previous_response_id"] == root["id"]
            assert branch["instructions"] != root["instructions"]
        third = {"previous_response_id": branches[1]["id"], "input": "so?"}
        body = http.post("/v1/responses", json=ask(messages=1) | third).json()
        said += len(branches[1]["output"][0]["content"][0]["text"].split())
        assert body["usage"]["input_tokens"] == len(QUESTION.split()) + 2 + 1 + said
        running = http.post("/v1/responses", json=ask(background=True, messages=500, interval_seconds=0.05)).json()
        refused = http.post("/v1/responses", json=ask(previous_response_id=running["id"]))
        assert refused.status_code == 400 and "in progress" in refused.json()["error"]
        http.post(f"/v1/responses/{running['id']}/cancel")


@pytest.mark.parametrize("background", [False, True])
def test_a_function_is_called_and_its_output_goes_on(pair: Pair, background: bool):
    call = {"name": "weather", "arguments": '{"city": "Zürich"}'}
    account = pair[0]
    with openai.OpenAI(api_key=account.key, base_url=f"{account.front.url}/v1", max_retries=0) as client:
        asked = ask(tools=[TOOL], call=call, messages=1, text="Let me see. ", background=background)
        events = list(client.responses.create(**asked, stream=True))
        types = [event.type for event in events]
        assert "response.function_call_arguments.done" in types
        done = events[-1].response
        message, function_call = done.output
        assert (message.type, function_call.type) == ("message", "function_call")
        assert (function_call.name, function_call.arguments) == ("weather", call["arguments"])
        output = {"type": "function_call_output", "call_id": function_call.call_id, "output": "sunny"}
        after = client.responses.create(
            **(asked | {"input": [output], "background": False}), previous_response_id=done.id
        )
        assert [item.type for item in after.output] == ["message"]
    with account.http as http:
        events = events_of(http.post("/v1/responses", json={**asked, "stream": True}))
        assert fold(events) == http.get(f"/v1/responses/{events[0]['response']['id']}").json()
    listed = account.sdk.responses.get(done.id)  # what the Cloudglue client makes of it
    assert [type(item.actual_instance).__name__ for item in listed.output] == [
        "ResponseOutputMessage",
        "ResponseFunctionCall",
    ]


def test_an_engine_that_comes_back_lets_a_background_response_go_on(pair: Pair):
    with pair[0].http as http:
        failing = ask(background=True, messages=6, fail_after=3, fail_reason="ENGINE_UNAVAILABLE", seed=3)
        begun = http.post("/v1/responses", json=failing).json()
        # The script fails at the same place again, so that in the end the response does; nothing was told twice.
        events = events_of(http.get(f"/v1/responses/{begun['id']}?stream=true", timeout=60))
        assert events[-1]["type"] == "error"
        assert fold(events) == http.get(f"/v1/responses/{begun['id']}").json()
