"""Every class of the store over one database, with the steps that tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event

from services.core.answers.chats import Chats
from services.core.answers.log import Lease, ResponseLog
from services.core.answers.responses import Responses
from services.core.index.embedding_log import EmbeddingLog
from services.core.jobs import Job, Jobs
from services.core.library.collections import Collection, Collections
from services.core.library.descriptions import Descriptions, NewEmbedding
from services.core.library.entities import Entities, Extraction
from services.core.library.files import File, Files
from services.core.library.members import Members
from services.core.library.segments import Segment, Segments
from services.core.library.thumbnails import Thumbnails
from services.core.media import MediaInfo, SegmentDescription, Span
from services.core.search.full_text import FullText
from services.core.search.searches import Searches
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.tenants.keys import Keys

SHARDS = 2
MAX_UPLOAD_BYTES = 10_000
WORKER = "worker"
SCHEMA = {
    "type": "object",
    "properties": {"speaker": {"type": "string"}, "turbines": {"type": "integer", "minimum": 0}},
    "required": ["speaker"],
}


@dataclass(frozen=True)
class Store:
    """Every class of the store over one database, with two tenants and the steps that tests share."""

    database: Database
    folder: Path
    objects: Objects
    keys: Keys
    files: Files
    collections: Collections
    members: Members
    descriptions: Descriptions
    entities: Entities
    log: EmbeddingLog
    full_text: FullText
    jobs: Jobs
    chats: Chats
    responses: Responses
    response_log: ResponseLog
    searches: Searches
    segments: Segments
    thumbnails: Thumbnails
    tenant: str
    other: str

    async def begin_response(self, id: str, *, owner: str = "front", background: bool = False, **rest: Any) -> Lease:
        """A response in progress, held by a front."""
        body = {"id": id, "status": "in_progress", "model": "nimbus-001", "instructions": None, "output": []}
        lease = Lease(id, owner, 1)
        await self.responses.create(self.tenant, body, {"input": id}, lease, background=background, **rest)
        return lease

    async def upload(
        self,
        filename: str = "talk.mp4",
        *,
        metadata: dict[str, Any] | None = None,
        tenant: str = "",
        size: int = 100,
    ) -> File:
        chunks = stream([b"x" * size])
        return await self.files.upload(tenant or self.tenant, filename, chunks, metadata=metadata)

    async def ready(self, filename: str = "talk.mp4", *, tenant: str = "", duration: float = 10.0, **rest: Any) -> File:
        """A file that was probed, with no job left."""
        file = await self.upload(filename, tenant=tenant, **rest)
        job = await self.claim("probe", file.id)
        await self.files.set_probed(file.id, MediaInfo("video", duration, "mp4", has_audio=True))
        await self.jobs.finish(job, WORKER)
        return file

    async def collection(self, name: str = "talks", *, tenant: str = "", **rest: Any) -> Collection:
        return await self.collections.create(
            tenant or self.tenant, name=name, collection_type="media-descriptions", **rest
        )

    async def claim(self, kind: str, subject_id: str) -> Job:
        job = await self.jobs.claim(WORKER)
        assert job is not None and (job.kind, job.subject_id) == (kind, subject_id)
        return job

    async def begin(self, description_id: str, spans: Sequence[Span] = (Span(0, 5), Span(5, 10))) -> tuple[Job, list]:
        """Claims the description's job and cuts its file."""
        job = await self.claim("describe", description_id)
        return job, await self.descriptions.start(job, WORKER, spans)

    async def write(self, job: Job, segment: Segment, text: str = "the tide and the moon", vectors: int = 2) -> None:
        await self.descriptions.write_segment(
            job, WORKER, segment, SegmentDescription(title=text), text, [vector(text) for _ in range(vectors)]
        )

    async def describe(self, description_id: str) -> None:
        """Does all of a description's work."""
        job, segments = await self.begin(description_id)
        for segment in segments:
            await self.write(job, segment)
        await self.descriptions.finish(job, WORKER, title="A talk", summary="On tides.")
        await self.jobs.finish(job, WORKER)

    async def entity_collection(self, name: str = "facts", *, tenant: str = "", **config: Any) -> Collection:
        return await self.collections.create(
            tenant or self.tenant,
            name=name,
            collection_type="entities",
            extract_config={"schema": SCHEMA, **config},
        )

    async def extracting(self, collection: Collection, file: File) -> tuple[Job, Extraction]:
        """The job and the extraction of a file that is described in a collection of type entities."""
        job = await self.jobs.claim(WORKER)
        while job is not None and job.kind == "describe":  # the pictures of one that was added again
            await self.jobs.finish(job, WORKER)
            job = await self.jobs.claim(WORKER)
        assert job is not None and job.kind == "extract"
        extraction = await self.entities.find(job.subject_id)
        assert extraction is not None and extraction.file_id == file.id
        return job, extraction

    def stored(self) -> list[Path]:
        """The objects in the store."""
        return [path for path in self.folder.rglob("*") if path.is_file()]


def vector(text: str) -> NewEmbedding:
    return NewEmbedding("speech", text, 0.0, 1.0, bytes(4 * 384))


async def stream(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@contextmanager
def watched(database: Database) -> Iterator[list[str]]:
    """The statements that a database is sent meanwhile, as they come."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", note)
    yield sent
    for engine in database.engines:
        event.remove(engine, "before_cursor_execute", note)
