"""Answers: takes a request from admission to its last event, and keeps the response."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import structlog
from arcus.engine.v1 import engine_pb2 as pb

from services.core.errors import WIRE, ArcusError, Reason
from services.core.responses import Responses
from services.core.settings import Settings
from services.nimbus.citations import CitationStream, Cited
from services.nimbus.engine import EngineClient
from services.nimbus.events import Event, EventLog
from services.nimbus.plan import Plan, unplanned
from services.nimbus.prompt import Evidence, Prompt, build_prompt, conversation
from services.nimbus.requests import INCLUDE_MEDIA_DESCRIPTIONS, ResponseRequest
from services.nimbus.retrieval import Found, Retrieval, Scope

SEGMENTS = 10  # sources for one question
SEGMENTS_BROAD = 24  # for a question about whole videos
SEGMENTS_PER_FILE = 4
SEGMENTS_WIDE = 48  # whose videos are asked one by one
MAX_FILES = 12  # videos that are asked one by one
MAX_CONTEXT_CHARACTERS = 500

log = structlog.get_logger()


class Answer:
    """The events of one response, of which the first is at hand. Closing it stops the engine, begun upon or not."""

    def __init__(self, first: Event, rest: AsyncGenerator[Event, None]) -> None:
        self._first: Event | None = first
        self._rest = rest

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> Event:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        await self._rest.aclose()


@dataclass
class _Usage:
    """Tokens as the engine counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    finish_reason: str = ""

    def count(self, chunk: pb.GenerateChunk) -> None:
        self.output_tokens += chunk.output_tokens
        if chunk.finish_reason:
            self.finish_reason, self.input_tokens = chunk.finish_reason, chunk.input_tokens


