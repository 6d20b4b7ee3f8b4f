"""A reader that reads nothing for a while: the engine waits for it, and it misses nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from arcus.v1 import responses_pb2_grpc

from tests.acceptance.doors.door import Json, told_event
from tests.acceptance.doors.grpc_door import event_json, request_message
from tests.acceptance.doors.scenarios import text
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer
from tests.waiting import until

MESSAGES = 5_000
WORD = "w" * 4_000
# What the sockets, the servers and the engine's own channel hold together; each message makes one event.
MOST_AHEAD = 4_000
SILENCE_SECONDS = 1  # after which an engine is given up


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    settings = front_settings(tmp_path_factory.mktemp("slow"), engine_timeout_seconds=SILENCE_SECONDS)
    front = Front(settings, ScriptedServer()).start()
    yield front.account()
    front.stop()


def asks(**script: Any) -> Json:
    return {
        "model": "nimbus-001",
        "input": "?",
        "instructions": json.dumps(script),
        "store": False,
        "max_output_tokens": MESSAGES,
    }


@contextmanager
def over_http(account: Account, request: Json) -> Iterator[Iterator[Json]]:
    """The client's own buffer is small."""
    body = json.dumps({**request, "stream": True}).encode()
    head = (
        f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {account.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", account.front.port))
        connection.sendall(head.encode() + body)
        with connection.makefile("rb") as file:
            yield (told_event(json.loads(line[6:])) for line in _until_done(file))


def _until_done(file: Any) -> Iterator[bytes]:
    for line in file:
        if line.startswith(b"data: [DONE]"):
            return
        if line.startswith(b"data: "):
            yield line


@contextmanager
def over_grpc(account: Account, request: Json) -> Iterator[Iterator[Json]]:
    address = f"127.0.0.1:{account.front.grpc_port}"
    options = [("grpc.max_receive_message_length", -1)]  # the last event holds the whole answer
    with grpc.insecure_channel(address, options=options) as channel:
        stub = responses_pb2_grpc.ResponseServiceStub(channel)
        call = stub.Stream(request_message(request), metadata=account.metadata)
        yield (told_event(event_json(message)) for message in call)
        call.cancel()


def written(front: Front) -> int:
    assert front.engine is not None
    return front.engine.engine.chunks


def settled(front: Front) -> bool:
    """Whether the engine has written nothing for a while."""
    before = written(front)
    time.sleep(0.5)
    return written(front) == before


@pytest.mark.parametrize("over", [over_http, over_grpc], ids=["http", "grpc"])
def test_a_reader_that_stops_reading_stops_the_engine_and_misses_nothing(account: Account, over: Any):
    front, before = account.front, written(account.front)
    with over(account, asks(messages=MESSAGES, tokens_per_message=1, word=WORD)) as events:
        told = [next(events) for _ in range(20)]
        until(lambda: settled(front), "the engine waits")
        ahead = written(front) - before - len(told)
        assert ahead < MOST_AHEAD, "the rest is not made before it is read"
        time.sleep(2.5 * SILENCE_SECONDS)  # the silence is the reader's, not the engine's
        told += events
    assert told[-1]["type"] == "response.completed", told[-1]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    whole = "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta")
    assert whole == " ".join([WORD] * MESSAGES) == text(told[-1]["response"]) and written(front) - before == MESSAGES


@pytest.mark.parametrize("over", [over_http, over_grpc], ids=["http", "grpc"])
def test_an_engine_that_falls_silent_is_given_up(account: Account, over: Any):
    with over(account, asks(messages=2, interval_seconds=20)) as events:
        told = list(events)
    assert (told[-1]["type"], told[-1]["error"]["code"]) == ("error", "engine_unavailable")
