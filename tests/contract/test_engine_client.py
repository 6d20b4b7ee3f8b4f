"""The front's side of the engine contract on a real port: where a call goes, and what its failure means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from services.core.engines.config import parse_engine_config
from services.core.errors import ArcusError, Reason
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
async def client(replica: Replica) -> AsyncIterator[EngineClient]:
    server = grpc.aio.server()
    pb_grpc.add_EmbedServiceServicer_to_server(replica, server)
    pb_grpc.add_GenerateServiceServicer_to_server(replica, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    made = EngineClient(f"127.0.0.1:{port}", "secret", timeout_seconds=10, config=CONFIG)
    try:
        yield made
    finally:
        await made.close()
        await server.stop(grace=0)


async def test_a_call_goes_to_the_application_that_plays_its_role() -> None:
    replica = Replica()
    async with client(replica) as engine:
        for model in ("nimbus-001", "nimbus-002-preview"):
            await engine.plan(pb.PlanRequest(model=model))
            async with engine.generate(pb.GenerateRequest(model=model)) as chunks:
                assert [chunk.text async for chunk in chunks] == ["a"]
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
