"""An engine as a Serve application: its gRPC edge for the front, and its calls for the stages of ingest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import structlog
from arcus.engine.v1 import engine_pb2 as pb
from ray import serve
from ray.serve import Application
from ray.util import get_node_ip_address

from ray_jobs.direct import DirectServer
from ray_jobs.engines.answers import Answers
from ray_jobs.engines.engine import open_engine
from ray_jobs.engines.left_answers import Counted, LeftAnswers
from ray_jobs.engines.pulse import answer_with_pulse
from ray_jobs.engines.roles import Embedded, Seen
from ray_jobs.engines.vllm import placement
from ray_jobs.ingress import Gate
from ray_jobs.metrics import AnswerMetrics, QueueMetrics, StageMetrics, Told, start_telling
from ray_jobs.pipeline import Described
from ray_jobs.stage_times import StageTimes
from ray_jobs.stages.describe import Reading, describe_request
from ray_jobs.stages.device_frames import Taker, shown
from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.core.engines.config import (
    EmbeddedOptions,
    EngineConfig,
    OpenaiOptions,
    Role,
    VllmOptions,
    load_engine_config,
)
from services.core.errors import ArcusError, Reason, invalid
from services.core.index.embedder import stored_embedder
from services.core.index.embedding_log import EmbeddingLog
from services.core.logs import configure_logs
from services.core.media import DescribeConfig, SegmentDescription, Span, Speech
from services.core.settings import load_settings
from services.core.store.database import Database
from services.telemetry.tracing import start_tracing

MAX_TEXTS = 1024
# Beyond what the engine itself takes, so that it is the engine that refuses, with its reason: each question is planned
# first, and as many may come at once as two fronts let in (ARCUS_MAX_RESPONSES).
SPARE_CALLS = 512
START_ATTEMPTS = 3  # of a replica: what is configured wrongly stays wrong
Player = TypeVar("Player")

log = structlog.get_logger()


@serve.deployment(name="engine", ray_actor_options={"num_cpus": 0.1})
class EngineReplica:
    async def __init__(self, name: str, roles: Sequence[Role]) -> None:  # type: ignore[misc]
        settings = load_settings()
        configure_logs(settings.log_format)
        start_tracing(settings, "arcus-engines")
        self._gate = Gate(settings.engine_secret.get_secret_value(), settings.engine_other_secret.get_secret_value())
        self._direct = DirectServer({"embed": self.Embed, "plan": self.Plan}, self._gate)
        self._times, self._answers = StageTimes(), Answers()
        self._database = Database(settings.database, pool_size=1)
        self._left = LeftAnswers(self._database)
        config = load_engine_config(settings)
        if roles[0] == "embed" and isinstance(config.engines[name], EmbeddedOptions):
            model = await _stored_embedder(settings.database)
            config = config.embedding_with(model) if model else config
        self._engine = open_engine(config, name, roles)
        options = config.engines[name]
        self._taker = Taker() if isinstance(options, VllmOptions) and options.takes_device_frames else None
        await self._engine.setup()
        if self._engine.embedder is not None and config.engines[name].kind != "embedded":
            await _check_stored_vectors(settings.database, name, self._engine.embedder.dimensions)
        if settings.engine_metrics_port:
            told: list[Told] = [StageMetrics(self._times), QueueMetrics(self._engine.queues)]
            if self._engine.generator is not None:
                told.append(AnswerMetrics(serve.get_replica_context().app_name, self._answers))
            self._telling = start_telling(*told)
        if settings.engine_direct:
            await self._direct.start(get_node_ip_address(), settings.direct_ports)

    async def check_health(self) -> None:
        self._engine.check()

    async def __del__(self) -> None:
        engine = getattr(self, "_engine", None)
        if engine is not None:
            await self._direct.close()
            await engine.close()
            await self._left.close()
            await self._database.close()

    async def Embed(self, request: pb.EmbedRequest, grpc_context: Any) -> pb.EmbedResponse:
        return await self._gate.unary(grpc_context, self._embed, request, pb.EmbedResponse())

    async def Plan(self, request: pb.PlanRequest, grpc_context: Any) -> pb.PlanResponse:
        return await self._gate.unary(grpc_context, self._plan, request, pb.PlanResponse())

    async def Direct(self, request: pb.DirectRequest, grpc_context: Any) -> pb.DirectResponse:
        return await self._gate.unary(grpc_context, self._direct.told, request, pb.DirectResponse())

    async def Generate(self, request: pb.GenerateRequest, grpc_context: Any) -> AsyncIterator[pb.GenerateChunk]:
        # The gate closes with this generator, so that a client's cancelling reaches the engine at once.
        counted = self._left.begin(request, dict(grpc_context.invocation_metadata()))
        chunks = self._gate.stream(grpc_context, partial(self._generate, counted), request)
        try:
            async for chunk in chunks:
                counted.sent()
                yield chunk
                counted.taken()
        finally:
            try:
                await chunks.aclose()  # type: ignore[attr-defined]
            finally:
                counted.ended()  # the engine writes no more

    async def embed_texts(self, texts: list[str]) -> Any:
        """float32 [len(texts), dimensions]."""
        return (await self._embedded(texts, queries=False)).vectors

    async def dimensions(self) -> int:
        return _played(self._engine.embedder).dimensions

    async def describe(
        self,
        tenant_id: str,
        span: Span,
        frames: Any,
        speech: tuple[Speech, ...],
        read: tuple[Reading, Described],
        config: DescribeConfig,
    ) -> Described:
        reading, picture = read
        async with shown(self._taker, frames) as images:
            request = describe_request(tenant_id, span, replace(frames, images=images), speech, reading, config)
            with self._times.stage("describe"):
                return replace(picture, content=await _played(self._engine.describer).describe(request))

    async def see(self, span: Span, frames: Any) -> Seen:
        with self._times.stage("see"):
            return await _played(self._engine.seer).see(frames.images, frames.times, span)

    async def summarise(
        self, tenant_id: str, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]:
        return await _played(self._engine.describer).summarise(tenant_id, segments, filename, duration_seconds)

    async def transcribe(
        self, tenant_id: str, samples: Any, sample_rate: int, offset_seconds: float
    ) -> tuple[Speech, ...]:
        return await _played(self._engine.transcriber).transcribe(tenant_id, samples, sample_rate, offset_seconds)

    async def extract(self, request: ExtractRequest) -> Extracted:
        return await _played(self._engine.extractor).extract(request)

    async def _plan(self, request: pb.PlanRequest) -> pb.PlanResponse:
        return await _played(self._engine.generator).plan(request)

    def _generate(self, counted: Counted, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        return answer_with_pulse(request, self._written(counted, request))

    async def _written(self, counted: Counted, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        answer = self._answers.begin()
        chunks = _played(self._engine.generator).generate(request)
        try:
            async for chunk in chunks:
                answer.told()
                counted.told(chunk)
                yield chunk
        finally:
            answer.ended()
            await chunks.aclose()  # type: ignore[attr-defined]

    async def _embed(self, request: pb.EmbedRequest) -> pb.EmbedResponse:
        if len(request.texts) > MAX_TEXTS:
            raise invalid(f"At most {MAX_TEXTS} texts can be embedded in one call.", field="texts")
        made = await self._embedded(list(request.texts), queries=True)
        vectors = made.vectors.astype("<f4").tobytes()
        space = self._engine.seer.space if self._engine.seer is not None else ""
        return pb.EmbedResponse(dimensions=made.vectors.shape[1], vectors=vectors, tokens=made.tokens, space=space)

    async def _embedded(self, texts: list[str], *, queries: bool) -> Embedded:
        """Raises INTERNAL where the model's vectors are none: one of them would spoil an index."""
        embedder = self._engine.seer or _played(self._engine.embedder)
        made = await embedder.embed(texts, queries=queries)
        if made.vectors.shape != (len(texts), embedder.dimensions) or not np.isfinite(made.vectors).all():
            raise ArcusError(Reason.INTERNAL, "The engine made vectors that are not numbers; try again.")
        return made


