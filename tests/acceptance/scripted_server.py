"""The engine contract on a real gRPC port: vectors of words, one index in memory, and an engine in the process."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import numpy as np
from arcus.engine.v1 import engine_pb2 as pb
from arcus.engine.v1 import engine_pb2_grpc as pb_grpc

from ray_jobs.engines.left_answers import Counted, LeftAnswers
from ray_jobs.engines.pulse import answer_with_pulse
from ray_jobs.engines.scripted import Script, ScriptedEngine
from services.core.errors import REASON_HEADER, REQUEST_HEADER, ArcusError

DIMENSIONS = 64


def vector_of(text: str) -> np.ndarray:
    vector = np.full(DIMENSIONS, 1e-3, dtype="<f4")
    for word in text.lower().split():
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1
    return vector / np.linalg.norm(vector)


class HeldEngine(ScriptedEngine):
    """Ends no answer of so many messages or more before it is let go."""

    def __init__(self, messages: int = 1) -> None:
        super().__init__()
        self._messages = messages
        self.let_go = asyncio.Event()

    async def generate(self, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        async for chunk in super().generate(request):
            if chunk.finish_reason and Script.parse(request.instructions).messages >= self._messages:
                await self.let_go.wait()
            yield chunk


class ScriptedServer(pb_grpc.EmbedServiceServicer, pb_grpc.IndexServiceServicer, pb_grpc.GenerateServiceServicer):
    """`index` holds collection id → embedding id → vector; `places` the file and the segment of each embedding.

    Answers are those of `engine`: one that follows a script, unless another is given. `searches` counts those under way,
    `searched` all of them, and `embedded` how often each text was. `request_ids` and `traceparents` are those that answers
    were asked for with.
    """

    def __init__(self, engine: Any = None) -> None:
        self.index: dict[str, dict[int, np.ndarray]] = {}
        self.places: dict[int, tuple[str, str]] = {}
        self.engine = engine or ScriptedEngine()
        self.left: LeftAnswers | None = None  # where it counts, as replicas do, what fronts leave behind
        self.search_seconds = 0.0
        self.searches = 0
        self.searched = 0
        self.embedded: Counter[str] = Counter()
        self.request_ids: list[str] = []
        self.traceparents: list[str] = []

    async def start(self) -> str:
        self._server = grpc.aio.server()
        pb_grpc.add_EmbedServiceServicer_to_server(self, self._server)
        pb_grpc.add_IndexServiceServicer_to_server(self, self._server)
        pb_grpc.add_GenerateServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        await self._server.stop(grace=0)

    async def Embed(self, request: Any, context: Any) -> Any:
        self.embedded.update(request.texts)
        vectors = b"".join(vector_of(text).tobytes() for text in request.texts)
        return pb.EmbedResponse(dimensions=DIMENSIONS, vectors=vectors)

    async def Direct(self, request: Any, context: Any) -> Any:
        return pb.DirectResponse()

    async def Search(self, request: Any, context: Any) -> Any:
        self.searches += 1
        self.searched += 1
        try:
            await asyncio.sleep(self.search_seconds)
            return self._search(request)
        finally:
            self.searches -= 1

    def _search(self, request: Any) -> Any:
        question = np.frombuffer(request.vector, dtype="<f4")
        hits = [
            pb.Hit(embedding_id=id, collection_id=collection_id, score=float(vector @ question))
            for collection_id in request.collection_ids
            for id, vector in self.index.get(collection_id, {}).items()
            if self._is_named(request, id)
        ]
        hits.sort(key=lambda hit: -hit.score)
        if request.distinct:
            column = 0 if request.distinct == pb.DISTINCT_FILE else 1
            hits = list({self.places[hit.embedding_id][column]: hit for hit in reversed(hits)}.values())[::-1]
        return pb.SearchResponse(hits=hits[: request.limit], sequence=request.min_sequence)

    async def SearchMany(self, request: Any, context: Any) -> Any:
        return pb.SearchManyResponse(responses=[await self.Search(search, context) for search in request.searches])

    def _is_named(self, request: Any, id: int) -> bool:
        file_id, segment_id = self.places.get(id, ("", ""))
        is_of_file = not request.file_ids or file_id in request.file_ids
        return is_of_file and (not request.segment_ids or segment_id in request.segment_ids)

    async def Plan(self, request: Any, context: Any) -> Any:
        try:
            return await self.engine.plan(request)
        except ArcusError as error:
            await _refuse(context, error)

    async def _written(self, counted: Counted | None, request: pb.GenerateRequest) -> AsyncIterator[pb.GenerateChunk]:
        async with aclosing(self.engine.generate(request)) as chunks:
            async for chunk in chunks:
                if counted is not None:
                    counted.told(chunk)
                yield chunk

    async def Generate(self, request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        self.request_ids.append(metadata.get(REQUEST_HEADER, ""))
        self.traceparents.append(metadata.get("traceparent", ""))
        counted = self.left.begin(request, metadata) if self.left is not None else None
        try:
            async with aclosing(answer_with_pulse(request, self._written(counted, request))) as chunks:
                async for chunk in chunks:
                    if counted is not None:
                        counted.sent()
                    yield chunk
                    if counted is not None:
                        counted.taken()
        except ArcusError as error:
            await _refuse(context, error)
        finally:
            if counted is not None:
                counted.ended()


async def _refuse(context: Any, error: ArcusError) -> None:
    """As replicas do, which name their reason."""
    await context.abort(
        grpc.StatusCode[error.wire.grpc], error.message, trailing_metadata=((REASON_HEADER, error.reason.value),)
    )
