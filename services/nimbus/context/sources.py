"""What an answer is made from: the plan, what was found for it, and the prompt; and the annotation of each source."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

from services.core.errors import invalid
from services.core.settings import Settings
from services.nimbus.context.plan import Plan
from services.nimbus.context.prompt import Evidence, build_prompt, check_length, conversation, tokens_in
from services.nimbus.context.retrieval import FoundSegment, Passage, Retrieval, Scope
from services.nimbus.engine.client import EngineClient
from services.nimbus.entities.catalog import FileCatalog, empty_catalog
from services.nimbus.entities.knowledge import EntityKnowledge, Knowledge, QueryCall, no_query
from services.nimbus.entities.tables import EntityTables
from services.nimbus.requests.responses import INCLUDE_MEDIA_DESCRIPTIONS, ResponseRequest

SEGMENTS = 10  # sources for one question
SEGMENTS_BROAD = 24  # for a question about whole videos
SEGMENTS_PER_FILE = 4
SEGMENTS_WIDE = 48  # whose videos are asked one by one
MAX_FILES = 12  # videos that are asked one by one
SEARCHES_AT_ONCE = 4  # of one question: others need connections of the database's too
MAX_CONTEXT_CHARACTERS = 500
MEDIA_DESCRIPTIONS = ("visual_scene_description", "scene_text", "speech", "audio_description")


Find = Callable[[Scope, int], Awaitable[list[FoundSegment]]]


@dataclass(frozen=True)
class Prepared:
    """Everything an answer needs of this tenant: who has it can write the answer, or go on with it, without asking again."""

    prompt: pb.GenerateRequest
    annotations: dict[int, dict[str, Any]]  # by the number that the model cites
    items: tuple[dict[str, Any], ...] = ()  # output items that the plan's steps made

    def to_bytes(self) -> bytes:
        rest = json.dumps({"annotations": self.annotations, "items": self.items}).encode()
        return len(rest).to_bytes(8, "big") + rest + self.prompt.SerializeToString()

    @classmethod
    def from_bytes(cls, data: bytes) -> Prepared:
        end = 8 + int.from_bytes(data[:8], "big")
        rest = json.loads(data[8:end])
        annotations = {int(number): value for number, value in rest["annotations"].items()}
        return cls(pb.GenerateRequest.FromString(data[end:]), annotations, tuple(rest["items"]))


class ContextBuilder:
    def __init__(
        self,
        *,
        settings: Settings,
        engine: EngineClient,
        retrieval: Retrieval,
        entities: EntityKnowledge,
        catalog: FileCatalog,
        embedder: str,
    ) -> None:
        """`embedder`: the model whose vectors are searched, by which an engine reads their likeness."""
        self._settings = settings
        self._engine = engine
        self._retrieval = retrieval
        self._entities = entities
        self._catalog = catalog
        self._embedder = embedder

    async def prepare(self, tenant_id: str, request: ResponseRequest, request_id: str) -> Prepared:
        """Raises NOT_FOUND, INVALID_ARGUMENT (the knowledge base), ENGINE_UNAVAILABLE."""
        asked = request.knowledge_base.entities
        if asked is not None:
            scope = await self.check(tenant_id, request)
            knowledge = await self._entities.open(tenant_id, asked)
            plan = await self._plan(tenant_id, request, request_id, knowledge)
            calls = await self._entities.run(knowledge, plan.queries)
        else:
            scope, plan = await self._checked_and_planned(tenant_id, request, request_id)
            plan, calls = await self._of_catalog(tenant_id, request, request_id, scope, plan)
        answered = plan.answered_by_queries and not any(call.result.error for call in calls)
        evidence = [] if answered else await self._gather(tenant_id, scope, plan)
        prompt = build_prompt(
            request,
            plan,
            evidence,
            request_id=request_id,
            tenant_id=tenant_id,
            max_output_tokens=request.max_output_tokens or self._settings.max_output_tokens,
            context_tokens=self._settings.context_tokens,
            conversation_tokens=self._settings.conversation_tokens,
            embedder=self._embedder,
        )
        rich = INCLUDE_MEDIA_DESCRIPTIONS in request.include
        annotations = {
            number: _chat_citation(found, with_collection=scope.cites_collections)
            if request.chat_citations
            else _annotation(found, with_collection=scope.cites_collections, rich=rich)
            for number, found in prompt.sources.items()
        }
        prompt.request.results.extend(call.result for call in calls)
        if asked is not None and not calls and not annotations:
            prompt.request.results.append(no_query())
        return Prepared(prompt.request, annotations, tuple(call.item for call in calls))

    def most_tokens(self, request: ResponseRequest) -> int:
        """What an answer takes of input and output at most, by the rule of thumb that prompts are cut by."""
        conversation = self._settings.conversation_tokens
        if request.previous_response_id is None:
            conversation = min(conversation, tokens_in(*(message.text for message in request.messages)))
        output = request.max_output_tokens or self._settings.max_output_tokens
        return tokens_in(request.guidance) + conversation + self._settings.context_tokens + output

    async def check(self, tenant_id: str, request: ResponseRequest) -> Scope:
        """What may be searched. Raises NOT_FOUND, INVALID_ARGUMENT."""
        scope = await self._retrieval.scope(tenant_id, request.knowledge_base)
        if request.model == "nimbus-001":
            for collection in scope.collections:
                if collection.collection_type == "entities":
                    raise invalid(
                        f"nimbus-001 can't read collections of type entities: {collection.id}; use nimbus-002-preview.",
                        field="knowledge_base.collections",
                    )
        if request.options.truncation == "disabled":
            check_length(request.messages, self._settings.conversation_tokens)
        if request.knowledge_base.entities is not None:
            await self._entities.check(tenant_id, request.knowledge_base.entities)
        return scope

    async def _checked_and_planned(
        self, tenant_id: str, request: ResponseRequest, request_id: str
    ) -> tuple[Scope, Plan]:
        """At once, as the first plan is the same whatever is searched. Raises what `check` does before what planning does.

        The columns that every catalog has are enough to plan most of what is asked of files.
        """
        planning = asyncio.create_task(self._plan(tenant_id, request, request_id, _no_files()), name="plan")
        try:
            return await self.check(tenant_id, request), await planning
        finally:
            planning.cancel()
            await asyncio.gather(planning, return_exceptions=True)

    async def _of_catalog(
        self, tenant_id: str, request: ResponseRequest, request_id: str, scope: Scope, plan: Plan
    ) -> tuple[Plan, list[QueryCall]]:
        """The plan, and what the database knows of the files for it. They are read only for a plan that asks of them.

        What their uploader noted of them, and their names, are shown to a second plan, where the first one tells that it is
        the files that are asked of.
        """
        if not plan.queries and plan.form != "catalog":
            return plan, []
        ids = [collection.id for collection in scope.collections] if scope.cites_collections else None
        opened = await self._catalog.open(tenant_id, ids, scope.file_ids)
        if not plan.queries:
            plan = await self._plan(tenant_id, request, request_id, opened, decompose=True)
        return plan, await self._catalog.run(opened, plan.queries)

    async def _plan(
        self, tenant_id: str, request: ResponseRequest, request_id: str, known: Knowledge, *, decompose: bool = False
    ) -> Plan:
        planned = await self._engine.plan(
            pb.PlanRequest(
                request_id=request_id,
                tenant_id=tenant_id,
                model=request.model,
                instructions=request.guidance,
                messages=conversation(request.messages, self._settings.conversation_tokens),
                decompose=decompose or request.model == "nimbus-002-preview",
                tables=known.tables.described,
                tables_description=known.description,
            )
        )
        return Plan.from_message(planned)

    async def _gather(self, tenant_id: str, scope: Scope, plan: Plan) -> list[Evidence]:
        """Searches for each part of the plan, and for each video where the plan says so; a few at a time."""
        turns = asyncio.Semaphore(SEARCHES_AT_ONCE)
        return await asyncio.gather(*(self._of_part(tenant_id, scope, plan, part, turns) for part in plan.parts))

    async def _of_part(self, tenant_id: str, scope: Scope, plan: Plan, part: str, turns: asyncio.Semaphore) -> Evidence:
        async with turns:
            scope = await self._retrieval.to_named_files(tenant_id, scope, part)
        embedded = await self._retrieval.embedded(part) if plan.per_file else None

        async def find(scope: Scope, limit: int) -> list[FoundSegment]:
            async with turns:
                return await self._retrieval.find(
                    tenant_id, scope, part, limit, language=plan.language, embedded=embedded
                )

        found = await find(scope, SEGMENTS_BROAD if plan.broad else SEGMENTS)
        if plan.per_file:
            found = await self._each_file(tenant_id, scope, found, find, turns)
        return Evidence(part, tuple(found))

    async def _each_file(
        self, tenant_id: str, scope: Scope, found: Sequence[FoundSegment], find: Find, turns: asyncio.Semaphore
    ) -> list[FoundSegment]:
        """Adds the best of every video, so that none is left out because another says more.

        Where there are too many videos, those that speak to the part are asked, and then the newest. The best of each
        comes first: a short budget leaves out what else they say.
        """
        wide = await find(scope, SEGMENTS_WIDE)
        async with turns:
            newest = await self._retrieval.files_of(tenant_id, scope, MAX_FILES)
        files = list(dict.fromkeys([*(item.file.id for item in wide), *newest]))[:MAX_FILES]
        more = await asyncio.gather(
            *(find(replace(scope, file_ids=frozenset([id])), SEGMENTS_PER_FILE) for id in files)
        )
        best = [items[0] for items in more if items]
        rest = [item for rank in range(1, SEGMENTS_PER_FILE) for items in more for item in items[rank : rank + 1]]
        return list({item.key: item for item in [*best, *found, *rest]}.values())


@cache
def _no_files() -> Knowledge:
    return Knowledge(EntityTables((), (empty_catalog(),)), "")


def _annotation(found: FoundSegment, *, with_collection: bool, rich: bool) -> dict[str, Any]:
    """A cloudglue_citation; `rich` adds the media descriptions, each an array of strings."""
    ranked = _ranked(found)
    citation = _citation(found, ranked, with_collection)
    annotation = {"type": "cloudglue_citation", **citation, "filename": found.file.filename}
    if rich:
        annotation["relevant_sources"] = [passage.text for passage in ranked[:5]]
        for kind in MEDIA_DESCRIPTIONS:
            annotation[kind] = [passage.text for passage in found.passages if passage.kind == kind]
    return annotation


def _chat_citation(found: FoundSegment, *, with_collection: bool) -> dict[str, Any]:
    """A citation of a chat completion: the media descriptions with their times, and which of them speak to the question."""
    ranked = _ranked(found)
    citation = _citation(found, ranked, with_collection)
    kinds = dict.fromkeys(passage.kind for passage in ranked[:5])
    return {
        **citation,
        "text": citation["context"],
        "relevant_sources": [{"text": kind} for kind in kinds if kind in MEDIA_DESCRIPTIONS],
        **{
            kind: [
                {"text": passage.text, "start_time": passage.start_time, "end_time": passage.end_time}
                for passage in found.passages
                if passage.kind == kind
            ]
            for kind in MEDIA_DESCRIPTIONS
        },
    }


def _citation(found: FoundSegment, ranked: Sequence[Passage], with_collection: bool) -> dict[str, Any]:
    citation = {
        "file_id": found.file.id,
        "segment_id": found.segment.id,
        "start_time": found.segment.start_time,
        "end_time": found.segment.end_time,
        "context": " ".join(passage.text for passage in ranked[:3])[:MAX_CONTEXT_CHARACTERS],
    }
    if with_collection:
        citation["collection_id"] = found.collection_id
    return citation


def _ranked(found: FoundSegment) -> list[Passage]:
    return sorted(found.passages, key=lambda passage: -passage.score)
