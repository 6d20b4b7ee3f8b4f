"""The gRPC transport on a real socket, over SQLite in a folder and an engine that follows a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from arcus.v1 import chat_pb2 as chat
from arcus.v1 import (
    chat_pb2_grpc,
    collections_pb2_grpc,
    files_pb2_grpc,
    responses_pb2_grpc,
    search_pb2_grpc,
    segments_pb2_grpc,
)
from arcus.v1 import collections_pb2 as collections
from arcus.v1 import files_pb2 as files
from arcus.v1 import responses_pb2 as responses
from arcus.v1 import search_pb2 as search
from arcus.v1 import segments_pb2 as segments

from ray_jobs.engines.scripted import ScriptedEngine
from services.core.jobs import Jobs
from services.core.library.descriptions import NewEmbedding, NewThumbnail
from services.core.media import MediaInfo, SegmentDescription, Span, Speech, Word
from services.nimbus.backend import Backend, open_backend
from services.rpc.server import create_server
from tests.acceptance.live_front import front_settings
from tests.acceptance.scripted_server import ScriptedServer, vector_of
from tests.waiting import async_until

TEXT = "The tide follows the moon."
MAX_REQUESTS = 4


class Client:
    """A tenant of its own with a stub of each service."""

    def __init__(self, channel: grpc.aio.Channel, key: str, tenant_id: str) -> None:
        self.channel = channel
        self.tenant_id = tenant_id
        self.metadata = (("authorization", f"Bearer {key}"),)
        self._files = files_pb2_grpc.FileServiceStub(channel)
        self._collections = collections_pb2_grpc.CollectionServiceStub(channel)
        self._responses = responses_pb2_grpc.ResponseServiceStub(channel)
        self._chat = chat_pb2_grpc.ChatServiceStub(channel)
        self._search = search_pb2_grpc.SearchServiceStub(channel)
        self._segments = segments_pb2_grpc.SegmentServiceStub(channel)

    def files(self, method: str, request: Any = None, **fields: Any) -> Any:
        return getattr(self._files, method)(request, metadata=self.metadata, timeout=30, **fields)

    def collections(self, method: str, request: Any) -> Any:
        return getattr(self._collections, method)(request, metadata=self.metadata, timeout=30)

    def responses(self, method: str, request: Any) -> Any:
        return getattr(self._responses, method)(request, metadata=self.metadata, timeout=30)

    def chat(self, method: str, request: Any) -> Any:
        return getattr(self._chat, method)(request, metadata=self.metadata, timeout=30)

    def search(self, method: str, request: Any) -> Any:
        return getattr(self._search, method)(request, metadata=self.metadata, timeout=30)

    def segments(self, method: str, request: Any) -> Any:
        return getattr(self._segments, method)(request, metadata=self.metadata, timeout=30)

    async def upload(self, filename: str = "talk.mp4", chunks: Sequence[bytes] = (b"x" * 1000,), **header: Any) -> Any:
        return await self.files("Upload", upload_messages(filename, chunks, **header))


async def upload_messages(filename: str, chunks: Sequence[bytes], **header: Any) -> AsyncIterator[files.UploadRequest]:
    yield files.UploadRequest(header=files.UploadHeader(filename=filename, **header))
    for chunk in chunks:
        yield files.UploadRequest(chunk=chunk)


@dataclass(frozen=True)
class Described:
    file_id: str
    collection_id: str
    response_id: str
    segment_id: str
    search_id: str
    chat_id: str


@dataclass(frozen=True)
class RpcFront:
    backend: Backend
    server: grpc.aio.Server
    port: int
    engine: ScriptedEngine
    folder: Path
    client: Client
    other: Client

    async def wait_for_requests(self, client: Client, count: int) -> None:
        in_progress = self.backend.tenant_limit.in_progress
        await async_until(lambda: in_progress(client.tenant_id) == count, f"{count} requests are in progress", 10)

    async def wait_for_engine(self) -> None:
        await async_until(lambda: self.engine.running == 0, "the engine writes no answer", 10)

    async def described(self, client: Client, kinds: Any = collections.COLLECTION_TYPE_MEDIA_DESCRIPTIONS) -> Described:
        """A file that was understood, in a collection, and a response and a chat completion about it."""
        file = await client.upload()
        new = collections.CreateCollectionRequest(name="talks", collection_type=kinds)
        collection = await client.collections("Create", new)
        add = collections.AddFileRequest(collection_id=collection.id, file_id=file.id)
        await client.collections("AddFile", add)
        await self.ingest(file.id)
        question = asks("What moves the tide?", collection.id)
        response = await client.responses("Create", question)
        found = await client.segments("List", segments.ListSegmentsRequest(file_id=file.id))
        asked = search.SearchRequest(scope="segment", collections=[collection.id], query="tide")
        asked.search_modalities.append("speech_lexical")
        searched = await client.search("Search", asked)
        chatted = await client.chat("Create", chats("What moves the tide?", collection.id))
        return Described(file.id, collection.id, response.id, found.segments[0].id, searched.id, chatted.id)

    async def ingest(self, file_id: str) -> None:
        """What the ingest application does, without the media."""
        backend, jobs = self.backend, Jobs(self.backend.database, lease_seconds=30)
        probe = await jobs.claim("w")
        assert probe is not None and probe.subject_id == file_id
        info = MediaInfo("video", 10.0, "mp4", True, width=640, height=360)
        await backend.files.set_probed(file_id, info, NewThumbnail(1.0, 64, 36, "tenants/t/files/f/1.jpg"))
        await jobs.finish(probe, "w")
        job = await jobs.claim("w")
        assert job is not None
        for segment in await backend.descriptions.start(job, "w", [Span(0, 5), Span(5, 10)]):
            start = segment.start_time
            speech = Speech(TEXT, start, start + 2, "Ann", (Word("The", start, start + 0.2),))
            await backend.descriptions.write_segment(
                job,
                "w",
                segment,
                SegmentDescription(title=f"Part {segment.position}", summary="On tides.", speech=(speech,)),
                TEXT,
                [NewEmbedding("speech", TEXT, start, start + 2, vector_of(TEXT).tobytes())],
                NewThumbnail(start, 64, 36, f"tenants/t/files/f/{segment.position}.jpg"),
            )
        await backend.descriptions.finish(job, "w", title="A talk", summary="On tides.")
        await jobs.finish(job, "w")


def asks(question: str, *collection_ids: str, script: str | None = None, **more: Any) -> Any:
    return responses.CreateResponseRequest(
        model="nimbus-001",
        messages=[responses.InputMessage(role=responses.ROLE_USER, text=question)],
        instructions=script,
        knowledge_base=responses.KnowledgeBase(collections=collection_ids),
        **more,
    )


def chats(question: str, *collection_ids: str, script: str | None = None, **more: Any) -> Any:
    messages = [chat.ChatMessage(role="user", content=question)]
    if script is not None:
        messages.insert(0, chat.ChatMessage(role="system", content=script))
    return chat.CreateChatCompletionRequest(model="nimbus-001", messages=messages, collections=collection_ids, **more)


@asynccontextmanager
async def open_front(folder: Path) -> AsyncIterator[RpcFront]:
    """The index stays empty: what is found is found by its words."""
    engine = ScriptedServer()
    settings = front_settings(
        folder,
        engine_address=await engine.start(),
        max_upload_bytes=4 * 1024**2,
        max_requests_per_tenant=MAX_REQUESTS,
    )
    try:
        async with open_backend(settings) as backend:
            server, port = create_server(backend, "127.0.0.1:0")
            await server.start()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                clients = []
                for tenant in ("first", "second"):
                    key = await backend.keys.create(tenant)
                    clients.append(Client(channel, key, (await backend.keys.authenticate(key)).tenant_id))
                yield RpcFront(backend, server, port, engine.engine, folder, *clients)
            await server.stop(0)
    finally:
        await engine.stop()
