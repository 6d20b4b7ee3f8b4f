"""The front's side of the engine contract: vectors, hits and tokens over gRPC from Ray Serve."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import grpc
import structlog
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc
from prometheus_client import Counter, Histogram
from structlog.contextvars import get_contextvars

from services.core.coalescing import Coalescer
from services.core.engines.config import MODELS, SEE, EngineConfig
from services.core.errors import KEY_HEADER, REQUEST_HEADER, ArcusError, Reason
from services.nimbus.engine.calls import Chunks, Hedges, again, mapped
from services.nimbus.engine.direct import CONNECT_SECONDS, DirectReplicas
from services.nimbus.engine.searches import Distinct, Found, Groups, Search, VectorHit, found
from services.telemetry.metrics import Metrics
from services.telemetry.span_names import (
    CHAT,
    EMBEDDINGS,
    MODEL,
    OPERATION,
    PLAN,
    PROVIDER,
    RESPONSE_ID,
    RETRIEVAL,
    SHARD,
)
from services.telemetry.tracing import Attributes, Metadata, client_span

# Of one call. Two calls that embed are under way at once, so that one half of many callers is served while the other is
# embedded; of a shard's searches one for each replica, whose one thread would only let a second wait (loadtests/RESULTS.md).
EMBED_TEXTS = 8
SEARCHES = 64  # as many as a shard takes
CHANNELS = 4  # a proxy allows about 100 streams on one HTTP/2 connection
# A host that acknowledges nothing of what is sent to it is gone, and its connection with it. A process that stands still
# is not gone so soon: its host acknowledges. Pings are for calls that only listen.
GONE_MS = 6_000
PING_MS, SILENT_MS = 10_000, 25_000
CONNECT_MS = 2_000  # of one attempt: a Service's next one goes to another host
MAX_MESSAGE_BYTES = 16 * 1024**2

OURS: Attributes = {PROVIDER: "arcus"}

log = structlog.get_logger(__name__)


SpaceVector = tuple[str, bytes]  # the space of the index that it belongs to, and float32 little-endian, of unit length
Text = tuple[str, Metadata]  # and its place in a trace


class MovedError(Exception):
    """Files have left the shard since the caller read where they are: it must read that again."""


class _Ways(NamedTuple):
    """To one Serve application: connections to its replicas, and what is counted of the calls that went by them, or not."""

    direct: DirectReplicas | None
    went_direct: Counter
    went_by_ingress: Counter


class _Shard(NamedTuple):
    """What a shard's searches share: made once, as there are many of them."""

    span_name: str
    attributes: Attributes
    seconds: Histogram
    searching: Coalescer[Search, Found]


# The service of each call that can be made either way, and its method, by the field of DirectCall.
METHODS: dict[str, tuple[Callable[[grpc.aio.Channel], Any], str]] = {
    "embed": (pb_grpc.EmbedServiceStub, "Embed"),
    "search": (pb_grpc.IndexServiceStub, "Search"),
    "search_many": (pb_grpc.IndexServiceStub, "SearchMany"),
    "plan": (pb_grpc.GenerateServiceStub, "Plan"),
}


