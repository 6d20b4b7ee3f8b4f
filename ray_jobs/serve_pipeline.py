"""The stages of ingest as Serve deployments, and the pipeline that calls them through their handles.

Frames stay in Ray's object store between decoding and describing: the ingest worker holds only references.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from ray_jobs.batching import BatchQueue
from ray_jobs.engines import roles
from ray_jobs.engines.handles import EngineExtractor, EngineSummariser, EngineTranscriber, answered, engine_handle
from ray_jobs.metrics import QueueMetrics, StageMetrics, Told, WorkerMetrics, start_telling
from ray_jobs.pipeline import Described, pictured
from ray_jobs.stage_times import StageTimes
from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.core.engines.config import VllmOptions, load_engine_config
from services.core.errors import ArcusError, Reason
from services.core.logs import configure_logs
from services.core.media import DescribeConfig, MediaInfo, SegmentDescription, Span
from services.core.settings import load_settings
from services.telemetry.tracing import start_tracing

# Waiting calls hold references to decoded frames, so this also bounds what lies in the object store.
MAX_WAITING = 32
DECODED_TOGETHER = 8
EMBED_TEXTS = 256
INGEST_NICENESS = 10
INGEST_DRAIN_SECONDS = 10.0  # of the 20 that Serve gives a replica to end
ENGINE_CALLS = 8  # of one replica that asks an engine elsewhere

# A share of the logical CPUs given to Ray: it places replicas, it does not limit what they use.
STAGE = {"num_cpus": 0.1}


def _step_back() -> None:
    """Ingest uses what searches and answers leave of the machine."""
    configure_logs(load_settings().log_format)
    os.nice(INGEST_NICENESS)


class _Stage:
    """What each stage has: the object store's files, and a thread, so that its replica answers health checks."""

    def __init__(self) -> None:
        from services.core.store.objects import Objects

        _step_back()
        self._settings = load_settings()
        self._objects = Objects(self._settings.objects)
        self._times = StageTimes()

    def _tell(self, *more: Told) -> None:
        if self._settings.engine_metrics_port:
            self._telling = start_telling(StageMetrics(self._times), *more)

    async def _on_file(self, object_key: str, call: Callable[[Path], Any]) -> Any:
        async with self._objects.local_path(object_key) as path:
            return await asyncio.to_thread(call, path)


@serve.deployment(
    name="FrameDecoder",
    max_ongoing_requests=DECODED_TOGETHER,
    max_queued_requests=MAX_WAITING,
    ray_actor_options=STAGE,
)
class FrameDecoder(_Stage):
    """On a GPU, segments that wait together are decoded together; on the CPU, two at a time."""

    async def __init__(self) -> None:  # type: ignore[misc]
        super().__init__()
        from ray_jobs.stages.decode import table_decoder
        from ray_jobs.stages.sampling import Sampling, sample_segments

        settings = self._settings
        describer = load_engine_config(settings).engine("describe")
        sampling = Sampling(settings.frame_interval_seconds, settings.max_frames_per_segment, settings.frame_max_side)
        on_gpu = table_decoder().on_gpu
        arena = _arena() if on_gpu and isinstance(describer, VllmOptions) and describer.takes_device_frames else None

        def sample(segments: list[tuple[Path, MediaInfo, Span]]) -> Any:
            with self._times.stage("decode"):
                return sample_segments(segments, sampling, arena)

        self._queues = [
            BatchQueue[tuple[Path, MediaInfo, Span], Any](
                "decode",
                sample,
                max_batch=DECODED_TOGETHER if on_gpu else 1,
                max_waiting=DECODED_TOGETHER,
            )
            for _ in range(1 if on_gpu else 2)
        ]
        for queue in self._queues:
            queue.start()
        self._turns = itertools.cycle(self._queues)
        self._tell(QueueMetrics(self._queues))

    async def sample(self, object_key: str, info: MediaInfo, span: Span) -> Any:
        """Frames of a segment."""
        async with self._objects.local_path(object_key) as path:
            return await next(self._turns).put((path, info, span))

    def check_health(self) -> None:
        for queue in self._queues:
            queue.check()


def _arena() -> Any:
    """On the GPU that decodes, for the model that describes there."""
    import torch

    from ray_jobs.stages.device_frames import Arena

    return Arena(torch.device("cuda", torch.cuda.current_device()))


