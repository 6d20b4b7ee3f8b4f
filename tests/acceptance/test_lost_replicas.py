"""A replica is lost with an answer under way: another goes on with it, and whoever listens does not notice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from arcus.engine.v1 import engine_pb2 as pb

from services.nimbus.engine import calls as engine_calls
from services.nimbus.engine.calls import RETRY_SECONDS
from tests.acceptance.described import described_talk
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer

MESSAGES, TOKENS, WORD = 20, 3, "ship"


class FailingServer(ScriptedServer):
    """The first answers break off after so many messages: their connection is lost, or they say nothing any more."""

    def __init__(self) -> None:
        super().__init__()
        self.losses = 0
        self.after = 0
        self.is_silent = False
        self.written: list[str] = []  # of each call, what it was to go on after

    def set(self, losses: int, after: int, *, is_silent: bool) -> None:
        self.losses, self.after, self.is_silent, self.written = losses, after, is_silent, []

    async def Generate(self, request: pb.GenerateRequest, context: Any) -> Any:
        self.written.append(request.written)
        request.takes_joined = False  # so that messages can be counted
        is_lost = len(self.written) <= self.losses
        said = 0
        async for chunk in super().Generate(request, context):
            if is_lost and said == self.after:
                await (asyncio.Event().wait() if self.is_silent else context.abort(grpc.StatusCode.UNAVAILABLE, ""))
            said += chunk.ByteSize() > 0
            yield chunk


@pytest.fixture(scope="module")
def server() -> FailingServer:
    return FailingServer()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, server: FailingServer) -> Iterator[Account]:
    front = Front(front_settings(tmp_path_factory.mktemp("lost")), server).start()
    account = front.account()
    described_talk(account)
    yield account
    front.stop()


def asked(**request: Any) -> dict[str, Any]:
    script = {"messages": MESSAGES, "tokens_per_message": TOKENS, "word": WORD}
    return {"model": "nimbus-001", "input": "What?", "instructions": json.dumps(script), **request}


def streamed(account: Account, **request: Any) -> list[dict[str, Any]]:
    with account.http as client:
        reply = client.post("/v1/responses", json=asked(stream=True, **request)).raise_for_status()
    lines = [line.removeprefix("data: ") for line in reply.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    "request_", [{}, {"store": False}, {"background": True}], ids=["stored", "not kept", "background"]
)
@pytest.mark.parametrize("after", [0, 4])
@pytest.mark.parametrize("is_silent", [False, True], ids=["broken", "silent"])
def test_another_replica_goes_on_where_the_lost_one_stopped(
    account: Account, server: FailingServer, monkeypatch: pytest.MonkeyPatch, is_silent: bool, after: int, request_: Any
) -> None:
    monkeypatch.setattr(engine_calls, "TRY_SECONDS", 0.5)
    server.set(len(RETRY_SECONDS), after, is_silent=is_silent)
    events = streamed(account, **request_)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    body = events[-1]["response"]
    assert text == body["output"][0]["content"][0]["text"]
    assert text.count(WORD) == MESSAGES * TOKENS
    # What was held back of a message when its replica was lost is written, and counted, again.
    assert 0 <= body["usage"]["output_tokens"] - MESSAGES * TOKENS <= len(RETRY_SECONDS) * TOKENS
    assert len(server.written) == len(RETRY_SECONDS) + 1
    assert all(text.startswith(written) for written in server.written)
    assert server.written[0] == ""
    assert (server.written[1] == "") is (after == 0)


def test_an_answer_whose_replicas_are_lost_each_time_ends_with_the_reason(
    account: Account, server: FailingServer
) -> None:
    server.set(len(RETRY_SECONDS) + 1, 1, is_silent=False)
    last = streamed(account, store=False)[-1]
    assert (last["type"], last["code"]) == ("error", "engine_unavailable")
    assert len(server.written) == len(RETRY_SECONDS) + 1