def _played(player: Player | None) -> Player:
    if player is None:
        raise ArcusError(Reason.INTERNAL, "This engine does not play the role that was asked for.")
    return player


async def _stored_embedder(database_url: str) -> str:
    database = Database(database_url)
    try:
        return await stored_embedder(database)
    finally:
        await database.close()


async def _check_stored_vectors(database_url: str, name: str, dimensions: int) -> None:
    """An engine comes up without the database as well: what searches needs it, and waits for it."""
    database = Database(database_url)
    try:
        await EmbeddingLog(database).check_dimensions(dimensions, name)
    except ArcusError as error:
        if error.reason is not Reason.STORAGE_UNAVAILABLE:
            raise
        log.warning("stored_vectors_unchecked", engine=name, problem=error.message)
    finally:
        await database.close()


def engine_application(config: EngineConfig, application: str) -> Application:
    """One application with all the roles that the configuration gives it. Raises KeyError for another name."""
    roles = config.applications[application]
    name = config.roles[roles[0]]
    options: Any = config.engines[name]
    deployment: Any = EngineReplica
    placed: dict[str, Any] = {
        "max_ongoing_requests": 256,
        "max_queued_requests": 256,
        "max_constructor_retry_count": START_ATTEMPTS,
    }
    if roles == ("embed",) and options.kind == "embedded":
        placed["max_ongoing_requests"] = 128
    if isinstance(options, VllmOptions | OpenaiOptions):
        waiting = options.max_waiting if isinstance(options, VllmOptions) else 0
        placed["max_ongoing_requests"] = options.max_running + waiting + SPARE_CALLS
    placed["num_replicas"] = config.replicas(application)
    if isinstance(options, VllmOptions):
        placed |= placement.placed(options)
    return deployment.options(name=application, **placed).bind(name, list(roles))
