"""The ports of the engines: what each role is asked and answers, whatever plays it.

Nothing here knows of HTTP, SSE or the database. Every call may raise ArcusError: LIMIT_EXCEEDED where the engine is full,
ENGINE_UNAVAILABLE where it is gone, INVALID_ARGUMENT where the input is to blame. Cancelling a call stops its work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.core.media import DescribeConfig, SegmentDescription, Span, Speech, TimedText

if TYPE_CHECKING:
    import numpy as np
    from arcus.engine.v1.engine_pb2 import GenerateChunk, GenerateRequest, PlanRequest, PlanResponse


class Part(Protocol):
    """What is loaded, watched and closed: a player of a role, or the model that several of them share.

    The constructor is cheap; `close` may be called after a `setup` that failed.
    """

    async def setup(self) -> None:
        """Loads what is needed. Raises ArcusError that says what to change."""
        ...

    def check(self) -> None:
        """Raises where it is dead and must be replaced."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class DescribeRequest:
    """One segment. `frames`: uint8 [n, height, width, 3] RGB, `times`: float64 [n] in seconds; n may be 0. Frames are tensors of
    a GPU where an engine asked for such (`VllmOptions.takes_device_frames`).

    `samples`: mono int16 [m] that begins where the span does; m is 0 where there is no audio.
    """

    tenant_id: str
    frames: np.ndarray
    times: np.ndarray
    span: Span
    samples: np.ndarray
    sample_rate: int = 16_000
    speech: tuple[Speech, ...] = ()
    scene_text: tuple[TimedText, ...] = ()
    config: DescribeConfig = field(default_factory=DescribeConfig)


class Summariser(Protocol):
    async def summarise(
        self, tenant_id: str, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]:
        """(title, summary) of a file from its segments, in order of time."""
        ...


class Describer(Summariser, Protocol):
    async def describe(self, request: DescribeRequest) -> SegmentDescription:
        """The parts that the config asks for; all times lie inside the span."""
        ...


class Transcriber(Protocol):
    async def transcribe(
        self, tenant_id: str, samples: np.ndarray, sample_rate: int, offset_seconds: float
    ) -> tuple[Speech, ...]:
        """What is said in mono int16 [n]; `offset_seconds` is where the first sample lies in the file."""
        ...


@dataclass(frozen=True)
class Embedded:
    """`vectors`: float32 [n, dimensions], each row of unit length; `tokens`: how many were read."""

    vectors: np.ndarray
    tokens: int


class Embedder(Protocol):
    @property
    def dimensions(self) -> int:
        """Of a vector; known after `setup`."""
        ...

    async def embed(self, texts: Sequence[str], *, queries: bool = False) -> Embedded:
        """Of what is found, or with `queries` of what it is looked for by, which some models read in another way.

        A text that is too long counts by its beginning. Nothing of one call speeds up another: calls mix tenants.
        """
        ...


@dataclass(frozen=True)
class SeenMoment:
    """What a picture shows from start_time to end_time: `vector` is float32 little-endian, of unit length."""

    start_time: float
    end_time: float
    vector: bytes


@dataclass(frozen=True)
class Seen:
    """Of one segment. `space` names the model that its vectors are of; `tags`: texts with scores, where any are likely."""

    space: str = ""
    moments: tuple[SeenMoment, ...] = ()
    tags: tuple[TimedText, ...] = ()


class Seer(Embedder, Protocol):
    """Its `embed` is of texts by which pictures are looked for."""

    @property
    def space(self) -> str:
        """Known after `setup`; another where the model is another."""
        ...

    async def see(self, frames: Sequence[np.ndarray], times: np.ndarray, span: Span) -> Seen:
        """Of uint8 [height, width, 3] RGB frames, each with its time. The moments fill the span, each unlike the one before."""
        ...


class Generator(Protocol):
    """The models that answer: nimbus-001 and nimbus-002-preview. See GenerateService in engine.proto."""

    @property
    def running(self) -> int:
        """Answers that are being written now: a cancelled one leaves it."""
        ...

    async def plan(self, request: PlanRequest) -> PlanResponse: ...

    def generate(self, request: GenerateRequest) -> AsyncIterator[GenerateChunk]:
        """The last chunk carries finish_reason and input_tokens. Closing the iterator stops the work."""
        ...


class Extractor(Protocol):
    async def extract(self, request: ExtractRequest) -> Extracted:
        """A record that fits the schema, or None where the passages support none."""
        ...
