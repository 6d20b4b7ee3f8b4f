"""The engines that the contract suites of the roles run on, each set up as its replica sets it up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.adapters import ThreadedDescriber, ThreadedTranscriber
from ray_jobs.engines.embedded.extraction.extractor import EmbeddedExtractor
from ray_jobs.engines.engine import Engine, language_engine, open_engine
from ray_jobs.engines.language.model import Prompt
from ray_jobs.engines.language.scripted import Answer, ScriptedModel, pieces, plain_answer
from services.core.engines.config import MODELS, ROLES, TASKS, EngineConfig, Role, parse_engine_config
from tests.contract.openai_server import OpenaiServer, serving

ENDLESS = "Go on for ever."
PACE_SECONDS = 0.01


@dataclass(frozen=True)
class Tried:
    """`running`: how many requests the model itself works on, wherever it runs."""

    engine: Engine
    running: Callable[[], int]

    async def idle(self) -> None:
        """Returns once nothing runs."""
        await self.until(lambda: not self.running())

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110  an engine offers no event
                await asyncio.sleep(0.01)


Opened = AbstractAsyncContextManager[Tried]


def endless_on_demand(prompt: Prompt) -> Answer:
    if ENDLESS in prompt.turns[-1].text + prompt.turns[0].text:
        return pieces("word " * 5_000)
    return plain_answer(prompt)


@asynccontextmanager
async def embedded(role: Role) -> AsyncIterator[Tried]:
    engine = _embedded(role)
    await engine.setup()
    yield Tried(engine, lambda: 0)
    await engine.close()


def _embedded(role: Role) -> Engine:
    if role == "describe":
        describer = ThreadedDescriber()
        return Engine((describer,), describer=describer)
    if role == "transcribe":
        transcriber = ThreadedTranscriber()
        return Engine((transcriber,), transcriber=transcriber)
    if role == "extract":
        return Engine((), extractor=EmbeddedExtractor())
    return open_engine(parse_engine_config(""), "embedded", (role,))


@asynccontextmanager
async def scripted(role: Role) -> AsyncIterator[Tried]:
    engine = open_engine(parse_engine_config("", {model: "scripted" for model in MODELS}), "scripted", MODELS)
    assert engine.generator is not None
    generator = engine.generator
    yield Tried(engine, lambda: generator.running)


@asynccontextmanager
async def language(role: Role) -> AsyncIterator[Tried]:
    """The roles over a model in this process."""
    model = ScriptedModel(endless_on_demand, interval_seconds=PACE_SECONDS / 10)
    yield Tried(language_engine(model, ROLES), lambda: model.running)


def openai_config(url: str, role: Role, options: str = "") -> EngineConfig:
    name = {"language": "scripted", "vectors": "vectors", "speech": "ears"}[TASKS[role]]
    roles = ", ".join(f"{each}: there" for each in ROLES if TASKS[each] == TASKS[role])
    return parse_engine_config(
        f"engines: {{there: {{kind: openai, base_url: '{url}', model: {name}, context_tokens: 8192, {options}}}}}\n"
        f"roles: {{{roles}}}"
    )


@asynccontextmanager
async def openai(role: Role) -> AsyncIterator[Tried]:
    """Over HTTP, to a server in this process."""
    server = OpenaiServer(ScriptedModel(endless_on_demand, interval_seconds=PACE_SECONDS / 10))
    async with serving(server) as url:
        config = openai_config(url, role, "is_vllm: true")
        engine = open_engine(config, "there", config.played_by("there"))
        await engine.setup()
        yield Tried(engine, lambda: server.model.running)
        await engine.close()


ENGINES: dict[str, Callable[[Role], Opened]] = {
    "embedded": embedded,
    "scripted": scripted,
    "language": language,
    "openai": openai,
}


def engines(*names: str) -> pytest.MarkDecorator:
    """Runs a test on each of these engines: it takes `opened`, and opens it for the role that it tries."""
    return pytest.mark.parametrize("opened", [pytest.param(ENGINES[name], id=name) for name in names])


def question(text: str = "How high is the tide?", **more: object) -> pb.GenerateRequest:
    passage = pb.Passage(kind="speech", text="the tide rises sixteen metres", start_time=4, end_time=8, score=0.9)
    source = pb.Source(number=1, file_id="f", segment_id="s", filename="a.mp4", end_time=20, passages=[passage])
    return pb.GenerateRequest(
        request_id="r",
        tenant_id="tenant-a",
        model="nimbus-001",
        messages=[pb.Message(role="user", text=text)],
        sources=[source],
        embedder="multilingual-e5-small",
        **more,  # type: ignore[arg-type]
    )
