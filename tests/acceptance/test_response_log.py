"""Responses as logs: in the background, followed and resumed from any front, cancelled, continued. Real clients and sockets."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.core.engines.config import MODELS
from services.nimbus.answers.background import TICK_SECONDS
from tests.acceptance.described import described_talk
from tests.acceptance.doors.door import Door, told_event
from tests.acceptance.doors.grpc_door import GrpcDoor
from tests.acceptance.doors.stage import DOORS, anonymous
from tests.acceptance.folding import fold
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer

QUESTION = "What is said of parsing?"
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
Pair = tuple[Account, Account]


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Front, Front]]:
    """Two fronts over one database, with one engine."""
    common = front_settings(tmp_path_factory.mktemp("arcus"))
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
    described_talk(account)
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
    deadline = time.monotonic() + 60
    while engine.engine.running != streams:
        assert time.monotonic() < deadline
        time.sleep(0.01)


scripts = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "messages": st.integers(1, 30),
        "tokens_per_message": st.integers(1, 6),
        "fail_after": st.sampled_from((-1, -1, -1, 0, 3, 8)),
        "call": st.sampled_from((None, None, {"name": "weather", "arguments": '{"city": "Zürich"}'})),
    }
)


@pytest.fixture(scope="module")
def grpc_pair(pair: Pair) -> Iterator[tuple[GrpcDoor, GrpcDoor]]:
    """gRPC at either front."""
    first, second = (GrpcDoor(account.channel(), account.metadata) for account in pair)
    yield first, second
    first.close()
    second.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=scripts, background=st.booleans(), model=st.sampled_from(MODELS))
def test_what_is_stored_is_what_the_events_add_up_to(pair: Pair, grpc_pair, script, background, model):
    """Over HTTP and over gRPC: told, stored, and read again at another front over either."""
    request = ask(**script, background=background, tools=[TOOL]) | {"model": model}
    with pair[0].http as http, pair[1].http as elsewhere:
        told = events_of(http.post("/v1/responses", json={**request, "stream": True}))
        body = fold(told)
        assert http.get(f"/v1/responses/{body['id']}").json() == body
        assert events_of(elsewhere.get(f"/v1/responses/{body['id']}?stream=true")) == told
        with grpc_pair[1].follow(body["id"]) as events:
            assert list(events) == [told_event(event) for event in told]
        with grpc_pair[0].stream(request) as events:
            again = list(events)
        assert anonymous(again) == anonymous([told_event(event) for event in told])
        body = fold(again)
        assert grpc_pair[0].get(body["id"]) == body
        replayed = events_of(elsewhere.get(f"/v1/responses/{body['id']}?stream=true"))
        assert [told_event(event) for event in replayed] == again
    for part in (part for item in body["output"] for part in item.get("content", ())):
        numbers = {int(mark) for mark in re.findall(r"\[(\d{1,4})\]", part["text"])}
        assert numbers == set(range(1, len(part["annotations"]) + 1)), part


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


def test_an_engine_that_comes_back_lets_a_background_response_go_on(pair: Pair):
    failing = {"messages": 9, "fail_after": 3, "fail_reason": "ENGINE_UNAVAILABLE", "seed": 3}
    with pair[0].http as http:
        begun = http.post("/v1/responses", json=ask(background=True, recovers=True, **failing)).json()
        events = events_of(http.get(f"/v1/responses/{begun['id']}?stream=true", timeout=60))
        body = fold(events)
        assert body == http.get(f"/v1/responses/{begun['id']}").json() and body["status"] == "completed"
        unbroken = http.post("/v1/responses", json=ask(messages=9, seed=3)).json()
        assert _text(body) == _text(unbroken)


def _text(body: dict[str, Any]) -> str:
    return body["output"][0]["content"][0]["text"]


@pytest.mark.parametrize("door", DOORS, ids=["cloudglue", "openai", "grpc"])
def test_a_conversation_goes_on_after_a_restart(tmp_path: Path, door: Callable[[Account], Door]):
    """Two branches of it, which do not see each other; what had been told is read again as it was."""
    settings, engine = front_settings(tmp_path), ScriptedServer()
    before = Front(settings, engine).start()
    account = before.account()
    here = door(account)
    root = here.ask(ask(messages=1, tokens_per_message=5))
    first = here.ask(ask(messages=1, tokens_per_message=7, previous_response_id=root["id"], input="and why?"))
    with here.follow(first["id"]) as events:
        told = list(events)
    here.close()
    before.stop()
    after = Front(settings, engine).start()
    there = door(Account(after, account.key, account.tenant_id))
    try:
        assert there.get(first["id"]) == first
        with there.follow(first["id"]) as events:
            assert list(events) == told
        second = there.ask(ask(messages=1, previous_response_id=root["id"], input="and how long?"))
        third = there.ask(ask(messages=1, previous_response_id=first["id"], input="so?"))
        turns = len(QUESTION.split()) + len(_text(root).split())
        assert second["usage"]["input_tokens"] == turns + 3
        assert third["usage"]["input_tokens"] == turns + 2 + len(_text(first).split()) + 1
    finally:
        there.close()
        after.stop()
