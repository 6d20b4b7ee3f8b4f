"""Everything a transport can ask for, built once from the settings: the one behaviour behind HTTP and gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.core.collection_files import CollectionFiles
from services.core.collections import Collections
from services.core.database import Database
from services.core.descriptions import Descriptions
from services.core.embedding_log import EmbeddingLog, ensure_shards
from services.core.files import Files
from services.core.full_text import FullText
from services.core.keys import Keys
from services.core.limits import TenantLimit
from services.core.objects import Objects
from services.core.responses import Responses
from services.core.settings import Settings
from services.core.thumbnails import Thumbnails
from services.nimbus.answers import Answers
from services.nimbus.described_files import DescribedFiles
from services.nimbus.engine import EngineClient
from services.nimbus.retrieval import Retrieval


@dataclass(frozen=True)
class Backend:
    settings: Settings
    database: Database
    keys: Keys
    files: Files
    collections: Collections
    collection_files: CollectionFiles
    descriptions: Descriptions
    described_files: DescribedFiles
    thumbnails: Thumbnails
    responses: Responses
    engine: EngineClient
    retrieval: Retrieval
    answers: Answers
    tenant_limit: TenantLimit  # shared by both transports


@asynccontextmanager
async def open_backend(settings: Settings) -> AsyncIterator[Backend]:
    """Migrates the database, connects, and closes all of it at the end."""
    database = Database(settings.database)
    engine = EngineClient(
        settings.engine_address,
        settings.engine_secret.get_secret_value(),
        timeout_seconds=settings.engine_timeout_seconds,
    )
    try:
        await database.migrate()
        await ensure_shards(database, settings.index_shards)
        objects = Objects(settings.objects, min_free_bytes=settings.min_free_bytes)
        files = Files(database, objects, max_upload_bytes=settings.max_upload_bytes)
        collections = Collections(database, shard_count=settings.index_shards)
        descriptions = Descriptions(database)
        members = CollectionFiles(database)
        thumbnails = Thumbnails(database, objects, secret=settings.engine_secret.get_secret_value())
        responses = Responses(database)
        retrieval = Retrieval(
            engine=engine,
            log=EmbeddingLog(database),
            full_text=FullText(database),
            descriptions=descriptions,
            files=files,
            collections=collections,
            members=members,
        )
        yield Backend(
            settings=settings,
            database=database,
            keys=Keys(database),
            files=files,
            collections=collections,
            collection_files=members,
            descriptions=descriptions,
            described_files=DescribedFiles(
                collections=collections, members=members, descriptions=descriptions, files=files, thumbnails=thumbnails
            ),
            thumbnails=thumbnails,
            responses=responses,
            engine=engine,
            retrieval=retrieval,
            answers=Answers(settings=settings, engine=engine, retrieval=retrieval, responses=responses),
            tenant_limit=TenantLimit(settings.max_requests_per_tenant),
        )
    finally:
        await engine.close()
        await database.close()