class Answers:
    def __init__(self, *, settings: Settings, engine: EngineClient, retrieval: Retrieval, responses: Responses) -> None:
        self._settings = settings
        self._engine = engine
        self._retrieval = retrieval
        self._responses = responses
        self._running = 0
        self.owner = f"{socket.gethostname()}:{uuid4().hex[:12]}"

    async def create(self, tenant_id: str, request: ResponseRequest) -> dict[str, Any]:
        """The whole response at once: what its events add up to. A failure of the engine is raised, and kept too."""
        async with aclosing(await self.stream(tenant_id, request)) as events:
            async for event in events:
                if event["type"] == "response.completed":
                    return event["response"]
                if event["type"] == "error":
                    raise ArcusError(Reason(event["code"].upper()), event["message"])
        raise ArcusError(Reason.INTERNAL)

    async def stream(self, tenant_id: str, request: ResponseRequest) -> Answer:
        """Checks the request, finds its sources and starts the engine, then returns the events. Close it to stop.

        Raises before the first event: NOT_FOUND, LIMIT_EXCEEDED, ENGINE_UNAVAILABLE.
        """
        if self._running >= self._settings.max_responses:
            raise ArcusError(Reason.LIMIT_EXCEEDED, "This server is answering as many questions as it can; try again.")
        events = self._run(tenant_id, request)
        try:
            return Answer(await anext(events), events)
        except BaseException:
            await events.aclose()
            raise

    async def _plan(self, tenant_id: str, request: ResponseRequest, request_id: str) -> Plan:
        """nimbus-001 needs no plan for a question that stands alone; nimbus-002-preview always takes it apart."""
        decompose = request.model == "nimbus-002-preview"
        if not decompose and not any(message.role == "assistant" for message in request.messages):
            return unplanned(request.question)
        planned = await self._engine.plan(
            pb.PlanRequest(
                request_id=request_id,
                tenant_id=tenant_id,
                model=request.model,
                instructions=request.guidance,
                messages=conversation(request),
                decompose=decompose,
            )
        )
        return Plan.from_message(planned)

    async def _gather(self, tenant_id: str, scope: Scope, plan: Plan) -> list[Evidence]:
        """Searches for each part of the plan, and for each video where the plan says so."""
        return await asyncio.gather(*(self._of_part(tenant_id, scope, plan, part) for part in plan.parts))

    async def _of_part(self, tenant_id: str, scope: Scope, plan: Plan, part: str) -> Evidence:
        scope = await self._retrieval.narrowed(tenant_id, scope, part)
        found = await self._retrieval.find(tenant_id, scope, part, SEGMENTS_BROAD if plan.broad else SEGMENTS)
        if plan.per_file:
            found = await self._each_file(tenant_id, scope, part, found)
        return Evidence(part, tuple(found))

    async def _each_file(self, tenant_id: str, scope: Scope, part: str, found: list[Found]) -> list[Found]:
        """Adds the best of every video, so that none is left out because another says more.

        Where there are too many videos, those that speak to the part are asked, and then the newest. The best of each
        comes first: a short budget leaves out what else they say.
        """
        wide = await self._retrieval.find(tenant_id, scope, part, SEGMENTS_WIDE)
        newest = await self._retrieval.files_of(tenant_id, scope, MAX_FILES)
        files = list(dict.fromkeys([*(item.file.id for item in wide), *newest]))[:MAX_FILES]
        more = await asyncio.gather(
            *(
                self._retrieval.find(tenant_id, replace(scope, file_ids=frozenset([id])), part, SEGMENTS_PER_FILE)
                for id in files
            )
        )
        best = [items[0] for items in more if items]
        rest = [item for rank in range(1, SEGMENTS_PER_FILE) for items in more for item in items[rank : rank + 1]]
        merged = {(item.description_id, item.segment.id): item for item in [*best, *found, *rest]}
        return list(merged.values())

    async def _run(self, tenant_id: str, request: ResponseRequest) -> AsyncGenerator[Event, None]:
        self._running += 1
        told = finished = False
        events = EventLog(request, created_at=int(time.time()))
        # Written while sources are found and the engine begins; it is there before anyone is told its id.
        storing = asyncio.create_task(self._store(tenant_id, request, events), name=f"store-{events.id}")
        try:
            scope = await self._retrieval.scope(tenant_id, request.knowledge_base)
            plan = await self._plan(tenant_id, request, events.id)
            evidence = await self._gather(tenant_id, scope, plan)
            prompt = build_prompt(
                request,
                plan,
                evidence,
                request_id=events.id,
                tenant_id=tenant_id,
                max_output_tokens=request.max_output_tokens or self._settings.max_output_tokens,
                context_tokens=self._settings.context_tokens,
            )
            async with self._engine.generate(prompt.request) as chunks:
                await storing
                told = True
                for event in (events.created(), events.in_progress(), events.item_added(), events.part_added()):
                    yield event
                usage = _Usage()
                citations = CitationStream(prompt.sources.get)
                try:
                    async for chunk in chunks:
                        usage.count(chunk)
                        for piece in citations.feed(chunk.text):
                            yield self._told(request, scope, prompt, events, piece)
                    for piece in citations.end():
                        yield self._told(request, scope, prompt, events, piece)
                    if not usage.finish_reason:
                        raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine stopped before the end; ask again.")
                except Exception as error:
                    failed = self._failed(events, error)
                    finished = True
                    await self._keep(tenant_id, request, events)
                    yield failed
                    return
            for event in (events.text_done(), events.part_done(), events.item_done()):
                yield event
            last = events.completed(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                truncated=usage.finish_reason == "length",
            )
            # Kept before it is told: an answer that a client saw completed is never lost.
            finished = True
            await self._keep(tenant_id, request, events)
            yield last
        finally:
            self._running -= 1
            if not finished:
                events.cancelled()
                await asyncio.shield(self._abandon(tenant_id, request, events, storing, told))

    def _told(
        self, request: ResponseRequest, scope: Scope, prompt: Prompt, events: EventLog, piece: str | Cited
    ) -> Event:
        if isinstance(piece, str):
            return events.delta(piece)
        return events.annotation_added(self._annotation(request, scope, prompt, piece))

    def _failed(self, events: EventLog, error: Exception) -> Event:
        if isinstance(error, ArcusError):
            log.warning("response_failed", response_id=events.id, reason=error.reason, cause=str(error.__cause__))
            return events.failed(message=error.message, code=error.reason)
        log.exception("response_failed", response_id=events.id, exc_info=error)
        return events.failed(message=WIRE[Reason.INTERNAL].message, code=Reason.INTERNAL)

    async def _store(self, tenant_id: str, request: ResponseRequest, events: EventLog) -> None:
        if request.store:
            await self._responses.create(tenant_id, events.id, dict(events.body), {}, owner=self.owner)

    async def _abandon(
        self, tenant_id: str, request: ResponseRequest, events: EventLog, storing: asyncio.Task[None], told: bool
    ) -> None:
        """The client went away: what it saw is kept as cancelled. A request refused before its first event leaves nothing."""
        await asyncio.wait({storing})
        if storing.exception() is not None:
            return
        if told:
            await self._keep(tenant_id, request, events)
        elif request.store:
            await self._responses.delete(tenant_id, events.id)

    async def _keep(self, tenant_id: str, request: ResponseRequest, events: EventLog) -> None:
        if request.store:
            await self._responses.finish(tenant_id, events.body)

    def _annotation(self, request: ResponseRequest, scope: Scope, prompt: Prompt, cited: Cited) -> dict[str, Any]:
        found = prompt.sources[cited.number]
        ranked = sorted(found.passages, key=lambda passage: -passage.score)
        annotation: dict[str, Any] = {
            "type": "cloudglue_citation",
            "file_id": found.file.id,
            "segment_id": found.segment.id,
            "start_time": found.segment.start_time,
            "end_time": found.segment.end_time,
            "context": " ".join(passage.text for passage in ranked[:3])[:MAX_CONTEXT_CHARACTERS],
        }
        if scope.cites_collections:
            annotation["collection_id"] = found.collection_id
        if INCLUDE_MEDIA_DESCRIPTIONS in request.include:
            annotation["relevant_sources"] = [passage.text for passage in ranked[:5]]
            for kind in ("visual_scene_description", "scene_text", "speech", "audio_description"):
                annotation[kind] = [passage.text for passage in found.passages if passage.kind == kind]
        return annotation
