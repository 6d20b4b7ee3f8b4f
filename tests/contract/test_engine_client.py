"""The front's side of the engine contract on a real port: where a call goes, and what its failure means."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from services.core.engines.config import parse_engine_config
from services.core.errors import ArcusError, Reason
from services.nimbus.engine import calls as engine_calls
from services.nimbus.engine import client as engine_client
from services.nimbus.engine.calls import ReplicaLostError
from services.nimbus.engine.client import EngineClient

CONFIG = parse_engine_config(
    "engines: {there: {kind: openai, base_url: 'http://127.0.0.1:1/v1', model: m}}\n"
    "roles: {nimbus-001: scripted, nimbus-002-preview: there}"
)


class Replica(pb_grpc.EmbedServiceServicer, pb_grpc.GenerateServiceServicer):
    """Fails as it is told, or plans; keeps the applications that calls named."""

    def __init__(self, code: Any = None, details: str = "", trailers: Any = ()) -> None:
        self._fails = (code, details, trailers)
        self.applications: list[str] = []

    async def Plan(self, request: Any, context: Any) -> Any:
        return await self._answer(context, pb.PlanResponse(question=request.model))

    async def Embed(self, request: Any, context: Any) -> Any:
        return await self._answer(context, pb.EmbedResponse(dimensions=1, vectors=b"1234" * len(request.texts)))

    async def Generate(self, request: Any, context: Any) -> Any:
        yield await self._answer(context, pb.GenerateChunk(text="a", finish_reason="stop"))

    async def _answer(self, context: Any, answer: Any) -> Any:
        self.applications.append(dict(context.invocation_metadata())["application"])
        code, details, trailers = self._fails
        if code is not None:
            await context.abort(code, details, trailers)
        return answer


@asynccontextmanager
async def served(replica: Replica) -> AsyncIterator[int]:
    """Its port."""
    server = grpc.aio.server()
    pb_grpc.add_EmbedServiceServicer_to_server(replica, server)
    pb_grpc.add_GenerateServiceServicer_to_server(replica, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grace=0)


@asynccontextmanager
async def client(replica: Replica) -> AsyncIterator[EngineClient]:
    async with served(replica) as port:
        made = EngineClient(f"127.0.0.1:{port}", "secret", timeout_seconds=10, config=CONFIG)
        try:
            yield made
        finally:
            await made.close()


async def test_a_call_goes_to_the_application_that_plays_its_role() -> None:
    replica = Replica()
    async with client(replica) as engine:
        for model in ("nimbus-001", "nimbus-002-preview"):
            await engine.plan(pb.PlanRequest(model=model))
            async with engine.generate(pb.GenerateRequest(model=model)) as chunks:
                assert [[chunk.text for chunk in together] async for together in chunks] == [["a"]]
        assert await engine.embed(["x"]) == [b"1234"]
    assert replica.applications == ["engine-scripted"] * 2 + ["engine-there"] * 2 + ["embed"]


@pytest.mark.parametrize(
    ("code", "reason_told", "reason", "message"),
    [
        (grpc.StatusCode.INTERNAL, "INTERNAL", Reason.INTERNAL, "The model ended without an answer."),
        (grpc.StatusCode.INTERNAL, "", Reason.ENGINE_UNAVAILABLE, ArcusError(Reason.ENGINE_UNAVAILABLE).message),
        (
            grpc.StatusCode.UNAVAILABLE,
            "ENGINE_UNAVAILABLE",
            Reason.ENGINE_UNAVAILABLE,
            "The model ended without an answer.",
        ),
        (grpc.StatusCode.UNAVAILABLE, "", Reason.ENGINE_UNAVAILABLE, ArcusError(Reason.ENGINE_UNAVAILABLE).message),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "", Reason.LIMIT_EXCEEDED, "The model ended without an answer."),
        (grpc.StatusCode.UNKNOWN, "", Reason.ENGINE_UNAVAILABLE, ArcusError(Reason.ENGINE_UNAVAILABLE).message),
        (grpc.StatusCode.DATA_LOSS, "", Reason.INTERNAL, ArcusError(Reason.INTERNAL).message),
    ],
)
async def test_what_a_replica_says_of_a_failure_is_told_and_what_grpc_says_is_not(code, reason_told, reason, message):
    trailers = (("x-arcus-reason", reason_told), ("x-arcus-retry-after-seconds", "7")) if reason_told else ()
    async with client(Replica(code, "The model ended without an answer.", trailers)) as engine:
        with pytest.raises(ArcusError) as caught:
            await engine.plan(pb.PlanRequest(model="nimbus-001"))
    assert (caught.value.reason, caught.value.message) == (reason, message)
    if reason_told:
        assert caught.value.retry_after_seconds == 7


class Way:
    """A relay to a port. Once it is `blocked`, what goes over the connections that are there is lost, without their end."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: list[asyncio.Task[None]] = []
        self._blocked: list[asyncio.Event] = []
        self.connections = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._port)
        self.connections += 1
        blocked = asyncio.Event()
        self._blocked.append(blocked)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            self._tasks.append(asyncio.create_task(self._carry(source, sink, blocked)))

    def block(self) -> None:
        for each in self._blocked:
            each.set()

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, blocked: asyncio.Event) -> None:
        while data := await source.read(65_536):
            if not blocked.is_set():
                sink.write(data)


