"""A file that is described without an engine: its rows are written as the ingest application writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ray_jobs.engines.embedded.extraction.extractor import EmbeddedExtractor
from ray_jobs.engines.roles import Extractor
from ray_jobs.extraction import ExtractionWork
from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.core.jobs import Job, Jobs
from services.core.library.descriptions import NewEmbedding, NewThumbnail
from services.core.media import MediaInfo, SegmentDescription, Span, Speech, TimedText, Word
from services.core.store.objects import Objects
from services.core.store.schema import embeddings
from tests.acceptance.live_front import Account
from tests.acceptance.scripted_server import vector_of

INFO = MediaInfo("video", 40.0, "mp4", True, width=640, height=360, frame_rate=25.0, sample_rate=44100, channels=2)
SPANS = (Span(0, 20), Span(20, 40))
SPEECH = ("chunked streaming beats waiting", "résumé parsing splits a document")
PICTURE = b"\xff\xd8\xff\xe0 a picture"


def upload(account: Account, name: str = "clip.mp4") -> str:
    """A file as if it had been probed."""
    with account.http as http:
        reply = http.post("/v1/files", files={"file": (name, b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 2000)})
    assert reply.status_code == 200, reply.text
    file_id = reply.json()["id"]
    account.front.call(account.front.backend.files.set_probed(file_id, INFO))
    return file_id


def described_talk(account: Account) -> tuple[str, str]:
    """(collection, file): one file, described, in a collection."""
    collection = account.sdk.collections.create(collection_type="media-descriptions", name="talks")
    file_id = upload(account)
    account.sdk.collections.add_video(collection.id, file_id=file_id)
    describe(account, collection.id, file_id)
    return collection.id, file_id


def describe(account: Account, collection_id: str, file_id: str, spans: Sequence[Span] = SPANS) -> None:
    account.front.call(_describe(account, collection_id, file_id, spans))


@dataclass(frozen=True)
class KnownExtractor:
    """Finds the record that it is given, whatever the passages say."""

    record: dict[str, Any]

    async def extract(self, request: ExtractRequest) -> Extracted:
        return Extracted(self.record)


def extract(account: Account, collection_id: str, file_id: str, extractor: Extractor | None = None) -> None:
    """Does the extract job of a described file, as the ingest application does it."""
    account.front.call(_extract(account, collection_id, file_id, extractor or EmbeddedExtractor()))


async def _extract(account: Account, collection_id: str, file_id: str, extractor: Extractor) -> None:
    backend = account.front.backend
    jobs = Jobs(backend.database, lease_seconds=60)
    owner = f"tests of {account.tenant_id}"
    while (job := await jobs.claim(owner)) is not None:
        if job.kind == "extract" and job.tenant_id == account.tenant_id:
            await ExtractionWork(backend.database, extractor).run(job, owner)
        await jobs.finish(job, owner)
    member = await backend.members.get(account.tenant_id, collection_id, file_id)
    assert member.status == "completed", member


async def _describe(account: Account, collection_id: str, file_id: str, spans: Sequence[Span]) -> None:
    backend = account.front.backend
    member = await backend.members.get(account.tenant_id, collection_id, file_id)
    jobs = Jobs(backend.database, lease_seconds=60)
    owner = f"tests of {account.tenant_id}"
    job: Job | None = None
    while job is None or job.subject_id != member.description_id:  # probes of other tests come first
        job = await jobs.claim(owner)
        assert job is not None
    objects = Objects(backend.settings.objects)
    for number, segment in enumerate(await backend.descriptions.start(job, owner, spans)):
        said = SPEECH[number % len(SPEECH)]
        start, end = segment.start_time, segment.end_time
        content = SegmentDescription(
            title=f"Part {number + 1}",
            summary=f"About {said}.",
            visual_scene_description=(TimedText("A person at a desk", start, end),),
            scene_text=(TimedText("SLIDE", start + 1, start + 2),),
            speech=(Speech(said, start + 3, start + 6, "Speaker 1", (Word(said.split()[0], start + 3, start + 4),)),),
        )
        key = f"tenants/{account.tenant_id}/files/{file_id}/segments/{segment.id}.jpg"
        await objects.put(key, PICTURE)
        vectors = [NewEmbedding("speech", said, start + 3, start + 6, vector_of(said).tobytes())]
        picture = NewThumbnail(start, 320, 180, key)
        await backend.descriptions.write_segment(job, owner, segment, content, said, vectors, picture)
    await backend.descriptions.finish(job, owner, title="A talk", summary="On parsing and streaming.")
    await jobs.finish(job, owner)
    if account.front.engine is not None:
        query = select(embeddings).where(embeddings.c.description_id == member.description_id)
        async with backend.database.read() as connection:
            rows = (await connection.execute(query)).all()
        index = account.front.engine.index.setdefault(collection_id, {})
        index.update({row.id: vector_of(row.text) for row in rows})
        account.front.engine.places.update({row.id: (file_id, row.segment_id) for row in rows})
