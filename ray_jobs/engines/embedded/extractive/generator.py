"""Answers without a language model: picks what was retrieved, says where it stands, and refuses when nothing fits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded import multilingual, token_states
from ray_jobs.engines.embedded.extractive.compose import from_sources
from ray_jobs.engines.embedded.extractive.planner import plan
from ray_jobs.engines.embedded.extractive.records import Record, filled
from ray_jobs.engines.embedded.extractive.slots.results import sentences
from services.core.errors import ArcusError, Reason, invalid
from services.core.quoting import inert

Request = TypeVar("Request", pb.PlanRequest, pb.GenerateRequest)
Made = TypeVar("Made")

_TOKEN = re.compile(r"\s*\S+")
NO_CALLS = (
    "tool_choice: the embedded engine calls no functions; leave it at auto, or let an engine of kind vllm or openai play this "
    "model"
)
NO_SCHEMA = (
    "text.format: the embedded engine makes JSON by a schema alone; send json_schema, or let an engine of kind vllm or openai "
    "play this model"
)
NO_PICTURES = (
    "input: the embedded engine sees no pictures in a question; ask in words, upload the picture and name it in knowledge_base, "
    "or let an engine of kind vllm or openai whose model sees play this model"
)


class EmbeddedGenerator:
    """Extractive: every sentence quotes or repeats a retrieved passage and cites it. Deterministic."""

    running = 0  # each word is at hand as soon as it is asked for

    def __init__(self) -> None:
        # One thread: a plan and an answer are some tens of milliseconds of work, which streams must not wait for.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answer")

    async def setup(self) -> None:
        def load() -> None:
            multilingual.model()
            token_states.reader()

        await asyncio.get_running_loop().run_in_executor(self._thread, load)

    def check(self) -> None:
        return None

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def plan(self, request: pb.PlanRequest) -> pb.PlanResponse:
        return await self._in_thread(plan, request)

    async def generate(self, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        """The answer word by word. The last chunk carries finish_reason and the count of input tokens.

        Raises INVALID_ARGUMENT where a function must be called, JSON is asked for without a schema, or pictures are shown.
        """
        if request.tool_choice not in ("", "auto", "none"):
            raise invalid(NO_CALLS)
        if request.json_schema == "{}":
            raise invalid(NO_SCHEMA)
        if any(message.pictures for message in request.messages):
            raise invalid(NO_PICTURES, field="input")
        made = await self._in_thread(_made, request)
        answer = made.text
        if not answer.startswith(request.written):
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The answer that was begun can't be continued; ask again.")
        limit = (request.max_output_tokens or 1_000_000) - request.output_tokens_written
        words = _TOKEN.findall(answer[len(request.written) :])
        for word in words[:limit]:
            yield pb.GenerateChunk(**{"refusal" if made.is_refusal else "text": word}, output_tokens=1)
        read = sum(len(passage.text.split()) for source in request.sources for passage in source.passages)
        asked = sum(len(message.text.split()) for message in request.messages)
        yield pb.GenerateChunk(
            finish_reason="length" if len(words) > limit else "stop",
            input_tokens=read + asked + len(request.instructions.split()),
            citations=made.citations,
        )

    async def _in_thread(self, work: Callable[[Request], Made], request: Request) -> Made:
        def of_tenant() -> Made:
            with multilingual.asked_by(request.tenant_id):
                return work(request)

        return await asyncio.get_running_loop().run_in_executor(self._thread, of_tenant)


def _made(request: pb.GenerateRequest) -> Record:
    answer = compose(request)
    return filled(request, answer) if request.json_schema else Record(answer)


def compose(request: pb.GenerateRequest) -> str:
    """The whole answer as text with [n] behind each claim; what queries found comes first."""
    request = _quotable(request)
    told = sentences(request, request.language or "en")
    if told is None:
        return from_sources(request)
    told = [inert(sentence) for sentence in told]
    return "\n\n".join([*told, from_sources(request)] if request.sources else told)


def _quotable(request: pb.GenerateRequest) -> pb.GenerateRequest:
    """With questions, and texts and names of sources, that can stand in the answer as they are."""
    made = pb.GenerateRequest()
    made.CopyFrom(request)
    made.question = inert(made.question)
    made.parts[:] = map(inert, made.parts)
    for message in made.messages:
        if message.role == "user":
            message.text = inert(message.text)
    for source in made.sources:
        source.filename = inert(source.filename)
        for passage in source.passages:
            passage.text = inert(passage.text)
    return made
