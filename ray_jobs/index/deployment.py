"""One index shard as a Serve deployment: the gRPC edge over `ShardReplica`."""

from __future__ import annotations

import math
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb
from ray import serve
from ray.serve import Application
from ray.util import get_node_ip_address

from ray_jobs.direct import DirectServer
from ray_jobs.engines.handles import vector_dimensions
from ray_jobs.index.device import device
from ray_jobs.index.messages import group_hits, queries, response
from ray_jobs.index.replica import BATCH_QUERIES, ShardReplica
from ray_jobs.index.shard import Shard
from ray_jobs.ingress import Gate
from ray_jobs.metrics import QueueMetrics, ShardMetrics, start_telling
from services.core.engines.config import load_engine_config
from services.core.errors import invalid
from services.core.index.embedding_log import EmbeddingLog
from services.core.index.snapshots import Snapshots
from services.core.logs import configure_logs
from services.core.settings import Settings, load_settings
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.telemetry.tracing import start_tracing


@serve.deployment(name="index", max_ongoing_requests=256, max_queued_requests=512, ray_actor_options={"num_cpus": 0.1})
class IndexReplica:
    async def __init__(self, number: int) -> None:  # type: ignore[misc]
        settings = load_settings()
        configure_logs(settings.log_format)
        start_tracing(settings, "arcus-index")
        self._gate = Gate(settings.engine_secret.get_secret_value(), settings.engine_other_secret.get_secret_value())
        self._dimensions = await vector_dimensions(load_engine_config(settings))
        database = Database(
            settings.database,
            pool_size=settings.database_connections,
            statement_seconds=settings.database_statement_seconds,
        )
        await database.await_schema(math.inf)
        self._replica = ShardReplica(
            number,
            EmbeddingLog(database),
            Shard(device=device(settings.index_device, self._dimensions), lists_from=settings.index_lists_vectors),
            snapshots=Snapshots(database, Objects(settings.objects, min_free_bytes=settings.min_free_bytes)),
            snapshot_rows=settings.index_snapshot_rows,
        )
        if settings.engine_metrics_port:
            self._telling = start_telling(ShardMetrics(self._replica), QueueMetrics([self._replica.queue]))
        await self._replica.start()
        self._direct = DirectServer({"search": self.Search, "search_many": self.SearchMany}, self._gate)
        if settings.engine_direct:
            await self._direct.start(get_node_ip_address(), settings.direct_ports)

    async def check_health(self) -> None:
        self._replica.check()

    async def Search(self, request: pb.SearchRequest, grpc_context: Any) -> pb.SearchResponse:
        return await self._gate.unary(grpc_context, self._search, request, pb.SearchResponse())

    async def SearchMany(self, request: pb.SearchManyRequest, grpc_context: Any) -> pb.SearchManyResponse:
        return await self._gate.unary(grpc_context, self._search_many, request, pb.SearchManyResponse())

    async def Direct(self, request: pb.DirectRequest, grpc_context: Any) -> pb.DirectResponse:
        return await self._gate.unary(grpc_context, self._direct.told, request, pb.DirectResponse())

    async def _search_many(self, request: pb.SearchManyRequest) -> pb.SearchManyResponse:
        if len(request.searches) + sum(group.count for group in request.groups) > BATCH_QUERIES:
            raise invalid(f"At most {BATCH_QUERIES} searches can be made in one call.", field="searches")
        asked = [query for search in request.searches for query in queries(search, self._dimensions)]
        asked += [query for group in request.groups for query in queries(group, self._dimensions, group.count)]
        if not asked:
            return pb.SearchManyResponse()
        min_sequence = max(search.min_sequence for search in (*request.searches, *request.groups))
        answers = await self._replica.search_many(asked, min_sequence)
        if request.groups:
            return pb.SearchManyResponse(groups=group_hits(asked, answers))
        return pb.SearchManyResponse(responses=map(response, answers))

    async def _search(self, request: pb.SearchRequest) -> pb.SearchResponse:
        (query,) = queries(request, self._dimensions)
        return response(await self._replica.search(query, request.min_sequence))


def index_application(number: int, settings: Settings) -> Application:
    """One shard with its replicas, between which the ingress divides the calls."""
    deployment: Any = IndexReplica
    # Shares by which Ray places replicas, not limits: shards may share a GPU with each other and with models.
    resources = {"num_cpus": 0.1, "num_gpus": 0.05} if settings.index_device == "gpu" else {"num_cpus": 0.1}
    return deployment.options(num_replicas=settings.index_replicas, ray_actor_options=resources).bind(number)
