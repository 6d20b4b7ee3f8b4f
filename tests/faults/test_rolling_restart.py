"""Two fronts are restarted one after the other under four hundred streams: each stream ends, or says where it goes on."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
from arcus.v1 import responses_pb2 as pb
from arcus.v1 import responses_pb2_grpc

from services.core.store.database import Database
from services.core.tenants.keys import Keys
from tests.acceptance.scripted_server import HeldEngine, ScriptedServer
from tests.contract.postgres_server import PostgresServer
from tests.faults.fronts import environment
from tests.front_process import FrontProcess, start_front
from tests.waiting import async_until

STREAMS = 200  # over SSE, and as many over gRPC
OPENING = 24  # at a time: what is tried is not a rush
MESSAGES, SHORT = 6, 3  # of an answer
INTERVAL_SECONDS = 1.0
STOPPING = "server_stopping"
ENDS = ("response.completed", "response.cancelled", "error")
Event = tuple[int, str, str, str]  # number, type, what it adds to the text, code of an error


class Fleet:
    """The fronts that a balancer would send requests to, in turn."""

    def __init__(self, key: str) -> None:
        self.fronts: list[FrontProcess] = []
        self._turns = itertools.count()
        self.opening = asyncio.Semaphore(OPENING)
        self._headers = {"authorization": f"Bearer {key}"}
        self._channels: dict[int, grpc.aio.Channel] = {}
        self.http = httpx.AsyncClient(headers=self._headers, timeout=120, limits=httpx.Limits(), trust_env=False)

    def front(self) -> FrontProcess:
        return self.fronts[next(self._turns) % len(self.fronts)]

    async def close(self) -> None:
        await self.http.aclose()
        for channel in self._channels.values():
            await channel.close()

    async def sse(self, body: dict[str, Any], id: str, after: int) -> AsyncIterator[Event]:
        url = f"{self.front().url}/responses"
        if id:
            call = self.http.stream("GET", f"{url}/{id}", params={"stream": "true", "starting_after": after})
        else:
            call = self.http.stream("POST", url, json=body | {"stream": True})
        async with call as reply:
            if reply.status_code != 200:
                raise AssertionError((await reply.aread()).decode())
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    event = json.loads(line[6:])
                    text = event["delta"] if event["type"] == "response.output_text.delta" else ""
                    yield event["sequence_number"], event["type"], text or _id(event), event.get("code", "")

    async def rpc(self, body: dict[str, Any], id: str, after: int) -> AsyncIterator[Event]:
        port = self.front().grpc_port
        channel = self._channels.setdefault(port, grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        stub, metadata = responses_pb2_grpc.ResponseServiceStub(channel), tuple(self._headers.items())
        if id:
            call = stub.Follow(pb.FollowResponseRequest(response_id=id, starting_after=after), metadata=metadata)
        else:
            asked = pb.CreateResponseRequest(
                model=body["model"],
                messages=[pb.InputMessage(role=pb.ROLE_USER, text=body["input"])],
                instructions=body["instructions"],
                background=body["background"],
            )
            call = stub.Stream(asked, metadata=metadata)
        async for event in call:
            yield event.sequence_number, event.type, event.delta or event.response.id, event.error.code


def _id(event: dict[str, Any]) -> str:
    return event["response"]["id"] if "response" in event else ""


async def opened(opening: asyncio.Semaphore, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """The first of them is waited for by a few at a time."""
    async with opening:
        first = await anext(events, None)
    if first is not None:
        yield first
        async for event in events:
            yield event


async def read(fleet: Fleet, number: int, begun: Counter[str], seen: Counter[str]) -> list[Event]:
    """All events of one answer, over as many streams as it takes. Some are short, some written in the background."""
    script = {
        "messages": SHORT if number % 16 < 2 else MESSAGES,
        "word": f"word{number}",
        "interval_seconds": INTERVAL_SECONDS,
    }
    body = {"model": "nimbus-001", "input": "What?", "instructions": json.dumps(script), "background": number % 8 > 5}
    way = fleet.rpc if number % 2 else fleet.sse
    events: list[Event] = []
    id = ""
    while not events or events[-1][1] not in ENDS:
        last = events[-1][0] if events else -1
        stream = way(body, id, last)
        async for event in stream if id else opened(fleet.opening, stream):
            if event[3] == STOPPING:
                seen["stopped"] += 1
                assert event[0] == events[-1][0]
                break
            if not events:
                id = event[2]
                begun["streams"] += 1
            events.append(event)
        else:
            seen["cut"] += events[-1][1] not in ENDS
    return events


async def restart(fleet: Fleet, start: Callable[[], Awaitable[FrontProcess]]) -> None:
    """The next one, which gets no new requests once it is told to stop."""
    leaving = fleet.fronts.pop(0)
    leaving.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(leaving.process.wait, 60) == 0
    fleet.fronts.append(await start())


async def test_every_stream_over_a_rolling_restart_of_two_fronts_ends_whole(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    held = HeldEngine(MESSAGES)
    engine = ScriptedServer(held)
    await postgres.create("rolling")
    url = postgres.url("rolling")
    database = Database(url)
    await database.migrate()
    fleet = Fleet(await Keys(database).create("first"))
    settings = environment(tmp_path, url, await engine.start()) | {
        "ARCUS_DRAIN_DELAY_SECONDS": "2",  # for what was on its way when it was told
        "ARCUS_DRAIN_SECONDS": "2",
        "ARCUS_DATABASE_CONNECTIONS": "10",
        "ARCUS_MAX_RESPONSES": "1000",
        "ARCUS_MAX_REQUESTS_PER_TENANT": "1000",
        "ARCUS_ENGINE_TIMEOUT_SECONDS": "200",
    }
    log = tmp_path / "fronts.log"
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        stack.push_async_callback(engine.stop)
        stack.push_async_callback(fleet.close)

        async def start() -> FrontProcess:
            front = await asyncio.to_thread(start_front, settings, log)
            stack.callback(front.kill)
            return front

        fleet.fronts += await asyncio.gather(start(), start())
        begun, seen = Counter[str](), Counter[str]()
        async with asyncio.TaskGroup() as group:
            streams = [group.create_task(read(fleet, number, begun, seen)) for number in range(2 * STREAMS)]
            await async_until(lambda: begun["streams"] == 2 * STREAMS, "every stream has begun", 120)
            await restart(fleet, start)
            await restart(fleet, start)
            held.let_go.set()
        for number, events in enumerate(task.result() for task in streams):
            messages = SHORT if number % 16 < 2 else MESSAGES
            assert [event[0] for event in events] == list(range(len(events))), number
            assert events[-1][1] == "response.completed", (number, events[-1])
            assert (
                "".join(e[2] for e in events if e[1].endswith("text.delta")).split() == [f"word{number}"] * messages * 4
            )
        print(f"{seen['stopped']} streams were told where to go on")
        assert seen["cut"] == 0
        assert seen["stopped"] > STREAMS / 2
        assert held.running == 0
    await postgres.drop("rolling")
