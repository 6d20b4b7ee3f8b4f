"""The store on SQLite and on a real PostgreSQL: every test that takes `database` or `store` runs on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.core.answers.chats import Chats
from services.core.answers.log import ResponseLog
from services.core.answers.responses import Responses
from services.core.index.embedding_log import EmbeddingLog
from services.core.index.shards import ensure_shards
from services.core.jobs import Jobs
from services.core.library.collections import Collections
from services.core.library.descriptions import Descriptions
from services.core.library.entities import Entities
from services.core.library.files import Files
from services.core.library.members import Members
from services.core.library.segments import Segments
from services.core.library.thumbnails import Thumbnails
from services.core.search.full_text import FullText
from services.core.search.searches import Searches
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.tenants.keys import Keys
from tests.contract.store_steps import MAX_UPLOAD_BYTES, SHARDS, Store, watched
from tests.migrated import copy_migrated


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database that nobody else uses."""
    if request.param == "sqlite":
        path = tmp_path / "arcus.db"
        copy_migrated(path)
        yield f"sqlite+aiosqlite:///{path}"
        return
    server = request.getfixturevalue("postgres")
    name = asyncio.run(server.lend())
    yield server.url(name)
    asyncio.run(server.take_back(name))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=20)
    await ensure_shards(database, SHARDS)
    yield database
    await database.close()


@pytest.fixture
async def store(database: Database, tmp_path: Path) -> Store:
    folder = tmp_path / "objects"
    objects = Objects(f"file://{folder}")
    keys = Keys(database)
    tenants = [(await keys.authenticate(await keys.create(name))).tenant_id for name in ("first", "second")]
    return Store(
        database=database,
        folder=folder,
        objects=objects,
        keys=keys,
        files=Files(database, objects, max_upload_bytes=MAX_UPLOAD_BYTES),
        collections=Collections(database, shard_count=SHARDS),
        members=Members(database),
        descriptions=Descriptions(database),
        entities=Entities(database),
        log=EmbeddingLog(database),
        full_text=FullText(database),
        jobs=Jobs(database, lease_seconds=30),
        chats=Chats(database),
        responses=Responses(database),
        response_log=ResponseLog(database),
        searches=Searches(database),
        segments=Segments(database),
        thumbnails=Thumbnails(database, objects, secret="secret"),
        tenant=tenants[0],
        other=tenants[1],
    )


@pytest.fixture
def statements(store: Store) -> Iterator[list[str]]:
    """The statements that the database is sent, as they come."""
    with watched(store.database) as sent:
        yield sent
