"""One configured engine as a replica holds it: what plays each of its roles, set up, checked and closed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ray_jobs.batching import BatchQueue
from ray_jobs.engines.language.model import LanguageModel
from ray_jobs.engines.roles import Describer, Embedder, Extractor, Generator, Part, Seer, Transcriber
from services.core.engines.config import (
    MODELS,
    MULTILINGUAL,
    TASKS,
    EngineConfig,
    ImageTextOptions,
    OpenaiOptions,
    Role,
    VllmOptions,
)


@dataclass(frozen=True)
class Engine:
    """`parts` are what must be set up; a role's player is None where the engine does not play it."""

    parts: tuple[Part, ...]
    describer: Describer | None = None
    transcriber: Transcriber | None = None
    embedder: Embedder | None = None
    generator: Generator | None = None
    extractor: Extractor | None = None
    seer: Seer | None = None
    queues: tuple[BatchQueue[Any, Any], ...] = ()  # to be looked at

    async def setup(self) -> None:
        try:
            for part in self.parts:
                await part.setup()
        except BaseException:
            await self.close()
            raise

    def check(self) -> None:
        for part in self.parts:
            part.check()

    async def close(self) -> None:
        for part in self.parts:
            await part.close()


class _SpeechModel(Part, Transcriber, Protocol):
    pass


class _VectorModel(Part, Embedder, Protocol):
    pass


def open_engine(config: EngineConfig, name: str, roles: Sequence[Role]) -> Engine:
    """An engine of the configuration in those of its roles that one application plays."""
    options = config.engines[name]
    if isinstance(options, VllmOptions | OpenaiOptions):
        return _of_one_model(options, roles)
    if isinstance(options, ImageTextOptions):
        from ray_jobs.engines.image_text.seer import ImageTextSeer

        seer = ImageTextSeer(options)
        return Engine((seer,), seer=seer, queues=seer.queues)
    if options.kind == "scripted":
        from ray_jobs.engines.scripted import ScriptedEngine

        scripted = ScriptedEngine(options)
        return Engine((scripted,), generator=scripted)
    if roles[0] == "embed":
        from ray_jobs.engines.embedded.adapters import QueuedEmbedder

        embedder = QueuedEmbedder(options.embedder or MULTILINGUAL)
        return Engine((embedder,), embedder=embedder, queues=(embedder.queue,))
    from ray_jobs.engines.embedded.extractive.generator import EmbeddedGenerator

    generator = EmbeddedGenerator()
    return Engine((generator,), generator=generator)


def _of_one_model(options: VllmOptions | OpenaiOptions, roles: Sequence[Role]) -> Engine:
    task = TASKS[roles[0]]
    if task == "speech":
        transcriber = _transcriber(options)
        return Engine((transcriber,), transcriber=transcriber)
    if task == "vectors":
        embedder = _embedder(options)
        return Engine((embedder,), embedder=embedder)
    return language_engine(_language_model(options), roles)


def language_engine(model: LanguageModel, roles: Sequence[Role]) -> Engine:
    """A language model in the roles that it plays."""
    from ray_jobs.engines.language.describer import LanguageDescriber
    from ray_jobs.engines.language.extractor import LanguageExtractor
    from ray_jobs.engines.language.generator import LanguageGenerator

    return Engine(
        (model,),
        describer=LanguageDescriber(model) if "describe" in roles else None,
        generator=LanguageGenerator(model) if set(MODELS) & set(roles) else None,
        extractor=LanguageExtractor(model) if "extract" in roles else None,
    )


def _language_model(options: VllmOptions | OpenaiOptions) -> LanguageModel:
    if options.kind == "vllm":
        from ray_jobs.engines.vllm.model import VllmModel

        return VllmModel(options)
    from ray_jobs.engines.openai_compatible.model import OpenaiModel

    return OpenaiModel(options)


def _transcriber(options: VllmOptions | OpenaiOptions) -> _SpeechModel:
    if options.kind == "vllm":
        from ray_jobs.engines.vllm.transcriber import VllmTranscriber

        return VllmTranscriber(options)
    from ray_jobs.engines.openai_compatible.transcriber import OpenaiTranscriber

    return OpenaiTranscriber(options)


def _embedder(options: VllmOptions | OpenaiOptions) -> _VectorModel:
    if options.kind == "vllm":
        from ray_jobs.engines.vllm.embedder import VllmEmbedder

        return VllmEmbedder(options)
    from ray_jobs.engines.openai_compatible.embedder import OpenaiEmbedder

    return OpenaiEmbedder(options)
