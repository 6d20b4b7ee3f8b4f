"""How a request of a journey reaches a front: in pieces, and at the next front where one goes away."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from functools import partial

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from loadtests.load.generator import WrongAnswerError
from loadtests.load.journeys import Journeys, _Checked
from loadtests.load.outcomes import Outcome
from loadtests.load.scenario import Order, Scenario
from loadtests.load.target import Clip, Target, Tenant, video_form

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthere"


class Front:
    """Answers what comes until it is told to go away: then it resets each connection at its next request."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_gone = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof() and await reader.readline():
            while (await reader.readline()).strip():
                pass
            self.asked += 1
            if self.is_gone:
                writer.transport.abort()
                return
            writer.write(REPLY)
            await writer.drain()
        writer.close()


async def test_a_request_whose_kept_connection_ends_goes_to_the_next_front() -> None:
    fronts = [Front(), Front()]
    servers = [await asyncio.start_server(front, "127.0.0.1", 0) for front in fronts]
    urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/" for server in servers]
    async with aiohttp.ClientSession() as session:

        async def ask(doors: list[str]) -> str:
            async with _Checked([partial(session.request, "POST", url, json={}) for url in doors]) as reply:
                return await reply.text()

        assert await ask(urls) == "there"
        fronts[0].is_gone = True
        assert await ask(urls) == "there"
        assert [front.asked for front in fronts] == [2, 1]
        with pytest.raises(aiohttp.ClientError):
            await ask(urls[:1])
    for server in servers:
        server.close()


async def test_a_file_is_sent_in_pieces() -> None:
    written: list[int] = []

    class Writer:
        async def write(self, piece: bytes) -> None:
            written.append(len(piece))

    data = bytes(1 << 20)
    await video_form("a.mp4", data)().write(Writer())  # type: ignore[arg-type]
    assert sum(written) > len(data) and max(written) <= 1 << 18


@pytest.mark.parametrize("lost", [False, True])
async def test_a_question_in_the_same_conversation_is_asked_once_the_first_is_answered(lost: bool) -> None:
    asked: list[str | None] = []

    async def answered(request: web.Request) -> web.StreamResponse:
        asked.append((await request.json()).get("previous_response_id"))
        reply = web.StreamResponse()
        await reply.prepare(request)
        delta = {"type": "response.output_text.delta", "delta": "w7 " if lost and len(asked) == 2 else "w7 w7"}
        created = {"type": "response.created", "response": {"id": f"resp_{len(asked)}"}}
        for number, event in enumerate((created, delta, {"type": "response.completed"})):
            await reply.write(b"data: %s\n\n" % json.dumps(event | {"sequence_number": number}).encode())
        return reply

    app = web.Application()
    app.add_routes([web.post("/responses", answered)])
    follow = Scenario.model_validate(
        {"name": "s", "duration_seconds": 1, "journeys": {"follow_up": 1}, "script": {"messages": 1}}
    )
    order = Order(7, 0.0, "first", "follow_up", True)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        tenants = {"first": Tenant("first", "a key", "", frozenset())}
        target = Target((str(server.make_url("")).rstrip("/"),), (), Clip("", b""), tenants)
        outcome = Outcome(order)
        with pytest.raises(WrongAnswerError, match="1 words of 2") if lost else nullcontext():
            await Journeys(follow, target, session).start(order, outcome, lambda: 1.0)
    assert asked == [None, "resp_1"] and outcome.tokens == (2 if lost else 4)
