"""Engines that run elsewhere, in their roles: what a stage holds instead of a model."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from ray_jobs.engines.embedded.embedder import EmbeddedEmbedder
from ray_jobs.retries import StageLostError
from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.core.engines.config import EngineConfig, Role
from services.core.errors import ArcusError, Reason
from services.core.media import SegmentDescription, Speech

if TYPE_CHECKING:
    import numpy as np

CALL_SECONDS = 900.0


def engine_handle(config: EngineConfig, role: Role) -> DeploymentHandle | None:
    """None where the embedded engine plays the role, which it does where it is needed, or nothing plays it."""
    if role not in config.roles:
        return None
    return None if config.engine(role).kind == "embedded" else serve.get_app_handle(config.application(role))


async def vector_dimensions(config: EngineConfig) -> int:
    """Of the engine that embeds; waits until it is ready, where only the engine knows."""
    engine = engine_handle(config, "embed")
    return EmbeddedEmbedder.dimensions if engine is None else await engine.dimensions.remote()


class EngineTranscriber:
    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def transcribe(
        self, tenant_id: str, samples: np.ndarray, sample_rate: int, offset_seconds: float
    ) -> tuple[Speech, ...]:
        call = self._handle.transcribe.remote(tenant_id, samples, sample_rate, offset_seconds)
        async with answered(call):
            return await call


class EngineSummariser:
    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def summarise(
        self, tenant_id: str, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]:
        call = self._handle.summarise.remote(tenant_id, segments, filename, duration_seconds)
        async with answered(call):
            return await call


class EngineExtractor:
    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def extract(self, request: ExtractRequest) -> Extracted:
        call = self._handle.extract.remote(request)
        async with answered(call):
            return await call


@contextlib.asynccontextmanager
async def answered(*calls: Any) -> AsyncIterator[None]:
    """Bounds the wait, gives up the calls if the waiter is cancelled, and raises a stage's own error as it was raised."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except RayTaskError as error:
        if isinstance(error.cause, ArcusError):
            raise error.cause from None
        if isinstance(error.cause, RayServeException):  # of Serve itself: a call that this one waited for was lost
            raise _stopped() from error
        raise
    except (ActorDiedError, OutOfMemoryError) as error:
        raise StageLostError from error
    except (RayError, RayServeException) as error:
        raise _stopped() from error
    except TimeoutError as error:
        raise ArcusError(Reason.DEADLINE_EXCEEDED, f"A stage took longer than {CALL_SECONDS:.0f} s.") from error
    finally:
        for call in calls:
            call.cancel()  # does nothing to one that has ended


def _stopped() -> ArcusError:
    return ArcusError(Reason.ENGINE_UNAVAILABLE, "A stage of the ingest stopped; its work will be tried again.")
