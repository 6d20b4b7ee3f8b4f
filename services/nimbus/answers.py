"""Answers: takes a request from admission to its last event, and keeps the response."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import structlog

from services.core.errors import WIRE, ArcusError, Reason
from services.core.responses import Responses
from services.core.settings import Settings
from services.nimbus.citations import CitationStream, Cited
from services.nimbus.engine import EngineClient
from services.nimbus.events import Event, EventLog
from services.nimbus.plan import Plan, is_broad, plan_question
from services.nimbus.prompt import Evidence, Prompt, build_prompt
from services.nimbus.requests import INCLUDE_MEDIA_DESCRIPTIONS, ResponseRequest
from services.nimbus.retrieval import Found, Retrieval, Scope

SEGMENTS = 10  # sources for one question
SEGMENTS_BROAD = 24  # for a question about whole videos
SEGMENTS_PER_FILE = 4
MAX_FILES = 12  # videos that are asked one by one
MAX_CONTEXT_CHARACTERS = 500

log = structlog.get_logger()


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

    async def stream(self, tenant_id: str, request: ResponseRequest) -> AsyncGenerator[Event, None]:
        """Checks the request and finds its sources, then returns the events. Close the iterator to stop the engine.

        Raises before the first event: NOT_FOUND, LIMIT_EXCEEDED, ENGINE_UNAVAILABLE.
        """
        if self._running >= self._settings.max_responses:
            raise ArcusError(Reason.LIMIT_EXCEEDED, "This server is answering as many questions as it can; try again.")
        self._running += 1
        try:
            scope = await self._retrieval.scope(tenant_id, request.knowledge_base)
            evidence = await self._gather(tenant_id, scope, request)
            events = EventLog(request, created_at=int(time.time()))
            prompt = build_prompt(
                request,
                evidence,
                request_id=events.id,
                tenant_id=tenant_id,
                max_output_tokens=request.max_output_tokens or self._settings.max_output_tokens,
                context_tokens=self._settings.context_tokens,
            )
            if request.store:
                await self._responses.create(tenant_id, events.id, events.body, {}, owner=self.owner)
        finally:
            self._running -= 1
        return self._run(tenant_id, request, scope, prompt, events)

    async def _gather(self, tenant_id: str, scope: Scope, request: ResponseRequest) -> list[Evidence]:
        """nimbus-001 searches once; nimbus-002-preview for each part of its plan, and for each video where that helps."""
        question = request.question
        broad = is_broad(question)
        plan = Plan((question,), per_file=False)
        if request.model == "nimbus-002-preview":
            plan = plan_question(question)
        limit = SEGMENTS_BROAD if broad else SEGMENTS
        parts = await asyncio.gather(*(self._retrieval.find(tenant_id, scope, part, limit) for part in plan.parts))
        evidence = []
        for part, found in zip(plan.parts, parts, strict=True):
            if plan.per_file:
                found = await self._each_file(tenant_id, scope, part, found)
            evidence.append(Evidence(part, tuple(found)))
        return evidence

    async def _each_file(self, tenant_id: str, scope: Scope, part: str, found: list[Found]) -> list[Found]:
        """Adds the best of every video, so that none is left out because another says more."""
        files = await self._retrieval.files_of(tenant_id, scope, MAX_FILES)
        more = await asyncio.gather(
            *(
                self._retrieval.find(tenant_id, replace(scope, file_ids=frozenset([id])), part, SEGMENTS_PER_FILE)
                for id in files
            )
        )
        merged = {(item.description_id, item.segment.id): item for items in [*more, found] for item in items}
        return list(merged.values())

    async def _run(
        self, tenant_id: str, request: ResponseRequest, scope: Scope, prompt: Prompt, events: EventLog
    ) -> AsyncGenerator[Event, None]:
        finished = False
        self._running += 1
        try:
            yield events.created()
            yield events.in_progress()
            yield events.item_added()
            yield events.part_added()
            output_tokens = input_tokens = 0
            finish_reason = ""
            citations = CitationStream(prompt.sources.get)
            try:
                async with self._engine.generate(prompt.request) as chunks:
                    async for chunk in chunks:
                        output_tokens += chunk.output_tokens
                        for piece in citations.feed(chunk.text):
                            if isinstance(piece, Cited):
                                yield events.annotation_added(self._annotation(request, scope, prompt, piece))
                            else:
                                yield events.delta(piece)
                        if chunk.finish_reason:
                            finish_reason, input_tokens = chunk.finish_reason, chunk.input_tokens
                for piece in citations.end():
                    if isinstance(piece, Cited):
                        yield events.annotation_added(self._annotation(request, scope, prompt, piece))
                    else:
                        yield events.delta(piece)
                if not finish_reason:
                    raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The engine stopped before the end; ask again.")
            except ArcusError as error:
                log.warning("response_failed", response_id=events.id, reason=error.reason, cause=str(error.__cause__))
                failed = events.failed(message=error.message, code=error.reason)
                finished = True
                await self._keep(tenant_id, request, events)
                yield failed
                return
            except Exception:
                log.exception("response_failed", response_id=events.id)
                failed = events.failed(message=WIRE[Reason.INTERNAL].message, code=Reason.INTERNAL)
                finished = True
                await self._keep(tenant_id, request, events)
                yield failed
                return
            yield events.text_done()
            yield events.part_done()
            yield events.item_done()
            last = events.completed(
                input_tokens=input_tokens, output_tokens=output_tokens, truncated=finish_reason == "length"
            )
            # Kept before it is told: an answer that a client saw completed is never lost.
            finished = True
            await self._keep(tenant_id, request, events)
            yield last
        finally:
            self._running -= 1
            if not finished:  # the client went away
                events.cancelled()
                await asyncio.shield(self._keep(tenant_id, request, events))

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
