"""Vectors and plans over a connection to an engine's replica are those through the ingress, and go through it where there is
no connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import numpy as np
import pytest
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from ray_jobs.engines.deployment import EngineReplica
from ray_jobs.engines.engine import Engine
from ray_jobs.engines.roles import Embedded
from ray_jobs.engines.scripted import ScriptedEngine
from services.core.engines.config import parse_engine_config
from services.core.errors import ArcusError, Reason
from services.nimbus.engine.client import EngineClient
from services.telemetry import tracing
from tests.contract.direct_world import WAYS, ServedEdge, running, until
from tests.recorded_spans import record_spans

CONFIG = parse_engine_config("engines: {s: {kind: scripted}}\nroles: {nimbus-001: s}")
PLANNER = CONFIG.application("nimbus-001")


class LengthEmbedder:
    """Of two numbers, by the length of a text."""

    dimensions = 2

    async def embed(self, texts: Sequence[str], *, queries: bool) -> Embedded:
        angles = [float(len(text)) for text in texts]
        return Embedded(np.array([[np.cos(angle), np.sin(angle)] for angle in angles], "f4"), len(texts))


class Edge(EngineReplica.func_or_class):  # type: ignore[misc, name-defined]
    """Of no runtime, which awaits the end of its replicas."""

    def __del__(self) -> None:
        pass


class Served(ServedEdge):
    """One replica in both roles."""

    def __init__(self) -> None:
        self.scripted = ScriptedEngine()
        edge: Any = object.__new__(Edge)
        edge._engine = Engine((self.scripted,), embedder=LengthEmbedder(), generator=self.scripted)
        services = pb_grpc.add_EmbedServiceServicer_to_server, pb_grpc.add_GenerateServiceServicer_to_server
        super().__init__(edge, {"embed": edge.Embed, "plan": edge.Plan}, services, CONFIG)

    async def connected(self, way: str) -> EngineClient:
        client = self.client(way)
        await asyncio.gather(client.embed(["a"]), client.plan(plan()))
        if way == "direct":
            for application in ("embed", PLANNER):
                await until(lambda application=application: told(client, "arcus_direct_connections", application) == 1)
        return client


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with running(Served()) as made:
        yield made


def told(client: EngineClient, name: str, application: str, **labels: str) -> float:
    return client._metrics.registry.get_sample_value(name, {"application": application, **labels}) or 0


def asked(client: EngineClient, application: str, way: str) -> float:
    return told(client, "arcus_engine_asked_total", application, way=way)


def plan(question: str = "Where?", **script: Any) -> pb.PlanRequest:
    return pb.PlanRequest(
        model="nimbus-001",
        instructions=json.dumps(script) if script else "",
        messages=[pb.Message(role="user", text=question)],
    )


@pytest.mark.parametrize("way", WAYS)
async def test_each_asks_for_its_own_and_goes_its_way(served: Served, way: str) -> None:
    client = await served.connected(way)
    before = {application: asked(client, application, way) for application in ("embed", PLANNER)}
    texts = ["tide" * (number + 1) for number in range(9)]
    vectors = [np.frombuffer(vector, "<f4") for vector in await client.embed(texts)]
    assert np.allclose(vectors, (await LengthEmbedder().embed(texts, queries=True)).vectors)
    plans = await asyncio.gather(*[client.plan(plan(f"What is {n}?", parts=["a", f"b{n}"])) for n in range(20)])
    assert [list(made.parts) for made in plans] == [["a", f"b{n}"] for n in range(20)]
    assert [made.question for made in plans] == [f"What is {n}?" for n in range(20)]
    other = "ingress" if way == "direct" else "direct"
    assert asked(client, PLANNER, way) - before[PLANNER] == 20 and asked(client, PLANNER, other) <= 1
    assert asked(client, "embed", way) > before["embed"] and asked(client, "embed", other) <= 1


@pytest.mark.parametrize("way", WAYS)
async def test_what_fails_says_why(served: Served, way: str) -> None:
    client = await served.connected(way)
    with pytest.raises(ArcusError) as caught:
        await client.plan(plan(messages=0))
    assert (caught.value.reason, caught.value.message.split(" must")[0]) == (Reason.INVALID_ARGUMENT, "messages")
    served.edge._engine = Engine(())
    with pytest.raises(ArcusError) as caught:
        await client.embed(["a"])
    assert caught.value.reason is Reason.INTERNAL and "role" in caught.value.message


@pytest.mark.parametrize("way", WAYS)
async def test_nobody_plans_for_who_went_away(served: Served, way: str) -> None:
    client = await served.connected(way)
    planning = asyncio.create_task(client.plan(plan(plan_seconds=60)))
    await until(lambda: served.scripted.plans == 1)
    planning.cancel()
    await asyncio.wait([planning])
    await until(lambda: served.scripted.plans == 0)
    assert (await client.plan(plan())).question == "Where?"


@pytest.mark.parametrize("way", WAYS)
async def test_a_plan_stands_in_its_trace(served: Served, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await served.connected(way)
    spans = record_spans(monkeypatch)
    with tracing.request_span("POST", {"traceparent": f"00-{7:032x}-{1:016x}-01"}):
        await client.plan(plan())
    (of_replica,) = [each for each in spans.get_finished_spans() if each.name == "Plan"]
    (of_front,) = [each for each in spans.get_finished_spans() if each.name.startswith("plan ")]
    assert of_replica.context.trace_id == 7 and of_replica.parent.span_id == of_front.context.span_id


async def test_a_replica_that_is_lost_meanwhile_is_asked_through_the_ingress(served: Served) -> None:
    client = await served.connected("direct")
    planning = asyncio.create_task(client.plan(plan("Whose?", plan_seconds=0.2)))
    await until(lambda: served.scripted.plans == 1)
    await served.edge._direct.close()
    assert (await planning).question == "Whose?"
    assert len(await client.embed(["a", "b"])) == 2
    assert told(client, "arcus_direct_connections", PLANNER) == 0


async def test_a_late_plan_is_asked_for_once_more_by_the_ingress(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await served.connected("direct")
    before = asked(client, PLANNER, "ingress")
    monkeypatch.setattr("services.nimbus.engine.calls.TRY_SECONDS", 0.2)
    for connection in served.edge._direct.connections:
        monkeypatch.setattr(connection, "took", lambda frame: None)  # a process that stands still
    assert (await client.plan(plan())).question == "Where?"
    assert asked(client, PLANNER, "ingress") == before + 1
    assert (await client.plan(plan())).question == "Where?"


async def test_a_connection_takes_no_call_of_another_kind(served: Served) -> None:
    client = await served.connected("direct")
    (connection,) = client._ways[PLANNER].direct._connections.values()  # type: ignore[union-attr]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await connection.call("search", pb.SearchRequest(), (), 5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert (await client.plan(plan())).question == "Where?" and connection.is_open
