"""The Serve applications: each class is a thin edge over a plain engine, stage or shard.

A KubeRay RayService names the builders below as import paths (`ray_jobs.deploy:engine`); `arcus up` deploys them all.
Replicas read their settings from the environment of their process.
"""

from __future__ import annotations

import asyncio
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb
from ray import serve
from ray.serve import Application

from ray_jobs.engines.deployment import engine_application, vector_dimensions
from ray_jobs.ingress import Gate
from ray_jobs.serve_pipeline import Describer, FrameDecoder, IngestReplica, Reader, Transcriber
from services.core.engine_config import load_engine_config
from services.core.errors import invalid
from services.core.logs import configure_logs
from services.core.settings import Settings, load_settings

SERVICERS = [
    f"arcus.engine.v1.engine_pb2_grpc.add_{name}Servicer_to_server"
    for name in ("EmbedService", "IndexService", "GenerateService")
]
MAX_COLLECTIONS = 1000
MAX_HITS = 1000
MAX_SEARCHES = 64
MAX_NAMED = 200_000  # files or segments that a search is narrowed to
DISTINCT: dict[int, Any] = {
    pb.DISTINCT_EMBEDDING: "embedding",
    pb.DISTINCT_SEGMENT: "segment",
    pb.DISTINCT_FILE: "file",
}
# A share of the logical CPUs given to Ray: it places replicas, it does not limit what they use.
REPLICA = {"num_cpus": 0.1}


def _gate(settings: Settings) -> Gate:
    configure_logs()
    return Gate(settings.engine_secret.get_secret_value())


@serve.deployment(name="index", max_ongoing_requests=256, max_queued_requests=512, ray_actor_options=REPLICA)
class IndexReplica:
    async def __init__(self, number: int) -> None:  # type: ignore[misc]
        from ray_jobs.index.replica import ShardReplica
        from ray_jobs.index.shard import Shard
        from services.core.database import Database
        from services.core.embedding_log import EmbeddingLog

        settings = load_settings()
        self._gate = _gate(settings)
        self._dimensions = await vector_dimensions(load_engine_config(settings))
        self._replica = ShardReplica(number, EmbeddingLog(Database(settings.database)), Shard(self._dimensions))
        await self._replica.start()

    async def check_health(self) -> None:
        self._replica.check()

    async def Search(self, request: pb.SearchRequest, grpc_context: Any) -> pb.SearchResponse:
        return await self._gate.unary(grpc_context, self._search, request, pb.SearchResponse())

    async def SearchMany(self, request: pb.SearchManyRequest, grpc_context: Any) -> pb.SearchManyResponse:
        return await self._gate.unary(grpc_context, self._search_many, request, pb.SearchManyResponse())

    async def _search_many(self, request: pb.SearchManyRequest) -> pb.SearchManyResponse:
        if len(request.searches) > MAX_SEARCHES:
            raise invalid(f"At most {MAX_SEARCHES} searches can be made in one call.", field="searches")
        return pb.SearchManyResponse(responses=await asyncio.gather(*map(self._search, request.searches)))

    async def _search(self, request: pb.SearchRequest) -> pb.SearchResponse:
        import numpy as np

        from ray_jobs.index.shard import Query

        if len(request.vector) != 4 * self._dimensions:
            raise invalid(f"The vector must be {self._dimensions} float32 values.", field="vector")
        if not 1 <= request.limit <= MAX_HITS:
            raise invalid(f"limit must be from 1 to {MAX_HITS}.", field="limit")
        if len(request.collection_ids) > MAX_COLLECTIONS:
            raise invalid(f"At most {MAX_COLLECTIONS} collections can be searched.", field="collection_ids")
        if max(len(request.file_ids), len(request.segment_ids)) > MAX_NAMED:
            raise invalid(f"At most {MAX_NAMED} files or segments can be named.", field="file_ids")
        query = Query(
            request.tenant_id,
            tuple(request.collection_ids),
            np.frombuffer(request.vector, "<f4"),
            request.limit,
            tuple(request.file_ids),
            tuple(request.segment_ids),
            DISTINCT.get(request.distinct, "embedding"),
        )
        hits, sequence = await self._replica.search(query, request.min_sequence)
        return pb.SearchResponse(
            hits=[
                pb.Hit(embedding_id=hit.embedding_id, collection_id=hit.collection_id, score=hit.score) for hit in hits
            ],
            sequence=sequence,
        )


def _bound(deployment: Any, *arguments: Any) -> Application:
    return deployment.bind(*arguments)


def engine(arguments: dict[str, Any]) -> Application:
    """arguments: {"application": name}, one of those that the configuration names for its roles."""
    config = load_engine_config(load_settings())
    name = str(arguments.get("application"))
    if name not in config.applications:
        raise invalid(
            f"No role is played by an application {name!r}; there are: {', '.join(config.applications)}.",
            field="application",
        )
    return engine_application(config, name)


def index(arguments: dict[str, Any]) -> Application:
    """arguments: {"shard": number}"""
    return _bound(IndexReplica, int(arguments["shard"]))


def ingest(_arguments: dict[str, Any] | None = None) -> Application:
    settings = load_settings()
    config = load_engine_config(settings)
    embedded = config.engine("describe").kind == "embedded"
    transcriber: Any = Transcriber
    describer: Any = Describer if embedded else Reader
    return _bound(
        IngestReplica,
        _bound(FrameDecoder),
        _bound(transcriber.options(num_replicas=settings.transcribe_replicas)),
        _bound(describer.options(num_replicas=settings.describe_replicas)),
    )


def applications(settings: Settings) -> dict[str, Application]:
    """Every application of one instance by name: what a call names in its `application` metadata."""
    config = load_engine_config(settings)
    return {
        **{name: engine_application(config, name) for name in config.applications},
        **{f"index-{number}": index({"shard": number}) for number in range(settings.index_shards)},
        "ingest": ingest(),
    }
