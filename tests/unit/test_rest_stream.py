"""The event stream as an ASGI response: its bytes, its pings, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from services.rest.sse import EventStream, data_bytes, event_bytes


class Client:
    """The other side of an ASGI response. `leave` goes away."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.arrived = asyncio.Event()
        self.pinged = asyncio.Event()
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        self.arrived.set()
        if message.get("body") == b": ping\n\n":
            self.pinged.set()

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.messages[1:]]


def delta(number: int) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "sequence_number": number, "delta": "é"}


def test_a_chunk_is_one_line_of_ascii():
    assert data_bytes({"delta": "é\u2028"}) == b'data: {"delta": "\\u00e9\\u2028"}\n\n'


def test_an_event_is_two_lines_of_ascii():
    expected = (
        b"event: response.output_text.delta\n"
        b'data: {"type": "response.output_text.delta", "sequence_number": 4, "delta": "\\u00e9"}\n\n'
    )
    assert event_bytes(delta(4)) == expected


async def test_events_that_come_together_are_one_message_and_done_ends_the_stream():
    async def events() -> AsyncGenerator[list[dict[str, Any]], None]:
        yield [delta(0)]
        yield [delta(1), delta(2)]

    client = Client()
    await EventStream(events())({}, client.receive, client.send)
    assert client.messages[0]["type"] == "http.response.start" and client.messages[0]["status"] == 200
    together = event_bytes(delta(1)) + event_bytes(delta(2))
    assert client.bodies == [event_bytes(delta(0)), together, b"data: [DONE]\n\n", b""]
    assert [message["more_body"] for message in client.messages[1:]] == [True, True, True, False]


async def test_a_client_that_leaves_closes_the_events_at_once():
    closed = asyncio.Event()

    async def events() -> AsyncGenerator[list[dict[str, Any]], None]:
        try:
            yield [delta(0)]
            await asyncio.Event().wait()
        finally:
            closed.set()

    client = Client()
    running = asyncio.create_task(EventStream(events())({}, client.receive, client.send))
    await client.arrived.wait()
    client.left.set()
    await asyncio.wait_for(running, 5)
    assert closed.is_set() and client.messages[-1].get("more_body", True) is True


async def test_a_silent_stream_is_kept_open_by_pings():
    client = Client()

    async def events() -> AsyncGenerator[list[dict[str, Any]], None]:
        yield [delta(0)]
        await client.pinged.wait()
        yield [delta(1)]

    await asyncio.wait_for(EventStream(events(), ping_seconds=0.005)({}, client.receive, client.send), 5)
    assert client.bodies[0] == event_bytes(delta(0)) and event_bytes(delta(1)) in client.bodies


async def test_a_client_that_reads_nothing_is_given_up():
    closed = asyncio.Event()

    async def events() -> AsyncGenerator[list[dict[str, Any]], None]:
        try:
            yield [delta(0)]
        finally:
            closed.set()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    stream = EventStream(events(), ping_seconds=0.005)
    await asyncio.wait_for(stream({}, Client().receive, send), 5)
    assert closed.is_set()


@pytest.mark.parametrize("encode", [event_bytes, data_bytes])
async def test_events_that_break_end_in_an_error_event(encode: Any):
    async def events() -> AsyncGenerator[list[dict[str, Any]], None]:
        yield [delta(0)]
        raise RuntimeError("a secret of the server")

    client = Client()
    await EventStream(events(), encode=encode)({}, client.receive, client.send)
    assert b'"error": {"message"' in client.bodies[1]
    assert b'"type": "error"' in client.bodies[1] and b'"sequence_number": 1' in client.bodies[1]
    assert b"secret" not in b"".join(client.bodies) and client.bodies[-2:] == [b"data: [DONE]\n\n", b""]