# Calls wait inside: a recogniser of one thread takes seconds for each.
@serve.deployment(name="Transcriber", max_ongoing_requests=MAX_WAITING, ray_actor_options=STAGE)
class Transcriber(_Stage):
    """Recognises by itself, or asks the engine that plays the role; tells the voices of a file apart."""

    async def __init__(self) -> None:  # type: ignore[misc]
        super().__init__()
        self._tell()
        from ray_jobs.stages.speakers import open_speakers
        from ray_jobs.stages.spoken_track import SpokenTracks

        self._tracks = SpokenTracks()
        self._speakers = await open_speakers()
        engine = engine_handle(load_engine_config(self._settings), "transcribe")
        self._turns = asyncio.Semaphore(1 if engine is None else ENGINE_CALLS)
        if engine is not None:
            self._transcriber: roles.Transcriber = EngineTranscriber(engine)
            return
        from ray_jobs.engines.embedded.adapters import ThreadedTranscriber

        own = ThreadedTranscriber(self._settings.speech_model)
        await own.setup()
        self._transcriber = own

    async def hear(self, tenant_id: str, object_key: str, info: MediaInfo, span: Span) -> Any:
        """Speech of a segment."""
        from ray_jobs.stages.describe import hear

        async with self._turns, self._objects.local_path(object_key) as path:
            with self._times.stage("transcribe"):
                return await hear(
                    path, info, span, tenant_id, self._transcriber, self._tracks, object_key, self._speakers
                )


class _Reader(_Stage):
    def __init__(self) -> None:
        super().__init__()
        self._tell()
        from ray_jobs.engines.embedded.scene_text import SceneTextReader

        self._reader = SceneTextReader()
        self._reader.setup()

    async def _read(
        self, tenant_id: str, object_key: str, info: MediaInfo, span: Span, frames: Any, config: DescribeConfig
    ) -> Any:
        from ray_jobs.engines.embedded.scene_text import REMEMBERED_SECONDS, Source
        from ray_jobs.stages.describe import read

        source = Source(tenant_id, object_key)
        try:
            with self._times.stage("read"):
                return await self._on_file(
                    object_key, lambda path: read(path, source, info, span, frames, config, self._reader)
                )
        finally:
            asyncio.get_running_loop().call_later(REMEMBERED_SECONDS, self._reader.readings.forget_idle)


@serve.deployment(name="Reader", max_ongoing_requests=1, max_queued_requests=MAX_WAITING, ray_actor_options=STAGE)
class Reader(_Reader):
    """What an engine elsewhere is given beside the frames, and the picture, which needs no engine."""

    async def read(
        self,
        tenant_id: str,
        object_key: str,
        info: MediaInfo,
        span: Span,
        frames: Any,
        config: DescribeConfig,
        thumbnail: bool,
    ) -> Any:
        reading = await self._read(tenant_id, object_key, info, span, frames, config)
        return reading, await asyncio.to_thread(pictured, SegmentDescription(), frames, thumbnail)


@serve.deployment(name="Describer", max_ongoing_requests=1, max_queued_requests=MAX_WAITING, ray_actor_options=STAGE)
class Describer(_Reader):
    """Reads and describes in one place: the embedded engine."""

    async def __init__(self) -> None:  # type: ignore[misc]
        super().__init__()
        from ray_jobs.engines.embedded.adapters import ThreadedDescriber

        self._describer = ThreadedDescriber()
        await self._describer.setup()

    async def describe(
        self,
        tenant_id: str,
        object_key: str,
        info: MediaInfo,
        span: Span,
        frames: Any,
        speech: Any,
        config: DescribeConfig,
        thumbnail: bool,
    ) -> Described:
        from ray_jobs.stages.describe import describe_request

        reading = await self._read(tenant_id, object_key, info, span, frames, config)
        request = describe_request(tenant_id, span, frames, speech, reading, config)
        with self._times.stage("describe"):
            described = await self._describer.describe(request)
        return await asyncio.to_thread(pictured, described, frames, thumbnail)


