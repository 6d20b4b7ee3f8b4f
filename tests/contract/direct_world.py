"""A shard replica behind a gRPC port, which stands for the ingress, and its own port, with the front's client before both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
import numpy as np
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc
from structlog.contextvars import get_contextvars

from ray_jobs import direct
from ray_jobs.index.deployment import IndexReplica
from ray_jobs.index.replica import Answer
from ray_jobs.index.shard import Query, Shard
from ray_jobs.ingress import Gate
from services.core import frames
from services.core.engines.config import EngineConfig, parse_engine_config
from services.core.index.embedding_log import LogRow
from services.nimbus.engine.client import EngineClient
from services.telemetry.metrics import Metrics
from tests.unit.index_rows import unit
from tests.waiting import async_until

SECRET, DIMENSIONS = "secret", 16
VECTORS = unit(np.random.default_rng(3).standard_normal((600, DIMENSIONS))).astype("<f4")
WAYS = ("direct", "ingress")


class Replica:
    """A shard that is asked at once, or waits for `go`, or fails."""

    def __init__(self) -> None:
        self.shard = Shard(DIMENSIONS)
        rows = [
            LogRow(n + 1, "add", "t", "abc"[n % 3], f"f{n}", f"s{n}", n + 1, v.tobytes()) for n, v in enumerate(VECTORS)
        ]
        self.shard.apply(rows)
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None
        self.begun = self.cancelled = 0
        self.seen: list[Any] = []

    async def search(self, query: Query, min_sequence: int) -> Answer:
        (answer,) = await self.search_many([query], min_sequence)
        return answer

    async def search_many(self, queries: list[Query], min_sequence: int) -> list[Answer]:
        self.begun += 1
        self.seen.append((min_sequence, get_contextvars().get("request_id")))
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return [Answer(hits, self.shard.sequence, 9) for hits in self.shard.search_many(queries)]


class ServedEdge:
    """An edge behind a gRPC port, which stands for the ingress, with a port of its own.

    methods: of the edge, by their fields of DirectCall. services: what adds the edge to a gRPC server as each of its services.
    """

    def __init__(
        self,
        edge: Any,
        methods: Mapping[str, direct.Method],
        services: Sequence[Callable[[Any, grpc.aio.Server], None]],
        config: EngineConfig,
    ) -> None:
        self.edge, self._methods, self._services, self._config = edge, methods, services, config
        self.edge._gate = Gate(SECRET)
        self.edge._direct = self.own_port()
        self.clients: list[EngineClient] = []

    def own_port(self) -> direct.DirectServer:
        return direct.DirectServer(self._methods, self.edge._gate)

    async def start(self) -> None:
        await self.edge._direct.start("127.0.0.1")
        self.server = grpc.aio.server()
        for add in self._services:
            add(self.edge, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()

    async def stop(self) -> None:
        for each in self.clients:
            await each.close()
        await self.edge._direct.close()
        await self.server.stop(grace=0)

    def client(self, way: str = "direct", **options: Any) -> EngineClient:
        options = {"timeout_seconds": 20, "engine_direct": way == "direct", "metrics": Metrics(), **options}
        made = EngineClient(f"127.0.0.1:{self.port}", SECRET, config=self._config, **options)
        self.clients.append(made)
        return made


Edge = TypeVar("Edge", bound=ServedEdge)


@asynccontextmanager
async def running(made: Edge) -> AsyncIterator[Edge]:
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


class Served(ServedEdge):
    """A shard's replica."""

    def __init__(self) -> None:
        self.replica = Replica()
        edge: Any = object.__new__(IndexReplica.func_or_class)  # type: ignore[attr-defined]
        edge._dimensions, edge._replica = DIMENSIONS, self.replica
        methods = {"search": edge.Search, "search_many": edge.SearchMany}
        super().__init__(edge, methods, [pb_grpc.add_IndexServiceServicer_to_server], parse_engine_config(""))

    async def stop(self) -> None:
        self.replica.go.set()
        await super().stop()

    async def connected(self, way: str = "direct", **options: Any) -> EngineClient:
        """One that has searched, and has its connection."""
        client = self.client(way, **options)
        await find(client)
        if way == "direct":
            await until(lambda: connections(client) == 1)
        return client

    async def peer(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        told = await self.edge._direct.told(pb.DirectRequest())
        return await asyncio.open_connection(told.host, told.port)

    def hello(self, secret: str = SECRET, replica: str | None = None) -> bytes:
        named = self.edge._direct.replica if replica is None else replica
        return framed(pb.DirectCall(hello=True, metadata={"x-arcus-secret": secret, "x-arcus-replica": named}))


def framed(call: pb.DirectCall) -> bytes:
    body = call.SerializeToString()
    return frames.LENGTH.pack(len(body)) + body


async def reply(reader: asyncio.StreamReader) -> pb.DirectReply:
    (length,) = frames.LENGTH.unpack(await reader.readexactly(4))
    return pb.DirectReply.FromString(await reader.readexactly(length))


async def until(is_so: Callable[[], object]) -> None:
    await async_until(is_so, "what the other side does")


def told(client: EngineClient, name: str, **labels: str) -> float:
    return client._metrics.registry.get_sample_value(name, {"application": "index-0", **labels}) or 0


def connections(client: EngineClient) -> float:
    return told(client, "arcus_direct_connections")


def searched(client: EngineClient, way: str) -> float:
    return told(client, "arcus_engine_asked_total", way=way)


async def find(client: EngineClient, number: int = 0, **options: Any) -> list[int]:
    given = {"collection_ids": ["a", "b"], "limit": 5, "min_sequence": 10, **options}
    hits = await client.search(0, "t", vector=VECTORS[number].tobytes(), **given)
    return [hit.embedding_id for hit in hits]


def truth(number: int, collections: str = "ab") -> list[int]:
    near = np.argsort(-(VECTORS @ VECTORS[number]), kind="stable")
    return [int(row) + 1 for row in near if "abc"[row % 3] in collections][:5]
