"""What an engine has ready together crosses to the front as one message, and is told as if it had come piece by piece."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from ray_jobs.engines.scripted import ScriptedEngine
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer

WORDS = ["Tides", " rise [", "7] and", *[f" fall{number}" for number in range(60)], " [9", "]."]
DELTAS = ["Tides", " rise", " and", *WORDS[3:63], "."]  # there is no source 7 or 9


class HastyEngine(ScriptedEngine):
    """Has all of its answer ready at once."""

    async def generate(self, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        for word in WORDS:
            yield pb.GenerateChunk(text=word, output_tokens=2)
        yield pb.GenerateChunk(finish_reason="stop", input_tokens=5)


class WatchedServer(ScriptedServer):
    """`joined`: how many chunks of each message that was several."""

    joined: list[int]

    async def Generate(self, request: Any, context: Any) -> Any:
        async for message in super().Generate(request, context):
            if message.joined:
                self.joined.append(len(message.joined))
            yield message


@pytest.fixture(scope="module")
def server() -> WatchedServer:
    return WatchedServer(HastyEngine())


@pytest.fixture(scope="module")
def front(server: WatchedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = Front(front_settings(tmp_path_factory.mktemp("joined")), server).start()
    yield running
    running.stop()


@pytest.fixture
def account(front: Front, server: WatchedServer) -> Account:
    server.joined = []
    return front.account()


def events_of(account: Account, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    reply = account.http.post(path, json={"model": "nimbus-001", "stream": True, **body})
    assert reply.status_code == 200, reply.text
    lines = [line[6:] for line in reply.text.split("\n") if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_each_piece_is_an_event_of_its_own(account: Account, server: WatchedServer) -> None:
    events = events_of(account, "/v1/responses", {"input": "How do tides move?"})
    assert [event["delta"] for event in events if event["type"] == "response.output_text.delta"] == DELTAS
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    usage = events[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (5, 2 * len(WORDS))
    assert server.joined and max(server.joined) > 1


def test_each_piece_is_a_chunk_of_a_chat_of_its_own(account: Account, server: WatchedServer) -> None:
    chunks = events_of(account, "/v1/chat/completions", {"messages": [{"role": "user", "content": "How?"}]})
    deltas = [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]]
    assert [delta for delta in deltas if delta] == DELTAS
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop" and server.joined


def test_what_was_joined_is_kept_and_read_again_as_it_was_told(account: Account) -> None:
    told = events_of(account, "/v1/responses", {"input": "How do tides move?"})
    id = told[0]["response"]["id"]
    reply = account.http.get(f"/v1/responses/{id}", params={"stream": "true", "starting_after": 3})
    lines = [line[6:] for line in reply.text.split("\n") if line.startswith("data: ")][:-1]
    assert [json.loads(line) for line in lines] == told[4:]


def test_a_caller_of_the_version_before_gets_each_chunk_by_itself(front: Front) -> None:
    with grpc.insecure_channel(front.backend.settings.engine_address) as channel:
        stub = pb_grpc.GenerateServiceStub(channel)
        chunks = list(stub.Generate(pb.GenerateRequest(model="nimbus-001"), timeout=20))
    assert not any(chunk.joined for chunk in chunks)
    assert [chunk.text for chunk in chunks if chunk.text] == WORDS