class ServePipeline:
    """The Pipeline whose stages are Serve deployments; `engine` describes where the stage `describer` only reads, `seer` sees."""

    def __init__(
        self,
        decoder: DeploymentHandle,
        transcriber: DeploymentHandle,
        describer: DeploymentHandle,
        embedder: DeploymentHandle,
        extractor: roles.Extractor,
        summariser: roles.Summariser,
        engine: DeploymentHandle | None = None,
        seer: DeploymentHandle | None = None,
    ) -> None:
        self.times = StageTimes()
        self._decoder = decoder
        self._transcriber = transcriber
        self._describer = describer
        self._embedder = embedder
        self._extractor = extractor
        self._summariser = summariser
        self._engine = engine
        self._seer = seer

    async def describe(
        self, tenant_id: str, object_key: str, info: MediaInfo, span: Span, config: DescribeConfig, *, thumbnail: bool
    ) -> Described:
        """Raises what the stage raised, or ENGINE_UNAVAILABLE where its replica is gone or does not answer."""
        frames = self._decoder.sample.remote(object_key, info, span)
        calls: list[Any] = [frames]
        speech: Any = ()
        if config.enable_speech or config.enable_summary:
            speech = self._transcriber.hear.remote(tenant_id, object_key, info, span)
            calls.append(speech)
        if self._engine is None:
            call = self._describer.describe.remote(tenant_id, object_key, info, span, frames, speech, config, thumbnail)
        else:
            read = self._describer.read.remote(tenant_id, object_key, info, span, frames, config, thumbnail)
            calls.append(read)
            call = self._engine.describe.remote(tenant_id, span, frames, speech, read, config)
        calls.append(call)
        seeing = None
        if self._seer is not None and config.enable_visual_scene_description:
            seeing = self._seer.see.remote(span, frames)
            calls.append(seeing)
        async with answered(*calls):
            described = await call
            return described if seeing is None else described.with_seen(await seeing)

    async def summarise(
        self, tenant_id: str, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]:
        with self.times.stage("summarise"):
            return await self._summariser.summarise(tenant_id, segments, filename, duration_seconds)

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector for each text: float32 little-endian, unit length."""
        vectors: list[bytes] = []
        for first in range(0, len(texts), EMBED_TEXTS):
            call = self._embedder.embed_texts.remote(list(texts[first : first + EMBED_TEXTS]))
            with self.times.stage("embed"):
                async with answered(call):
                    vectors += [row.astype("<f4").tobytes() for row in await call]
        return vectors

    async def extract(self, request: ExtractRequest) -> Extracted:
        with self.times.stage("extract"):
            return await self._extractor.extract(request)


@serve.deployment(name="ingest", max_ongoing_requests=4, ray_actor_options=STAGE)
class IngestReplica:
    """Claims jobs for as long as it lives; nothing calls it."""

    async def __init__(  # type: ignore[misc]
        self, decoder: DeploymentHandle, transcriber: DeploymentHandle, describer: DeploymentHandle
    ) -> None:
        from ray_jobs.engines.embedded.adapters import ThreadedDescriber
        from ray_jobs.engines.embedded.extraction.extractor import EmbeddedExtractor
        from ray_jobs.ingest import IngestWorker

        _step_back()
        settings = load_settings()
        start_tracing(settings, "arcus-ingest")
        config = load_engine_config(settings)
        describing, extracting = engine_handle(config, "describe"), engine_handle(config, "extract")
        pipeline = ServePipeline(
            decoder,
            transcriber,
            describer,
            serve.get_app_handle(config.application("embed")),
            # Embedded, both read text alone and are quick, so they need no replica of their own.
            EmbeddedExtractor() if extracting is None else EngineExtractor(extracting),
            ThreadedDescriber() if describing is None else EngineSummariser(describing),
            describing,
            engine_handle(config, "see"),
        )
        self._worker = IngestWorker(settings, pipeline)
        self._run = asyncio.create_task(self._worker.run(), name="ingest")
        if settings.engine_metrics_port:
            progress = self._worker.progress
            self._telling = start_telling(StageMetrics(progress.times, pipeline.times), WorkerMetrics(progress))

    async def check_health(self) -> None:
        if self._run.done():
            raise ArcusError(Reason.INTERNAL, "The ingest worker ended.") from self._run.exception()

    async def __del__(self) -> None:
        """Gives its jobs back, so that the next replica need not wait for their leases to run out."""
        await self._worker.drain(INGEST_DRAIN_SECONDS)
        self._run.cancel()
        await asyncio.wait([self._run], timeout=5)
