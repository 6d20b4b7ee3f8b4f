"""The Serve applications: each class is a thin edge over a plain engine, stage or shard.

A KubeRay RayService names the builders below as import paths (`ray_jobs.deploy:embed`); `arcus up` deploys them all.
Replicas read their settings from the environment of their process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb
from ray import serve
from ray.serve import Application

from ray_jobs.index.deployment import index_application
from ray_jobs.ingress import Gate
from ray_jobs.serve_pipeline import Describer, FrameDecoder, IngestReplica, Transcriber
from services.core.errors import invalid
from services.core.logs import configure_logs
from services.core.settings import Settings, load_settings

SERVICERS = [
    f"arcus.engine.v1.engine_pb2_grpc.add_{name}Servicer_to_server"
    for name in ("EmbedService", "IndexService", "GenerateService")
]
DIMENSIONS = 384
MAX_TEXTS = 1024
# Calls that share a pass. A CPU gains little from more, and while one half of the callers waits for its vectors, the
# other half's are being searched with.
EMBED_CALLS = 8
# A share of the logical CPUs given to Ray: it places replicas, it does not limit what they use.
REPLICA = {"num_cpus": 0.1}


def _gate(settings: Settings) -> Gate:
    configure_logs()
    return Gate(settings.engine_secret.get_secret_value())


@serve.deployment(name="embed", max_ongoing_requests=128, max_queued_requests=256, ray_actor_options=REPLICA)
class EmbedReplica:
    async def __init__(self) -> None:  # type: ignore[misc]
        from ray_jobs.batching import BatchQueue
        from ray_jobs.engines.embedded.embedder import EmbeddedEmbedder

        self._gate = _gate(load_settings())
        engine = EmbeddedEmbedder()
        self._queue: BatchQueue[list[str], Any] = BatchQueue(
            "embed", lambda calls: _embed_together(engine, calls), max_batch=EMBED_CALLS, max_waiting=256
        )
        await self._queue.in_thread(engine.setup)
        self._queue.start()

    async def check_health(self) -> None:
        self._queue.check()

    async def Embed(self, request: pb.EmbedRequest, grpc_context: Any) -> pb.EmbedResponse:
        return await self._gate.unary(grpc_context, self._embed, request, pb.EmbedResponse())

    async def embed_texts(self, texts: list[str]) -> Any:
        """For callers inside Serve: float32 [len(texts), dimensions]."""
        return (await self._queue.put(texts))[0]

    async def _embed(self, request: pb.EmbedRequest) -> pb.EmbedResponse:
        if len(request.texts) > MAX_TEXTS:
            raise invalid(f"At most {MAX_TEXTS} texts can be embedded in one call.", field="texts")
        vectors, tokens = await self._queue.put(list(request.texts))
        return pb.EmbedResponse(dimensions=DIMENSIONS, vectors=vectors.astype("<f4").tobytes(), tokens=tokens)


def _embed_together(engine: Any, calls: list[list[str]]) -> list[tuple[Any, int]]:
    """One forward pass for all waiting calls; the tokens of the pass are shared out by length of text."""
    vectors, tokens = engine.embed_counted([text for texts in calls for text in texts])
    lengths = [sum(map(len, texts)) for texts in calls]
    whole = sum(lengths) or 1
    answers, first = [], 0
    for texts, length in zip(calls, lengths, strict=True):
        answers.append((vectors[first : first + len(texts)], round(tokens * length / whole)))
        first += len(texts)
    return answers


@serve.deployment(name="generate", max_ongoing_requests=256, max_queued_requests=256, ray_actor_options=REPLICA)
class GenerateReplica:
    async def __init__(self) -> None:  # type: ignore[misc]
        settings = load_settings()
        self._gate = _gate(settings)
        self._engine = _generator(settings.generate_engine)
        await self._engine.setup()

    async def Generate(self, request: pb.GenerateRequest, grpc_context: Any) -> AsyncIterator[pb.GenerateChunk]:
        # The gate closes with this generator, so that a client's cancelling reaches the engine at once.
        chunks = self._gate.stream(grpc_context, self._engine.generate, request)
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]

    async def Plan(self, request: pb.PlanRequest, grpc_context: Any) -> pb.PlanResponse:
        return await self._gate.unary(grpc_context, self._engine.plan, request, pb.PlanResponse())


def _generator(name: str) -> Any:
    from ray_jobs.engines.embedded.generator import EmbeddedGenerator
    from ray_jobs.engines.scripted import ScriptedEngine

    engines = {"embedded": EmbeddedGenerator, "scripted": ScriptedEngine}
    if name not in engines:
        raise invalid(f"ARCUS_GENERATE_ENGINE must be one of: {', '.join(engines)}.", field="generate_engine")
    return engines[name]()


def _bound(deployment: Any, *arguments: Any) -> Application:
    return deployment.bind(*arguments)


def embed(_arguments: dict[str, Any] | None = None) -> Application:
    return _bound(EmbedReplica)


def index(arguments: dict[str, Any]) -> Application:
    """arguments: {"shard": number}"""
    return index_application(int(arguments["shard"]), load_settings())


def generate(_arguments: dict[str, Any] | None = None) -> Application:
    return _bound(GenerateReplica)


def ingest(_arguments: dict[str, Any] | None = None) -> Application:
    deployment: Any = Transcriber
    transcriber = deployment.options(num_replicas=load_settings().transcribe_replicas)
    return _bound(IngestReplica, _bound(FrameDecoder), _bound(transcriber), _bound(Describer))


def applications(settings: Settings) -> dict[str, Application]:
    """Every application of one instance by name: what a call names in its `application` metadata."""
    return {
        "embed": embed(),
        **{f"index-{number}": index_application(number, settings) for number in range(settings.index_shards)},
        "generate": generate(),
        "ingest": ingest(),
    }