async def test_a_connection_on_which_nobody_answers_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_client, "PING_MS", 200)
    monkeypatch.setattr(engine_client, "SILENT_MS", 200)
    async with served(Replica()) as port:
        way = Way(port)
        relay = await asyncio.start_server(way.take, "127.0.0.1", 0)
        engine = EngineClient(
            f"127.0.0.1:{relay.sockets[0].getsockname()[1]}", "secret", timeout_seconds=3, config=CONFIG
        )
        try:
            for _ in range(engine_client.CHANNELS):
                await engine.embed(["x"])
            before = way.connections
            way.block()
            for _ in range(engine_client.CHANNELS):
                with contextlib.suppress(ArcusError):
                    await engine.embed(["x"])
            assert await engine.embed(["x"]) == [b"1234"]
            assert way.connections > before
        finally:
            await engine.close()
            relay.close()
            way.end()


class SilentOnce(Replica):
    """Never answers the first call."""

    async def Embed(self, request: Any, context: Any) -> Any:
        if not self.applications:
            self.applications.append("first")
            await asyncio.Event().wait()
        return await super().Embed(request, context)


async def test_a_vector_that_does_not_come_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_calls, "TRY_SECONDS", 0.2)
    replica = SilentOnce()
    async with client(replica) as engine:
        assert await engine.embed(["x"]) == [b"1234"]
    assert replica.applications == ["first", "embed"]


class Planner(Replica):
    """Does with each call the next of what it is told: answers it, ends it without an answer, or lets it wait for ever."""

    def __init__(self, *calls: str) -> None:
        super().__init__()
        self._calls = calls
        self.let_go = asyncio.Event()

    async def Plan(self, request: Any, context: Any) -> Any:
        self.applications.append("plan")
        call = self._calls[len(self.applications) - 1]
        if call == "wait":
            await self.let_go.wait()
        elif call != "answer":
            await context.abort(grpc.StatusCode[call], "")
        return pb.PlanResponse(question=str(len(self.applications)))


LATE = ("wait", "answer")
LOST_THEN_LATE = ("UNAVAILABLE", "wait", "answer")
LATE_AND_LOST = ("wait", "UNAVAILABLE", "answer")
LATE_TWICE = ("wait", "wait", "answer")


@pytest.mark.parametrize("calls", [LATE, LOST_THEN_LATE, LATE_AND_LOST, LATE_TWICE])
async def test_a_plan_that_is_late_or_lost_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...]
) -> None:
    monkeypatch.setattr(engine_calls, "TRY_SECONDS", 0.2)
    replica = Planner(*calls)
    async with client(replica) as engine:
        assert (await engine.plan(pb.PlanRequest(model="nimbus-001"))).question == str(len(calls))
    assert len(replica.applications) == len(calls)


@pytest.mark.parametrize("calls", [("UNAVAILABLE",) * 3, ("wait", "DATA_LOSS"), ("wait", *("UNAVAILABLE",) * 2)])
async def test_a_plan_that_fails_each_time_is_told(monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...]) -> None:
    monkeypatch.setattr(engine_calls, "TRY_SECONDS", 0.2)
    replica = Planner(*calls)
    async with served(replica) as port:
        engine = EngineClient(f"127.0.0.1:{port}", "secret", timeout_seconds=2, config=CONFIG)
        with pytest.raises(ArcusError):
            await engine.plan(pb.PlanRequest(model="nimbus-001"))
        await engine.close()
    assert len(replica.applications) == len(calls)


async def test_a_plan_that_is_late_is_taken_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where so many are asked for a second time that this one is not."""
    monkeypatch.setattr(engine_calls, "TRY_SECONDS", 0.05)
    monkeypatch.setattr(engine_calls, "MAX_HEDGES", 1)
    replica = Planner("wait", "wait", "wait")
    async with client(replica) as engine:
        planned = [asyncio.create_task(engine.plan(pb.PlanRequest(model="nimbus-001"))) for _ in range(2)]
        await asyncio.wait(planned, timeout=0.5)
        replica.let_go.set()
        assert all([(await each).question for each in planned])
    assert len(replica.applications) == 3  # of two questions


class Silent(Replica):
    """Begins an answer, and from then on says nothing but the pulses that it is told to."""

    def __init__(self, *, pulses: bool) -> None:
        super().__init__()
        self._pulses = pulses

    async def Generate(self, request: Any, context: Any) -> Any:
        yield pb.GenerateChunk()
        yield pb.GenerateChunk(text="a")
        while True:
            await asyncio.sleep(0.05)
            if self._pulses:
                yield pb.GenerateChunk()


@pytest.mark.parametrize(
    ("pulses", "is_last_try", "lost"), [(False, False, True), (True, False, False), (False, True, True)]
)
async def test_a_replica_that_says_nothing_at_all_is_told_from_one_that_is_slow(
    monkeypatch: pytest.MonkeyPatch, pulses: bool, is_last_try: bool, lost: bool
) -> None:
    monkeypatch.setattr(engine_calls, "TRY_SECONDS", 0.5)
    heard = []
    async with served(Silent(pulses=pulses)) as port:
        engine = EngineClient(f"127.0.0.1:{port}", "secret", timeout_seconds=1.2, config=CONFIG)
        try:
            with pytest.raises(ArcusError) as caught:
                request = pb.GenerateRequest(model="nimbus-001")
                async with engine.generate(request, is_last_try=is_last_try) as chunks:
                    async for together in chunks:
                        heard += [chunk.text for chunk in together]
        finally:
            await engine.close()
    assert heard == ["a"]
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE
    assert isinstance(caught.value, ReplicaLostError) is lost