class EngineClient:
    def __init__(
        self,
        address: str,
        secret: str,
        *,
        timeout_seconds: float,
        config: EngineConfig,
        index_replicas: int = 1,
        engine_direct: bool = True,
        metrics: Metrics | None = None,
    ) -> None:
        """engine_direct: what is no stream is asked over connections to replicas, where there are any."""
        self._timeout_seconds = timeout_seconds
        self._secret = secret
        self._metrics = metrics or Metrics()
        self._embedder = config.application("embed")
        self.seer = config.seer
        self._seer = config.application(SEE) if config.seer is not None else ""
        self._models: dict[str, str] = {model: config.application(model) for model in MODELS}
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.min_reconnect_backoff_ms", CONNECT_MS),
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.keepalive_time_ms", PING_MS),
            ("grpc.keepalive_timeout_ms", GONE_MS),
            ("grpc.http2.ping_timeout_ms", SILENT_MS),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.keepalive_permit_without_calls", 1),  # else each channel's next call finds out by itself
        ]
        self._channels = [
            grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS if address else 0)
        ]
        self._next = itertools.cycle(self._channels)
        self._embedding: Coalescer[Text, SpaceVector] = Coalescer(
            "embed", partial(self._embed, self._embedder), max_items=EMBED_TEXTS
        )
        self._seeing: Coalescer[Text, SpaceVector] = Coalescer(
            "see", partial(self._embed, self._seer), max_items=EMBED_TEXTS
        )
        self._config, self._index_replicas, self._engine_direct = config, index_replicas, engine_direct
        self._ways: dict[str, _Ways] = {}
        self._shards: dict[int, _Shard] = {}
        self._hedges = Hedges()

    async def close(self) -> None:
        for ways in self._ways.values():
            if ways.direct is not None:
                await ways.direct.close()
        for channel in self._channels:
            await channel.close()

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector for each text: float32 little-endian, unit length."""
        with client_span(EMBEDDINGS, {OPERATION: EMBEDDINGS, **OURS}) as (_, carried):
            made = await asyncio.gather(*[self._embedding.put((text, carried)) for text in texts])
            return [vector for _, vector in made]

    async def embed_for_pictures(self, text: str) -> SpaceVector:
        """Where pictures are that a text is compared with, and its vector there. Only where `seer` is given."""
        with client_span(EMBEDDINGS, {OPERATION: EMBEDDINGS, **OURS}) as (_, carried):
            return await self._seeing.put((text, carried))

    async def _embed(self, application: str, texts: list[Text]) -> Sequence[SpaceVector]:
        request = pb.EmbedRequest(texts=[text for text, _ in texts])
        call = self._call(application, "embed", request, _first(carried for _, carried in texts))
        with self._metrics.engine_call(application, "Embed"), mapped():
            reply = await again(call, self._timeout_seconds)
        width = reply.dimensions * 4
        starts = range(0, len(reply.vectors), width)
        return [(reply.space, reply.vectors[start : start + width]) for start in starts]

    async def search(
        self,
        shard: int,
        tenant_id: str,
        collection_ids: Sequence[str],
        vector: bytes,
        limit: int,
        min_sequence: int,
        *,
        file_ids: Collection[str] = (),
        segment_ids: Collection[str] = (),
        distinct: Distinct = "embedding",
        space: str = "",
    ) -> list[VectorHit]:
        """Best first, from the sub-indexes of these collections. Reflects the log up to min_sequence at least.

        Only of the space, and of these files and segments, where any are named; each hit is of another `distinct`.
        Raises MovedError if a file left the shard after min_sequence.
        """
        asked = self._shards.get(shard) or self._add_shard(shard)
        with client_span(asked.span_name, asked.attributes) as (_, carried), asked.seconds.time():
            search = Search(tenant_id, tuple(collection_ids), vector, limit, min_sequence, distinct, space, carried)
            if file_ids or segment_ids:  # which may be many, and share no pass
                reply = await self._asked(shard, "search", search.request(file_ids, segment_ids), carried)
                answer = found(reply)
            else:
                answer = await asked.searching.put(search)
        if answer.moved_sequence > min_sequence:
            raise MovedError
        return answer.hits

    def _add_shard(self, shard: int) -> _Shard:
        self._shards[shard] = added = _Shard(
            f"{RETRIEVAL} shard {shard}",
            {OPERATION: RETRIEVAL, SHARD: shard, **OURS},
            self._metrics.search_seconds.labels(str(shard)),
            Coalescer(
                f"search-{shard}", partial(self._search, shard), max_items=SEARCHES, max_calls=self._index_replicas
            ),
        )
        return added

    async def _search(self, shard: int, searches: list[Search]) -> Sequence[Found]:
        carried = _first(search.carried for search in searches)
        if len(searches) == 1:
            return [found(await self._asked(shard, "search", searches[0].request(), carried))]
        groups = Groups(searches)
        reply = await self._asked(shard, "search_many", groups.request(), carried, len(searches))
        if reply.HasField("groups"):
            return groups.found(reply.groups)
        # A shard of the version before, while the one takes the other's place.
        many = pb.SearchManyRequest(searches=[search.request() for search in searches])
        reply = await self._asked(shard, "search_many", many, carried, len(searches))
        return [found(response) for response in reply.responses]

    async def _asked(self, shard: int, asked: str, request: Any, carried: Metadata, searches: int = 1) -> Any:
        application = f"index-{shard}"
        with self._metrics.engine_call(application, "Search"), mapped():
            return await again(self._call(application, asked, request, carried, searches), self._timeout_seconds)

    def _call(
        self, application: str, asked: str, request: Any, carried: Metadata, asks: int = 1
    ) -> Callable[[float], Awaitable[Any]]:
        """Tries of at most so many seconds to have the reply: the first straight from a replica where one is connected, else,
        and from the second try on, through the ingress."""
        ways = self._ways.get(application) or self._add_ways(application, METHODS[asked][0])
        direct = ways.direct

        async def call(seconds: float) -> Any:
            nonlocal direct
            connection, direct = direct.free() if direct is not None else None, None
            if connection is not None:
                reply = await connection.call(asked, request, self._carried(carried), seconds)
                if reply is not None:
                    ways.went_direct.inc(asks)
                    return reply
            service, method = METHODS[asked]
            metadata = self._metadata(application, carried)
            reply = await getattr(service(self._channel()), method)(request, metadata=metadata, timeout=seconds)
            ways.went_by_ingress.inc(asks)
            return reply

        return call

    def _add_ways(self, application: str, service: Callable[[grpc.aio.Channel], Any]) -> _Ways:
        metrics, direct = self._metrics, None
        if self._engine_direct and self._channels:

            async def where() -> pb.DirectResponse:
                metadata = self._metadata(application)
                stub = service(self._channel())
                return await stub.Direct(pb.DirectRequest(), metadata=metadata, timeout=CONNECT_SECONDS)

            of_engine = application in self._config.applications
            replicas = self._config.replicas(application) if of_engine else self._index_replicas
            known = metrics.direct_connections.labels(application)
            direct = DirectReplicas(application, where, self._secret, replicas, known)
        by_way = [metrics.asked_by_way.labels(application, way) for way in ("direct", "ingress")]
        self._ways[application] = added = _Ways(direct, *by_way)
        return added

    async def plan(self, request: pb.PlanRequest) -> pb.PlanResponse:
        """What to look for before the answer is written."""
        application = self._models[request.model]
        span = client_span(f"{PLAN} {request.model}", {OPERATION: PLAN, MODEL: request.model, **OURS})
        with span as (_, carried), self._metrics.engine_call(application, "Plan"), mapped():
            call = self._call(application, "plan", request, carried)
            return await self._hedges.first(partial(call, self._timeout_seconds))

    @asynccontextmanager
    async def generate(
        self,
        request: pb.GenerateRequest,
        usage: Callable[[], Attributes] = dict,
        *,
        key_id: str | None = None,
        is_last_try: bool = True,
    ) -> AsyncIterator[Chunks]:
        """An answer as it is made. Leaving the context stops the engine; a silence longer than the timeout fails.

        `usage`: what was counted by then, for the trace. `key_id`: of the caller who waits for it; should this front die,
        the engine counts for it what it wrote. Reading raises ReplicaLostError where the answer's replica is gone; before the
        last try, one that says nothing at all for TRY_SECONDS is taken for gone.
        """
        application = self._models[request.model]
        attributes = {OPERATION: CHAT, MODEL: request.model, RESPONSE_ID: request.request_id, **OURS}
        with (
            client_span(f"{CHAT} {request.model}", attributes) as (span, carried),
            self._metrics.engine_call(application, "Generate"),
        ):
            stub = pb_grpc.GenerateServiceStub(self._channel())
            carried = (*carried, (KEY_HEADER, key_id)) if key_id else carried
            call = stub.Generate(request, metadata=self._metadata(application, carried))
            chunks = Chunks(call, self._timeout_seconds, is_last_try=is_last_try)
            try:
                yield chunks
            finally:
                span.set_attributes(usage())
                chunks.end()
                call.cancel()

    async def check(self) -> None:
        """Raises ENGINE_UNAVAILABLE unless an engine answers now."""
        with mapped():
            stub = pb_grpc.EmbedServiceStub(self._channel())
            await stub.Embed(pb.EmbedRequest(texts=[]), metadata=self._metadata(self._embedder), timeout=2)

    def _channel(self) -> grpc.aio.Channel:
        if not self._channels:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "No engine is configured; set ARCUS_ENGINE_ADDRESS.")
        return next(self._next)

    def _metadata(self, application: str, carried: Metadata = ()) -> Metadata:
        return (("application", application), ("x-arcus-secret", self._secret), *self._carried(carried))

    def _carried(self, carried: Metadata) -> Metadata:
        request_id = get_contextvars().get("request_id")
        return (*carried, (REQUEST_HEADER, request_id)) if request_id else carried


def _first(carried: Iterable[Metadata]) -> Metadata:
    """A call that is shared stands in the trace of the first that has one."""
    return next(filter(None, carried), ())
