"""The stages of ingest as Serve deployments, and the pipeline that calls them through their handles.

Frames stay in Ray's object store between decoding and describing: the ingest worker holds only references.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from ray_jobs.batching import BatchQueue
from ray_jobs.pipeline import Described, pictured
from ray_jobs.stages.extract import Extracted, Extractor, ExtractRequest
from services.core.errors import ArcusError, Reason
from services.core.logs import configure_logs
from services.core.media import DescribeConfig, MediaInfo, Span
from services.core.settings import load_settings

# Waiting calls hold references to decoded frames, so this also bounds what lies in the object store.
MAX_WAITING = 32
DECODED_TOGETHER = 8
EMBED_TEXTS = 256
INGEST_NICENESS = 10
CALL_SECONDS = 900.0

# A share of the logical CPUs given to Ray: it places replicas, it does not limit what they use.
STAGE = {"num_cpus": 0.1}


def _step_back() -> None:
    """Ingest uses what searches and answers leave of the machine."""
    configure_logs()
    os.nice(INGEST_NICENESS)


class _Stage:
    """What each stage has: the object store's files, and a thread, so that its replica answers health checks."""

    def __init__(self) -> None:
        from services.core.objects import Objects

        _step_back()
        self._settings = load_settings()
        self._objects = Objects(self._settings.objects)

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
        from ray_jobs.stages.describe import Sampling, sample_segments

        settings = self._settings
        sampling = Sampling(settings.frame_interval_seconds, settings.max_frames_per_segment, settings.frame_max_side)
        on_gpu = table_decoder().on_gpu
        self._queues = [
            BatchQueue[tuple[Path, MediaInfo, Span], Any](
                "decode",
                lambda segments: sample_segments(segments, sampling),
                max_batch=DECODED_TOGETHER if on_gpu else 1,
                max_waiting=DECODED_TOGETHER,
            )
            for _ in range(1 if on_gpu else 2)
        ]
        for queue in self._queues:
            queue.start()
        self._turns = itertools.cycle(self._queues)

    async def sample(self, object_key: str, info: MediaInfo, span: Span) -> Any:
        """Frames of a segment."""
        async with self._objects.local_path(object_key) as path:
            return await next(self._turns).put((path, info, span))

    def check_health(self) -> None:
        for queue in self._queues:
            queue.check()


# PocketSphinx holds the interpreter for seconds, in which its replica cannot say how busy it is: so calls queue inside.
@serve.deployment(name="Transcriber", max_ongoing_requests=MAX_WAITING, ray_actor_options=STAGE)
class Transcriber(_Stage):
    def __init__(self) -> None:
        super().__init__()
        from ray_jobs.engines.embedded.transcriber import EmbeddedTranscriber

        self._engine = EmbeddedTranscriber()
        self._engine.setup()
        self._turn = asyncio.Lock()

    async def hear(self, object_key: str, info: MediaInfo, span: Span) -> Any:
        """Speech of a segment."""
        from ray_jobs.stages.describe import hear

        async with self._turn:
            return await self._on_file(object_key, lambda path: hear(path, info, span, self._engine))


@serve.deployment(name="Describer", max_ongoing_requests=1, max_queued_requests=MAX_WAITING, ray_actor_options=STAGE)
class Describer(_Stage):
    def __init__(self) -> None:
        super().__init__()
        from ray_jobs.engines.embedded.describer import EmbeddedDescriber
        from ray_jobs.engines.embedded.scene_text import SceneTextReader

        self._reader, self._describer = SceneTextReader(), EmbeddedDescriber()
        self._reader.setup()
        self._describer.setup()

    async def describe(
        self,
        object_key: str,
        info: MediaInfo,
        span: Span,
        frames: Any,
        speech: Any,
        config: DescribeConfig,
        thumbnail: bool,
    ) -> Described:
        from ray_jobs.stages.describe import look

        def run(path: Path) -> Described:
            content = look(path, info, span, frames, speech, config, self._reader, self._describer)
            return pictured(content, frames, thumbnail)

        return await self._on_file(object_key, run)


class ServePipeline:
    """The Pipeline whose stages are Serve deployments."""

    def __init__(
        self,
        decoder: DeploymentHandle,
        transcriber: DeploymentHandle,
        describer: DeploymentHandle,
        embedder: DeploymentHandle,
        extractor: Extractor,
    ) -> None:
        self._decoder = decoder
        self._transcriber = transcriber
        self._describer = describer
        self._embedder = embedder
        self._extractor = extractor

    async def describe(
        self, object_key: str, info: MediaInfo, span: Span, config: DescribeConfig, *, thumbnail: bool
    ) -> Described:
        """Raises what the stage raised, or ENGINE_UNAVAILABLE where its replica is gone or does not answer."""
        frames = self._decoder.sample.remote(object_key, info, span)
        calls: list[Any] = [frames]
        speech: Any = ()
        if config.enable_speech or config.enable_summary:
            speech = self._transcriber.hear.remote(object_key, info, span)
            calls.append(speech)
        calls.append(self._describer.describe.remote(object_key, info, span, frames, speech, config, thumbnail))
        async with _answer(*calls):
            return await calls[-1]

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector for each text: float32 little-endian, unit length."""
        vectors: list[bytes] = []
        for first in range(0, len(texts), EMBED_TEXTS):
            call = self._embedder.embed_texts.remote(list(texts[first : first + EMBED_TEXTS]))
            async with _answer(call):
                vectors += [row.astype("<f4").tobytes() for row in await call]
        return vectors

    async def extract(self, request: ExtractRequest) -> Extracted:
        return await self._extractor.extract(request)


@contextlib.asynccontextmanager
async def _answer(*calls: Any) -> AsyncIterator[None]:
    """Bounds the wait, gives up the calls if the waiter is cancelled, and raises a stage's own error as it was raised."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except RayTaskError as error:
        if isinstance(error.cause, ArcusError):
            raise error.cause from None
        raise
    except (RayError, RayServeException) as error:
        raise ArcusError(
            Reason.ENGINE_UNAVAILABLE, "A stage of the ingest stopped; its work will be tried again."
        ) from error
    except TimeoutError as error:
        raise ArcusError(Reason.DEADLINE_EXCEEDED, f"A stage took longer than {CALL_SECONDS:.0f} s.") from error
    finally:
        for call in calls:
            call.cancel()  # does nothing to one that has ended


@serve.deployment(name="ingest", max_ongoing_requests=4, ray_actor_options=STAGE)
class IngestReplica:
    """Claims jobs for as long as it lives; nothing calls it."""

    async def __init__(  # type: ignore[misc]
        self, decoder: DeploymentHandle, transcriber: DeploymentHandle, describer: DeploymentHandle
    ) -> None:
        from ray_jobs.engines.embedded.extractor import EmbeddedExtractor
        from ray_jobs.ingest import IngestWorker

        _step_back()
        embedder = serve.get_app_handle("embed")
        # Extraction reads text alone and is quick, so it needs no replica of its own.
        pipeline = ServePipeline(decoder, transcriber, describer, embedder, EmbeddedExtractor())
        worker = IngestWorker(load_settings(), pipeline)
        self._run = asyncio.create_task(worker.run(), name="ingest")

    async def check_health(self) -> None:
        if self._run.done():
            raise ArcusError(Reason.INTERNAL, "The ingest worker ended.") from self._run.exception()

    async def __del__(self) -> None:
        """Gives its jobs back, so that the next replica need not wait for their leases to run out."""
        self._run.cancel()
        await asyncio.wait([self._run], timeout=5)
