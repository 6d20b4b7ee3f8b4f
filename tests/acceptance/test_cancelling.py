"""Cancelling a response, or going away from it, stops the engine at whatever it does for it, at every door."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from arcus.v1 import responses_pb2_grpc, search_pb2, search_pb2_grpc

from services.nimbus.context.plan import MAX_PARTS
from tests.acceptance.doors.door import Json, Refused
from tests.acceptance.doors.grpc_door import request_message
from tests.acceptance.doors.stage import Stage, stages
from tests.acceptance.live_front import Front
from tests.acceptance.scripted_server import ScriptedServer
from tests.waiting import until

STOPPED_SECONDS = 1
PARTS = ("streaming", "parsing", "waiting")
# What the engine does, a script that keeps it at that, and its count of how much of it is under way.
PHASES: dict[str, tuple[dict[str, Any], Callable[[ScriptedServer], int]]] = {
    "plans": ({"plan_seconds": 30}, lambda engine: engine.engine.plans),
    "searches": ({"parts": PARTS}, lambda engine: engine.searches),
    "writes": ({"parts": PARTS, "messages": 10_000, "interval_seconds": 0.02}, lambda engine: engine.engine.running),
}


@pytest.fixture(scope="module")
def doors(answering: Front) -> Iterator[list[Stage]]:
    made = stages(answering)
    yield made
    for stage in made:
        stage.door.close()


@pytest.fixture(params=PHASES)
def phase(request: pytest.FixtureRequest, answering: Front) -> Iterator[tuple[dict[str, Any], Callable[[], int]]]:
    script, count = PHASES[request.param]
    engine = answering.engine
    assert engine is not None
    engine.search_seconds = 30.0 if request.param == "searches" else 0.0
    until(lambda: count(engine) == 0, "nothing of an earlier test is under way")
    yield script, lambda: count(engine)
    engine.search_seconds = 0.0


@pytest.mark.parametrize("number", range(3), ids=["cloudglue", "openai", "grpc"])
def test_a_cancelled_response_stops_the_engine_at_whatever_it_does(doors: list[Stage], phase: Any, number: int):
    at, (script, count) = doors[number], phase
    begun = at.door.ask(at.asks(model="nimbus-002-preview", background=True, **script))
    until(count, "the engine is at it")
    cancelled = at.door.cancel(begun["id"])
    until(lambda: count() == 0, "the engine stops", STOPPED_SECONDS)
    assert cancelled["status"] == "cancelled" and at.door.get(begun["id"]) == cancelled
    last = at.followed(begun["id"])[-1]
    assert (last["type"], last["response"]) == ("response.cancelled", cancelled)


@pytest.mark.parametrize("number", range(3), ids=["cloudglue", "openai", "grpc"])
def test_a_response_that_is_deleted_stops_the_engine_likewise(doors: list[Stage], phase: Any, number: int):
    at, (script, count) = doors[number], phase
    begun = at.door.ask(at.asks(model="nimbus-002-preview", background=True, **script))
    until(count, "the engine is at it")
    at.door.delete(begun["id"])
    until(lambda: count() == 0, "the engine stops", STOPPED_SECONDS)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("deleted", [False, True], ids=["cancelled", "deleted"])
@pytest.mark.parametrize("number", range(3), ids=["cloudglue", "openai", "grpc"])
def test_an_answer_that_is_waited_for_is_stopped_while_it_is_planned(
    doors: list[Stage], answering: Front, number: int, deleted: bool, stream: bool
):
    at, engine = doors[number], answering.engine
    assert engine is not None
    request = at.asks(model="nimbus-002-preview", plan_seconds=30)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(at.streamed if stream else at.door.ask, request)
        until(lambda: engine.engine.plans, "the engine plans")
        (begun,) = at.door.list(status="in_progress")["data"]
        _ = at.door.delete(begun["id"]) if deleted else at.door.cancel(begun["id"])
        until(lambda: engine.engine.plans == 0, "the engine stops", STOPPED_SECONDS)
        if deleted and stream:
            assert [event["error"]["message"] for event in asked.result()] == ["The response was deleted."]
        elif deleted:
            with pytest.raises(Refused, match="404: The response was deleted"):
                asked.result()
        else:
            told, kept = asked.result(), at.door.get(begun["id"])
            assert kept["status"] == "cancelled" and kept["output"] == []
            assert told == (at.followed(begun["id"]) if stream else kept)
            assert not stream or [event["type"] for event in told] == ["response.cancelled"]
    assert at.door.list(status="in_progress")["total"] == 0


@contextmanager
def asked_over_http(at: Stage, request: Json, path: str = "/v1/responses") -> Iterator[None]:
    body = json.dumps(request).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {at.account.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", at.account.front.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        yield


def asked_in_a_chat(at: Stage, request: Json) -> Any:
    script, question = request["instructions"], request["input"]
    messages = [{"role": "developer", "content": script}, {"role": "user", "content": question}]
    chat = {"model": request["model"], "messages": messages, "stream": request["stream"]}
    return asked_over_http(at, chat, "/v1/chat/completions")


@contextmanager
def asked_over_grpc(at: Stage, request: Json) -> Iterator[None]:
    with at.account.channel() as channel:
        stub, message = responses_pb2_grpc.ResponseServiceStub(channel), request_message(request)
        method = stub.Stream if request["stream"] else stub.Create.future
        call = method(message, metadata=at.account.metadata)
        yield
        call.cancel()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("asked", [asked_over_http, asked_in_a_chat, asked_over_grpc], ids=["http", "chat", "grpc"])
def test_a_client_that_goes_away_stops_the_engine(doors: list[Stage], phase: Any, asked: Any, stream: bool):
    at, (script, count) = doors[0], phase
    chats = at.door.list_chats()["total"]
    with asked(at, at.asks(model="nimbus-002-preview", stream=stream, metadata={"asked": "once"}, **script)):
        until(count, "the engine is at it")
    until(lambda: count() == 0, "the engine stops", STOPPED_SECONDS)
    # What was never told of leaves nothing; an answer that was begun is kept as cancelled.
    until(lambda: at.door.list(status="in_progress")["total"] == 0, "nothing is in progress")
    left = [item["status"] for item in at.door.list()["data"] if item["metadata"] == {"asked": "once"}]
    assert set(left) <= {"cancelled"} and at.door.list_chats()["total"] == chats


def test_a_plan_of_many_parts_is_searched_for_only_so_many(doors: list[Stage], answering: Front):
    at, engine = doors[0], answering.engine
    assert engine is not None
    before = engine.searched
    parts = [f"parsing {number}" for number in range(100)]
    body = at.door.ask(at.asks(model="nimbus-002-preview", parts=parts, messages=1))
    assert body["status"] == "completed" and engine.searched - before == MAX_PARTS


@contextmanager
def searched_over_http(at: Stage) -> Iterator[None]:
    with asked_over_http(
        at, {"scope": "segment", "query": "a lecture", "collections": [at.collection_id]}, "/v1/search"
    ):
        yield


@contextmanager
def searched_over_grpc(at: Stage) -> Iterator[None]:
    with at.account.channel() as channel:
        asked = search_pb2.SearchRequest(scope="segment", query="a lecture", collections=[at.collection_id])
        call = search_pb2_grpc.SearchServiceStub(channel).Search.future(asked, metadata=at.account.metadata)
        yield
        call.cancel()


@pytest.mark.parametrize("searched", [searched_over_http, searched_over_grpc], ids=["http", "grpc"])
def test_a_client_that_goes_away_stops_its_search(doors: list[Stage], answering: Front, searched: Any):
    at, engine = doors[0], answering.engine
    assert engine is not None
    engine.search_seconds = 30.0
    try:
        with searched(at):
            until(lambda: engine.searches, "the engine searches")
        until(lambda: engine.searches == 0, "the engine stops", STOPPED_SECONDS)
    finally:
        engine.search_seconds = 0.0
