"""The store on SQLite and on a real PostgreSQL: every test that takes `database` or `store` runs on both."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.core.chats import Chats
from services.core.collection_files import CollectionFiles
from services.core.collections import Collections
from services.core.database import Database
from services.core.descriptions import Descriptions
from services.core.embedding_log import EmbeddingLog
from services.core.entities import Entities
from services.core.files import Files
from services.core.full_text import FullText
from services.core.jobs import Jobs
from services.core.keys import Keys
from services.core.objects import Objects
from services.core.response_log import ResponseLog
from services.core.responses import Responses
from services.core.searches import Searches
from services.core.segments import Segments
from services.core.shards import ensure_shards
from services.core.thumbnails import Thumbnails
from tests.contract.postgres_server import PostgresServer, migrate
from tests.contract.store_steps import MAX_UPLOAD_BYTES, SHARDS, Store


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found += [Path(path) for path in [shutil.which("initdb")] if path]
    if not found:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed; CI installs Debian's postgresql")
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    server = PostgresServer(found[-1].parent)
    try:
        asyncio.run(server.prepare())
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "arcus.db"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database that nobody else uses."""
    if request.param == "sqlite":
        path = tmp_path / "arcus.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite+aiosqlite:///{path}"
        return
    server = request.getfixturevalue("postgres")
    name = f"test_{uuid4().hex}"
    asyncio.run(server.create(name))
    yield server.url(name)
    asyncio.run(server.drop(name))


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
    tenants = [await keys.authenticate(await keys.create(name)) for name in ("first", "second")]
    return Store(
        database=database,
        folder=folder,
        objects=objects,
        keys=keys,
        files=Files(database, objects, max_upload_bytes=MAX_UPLOAD_BYTES),
        collections=Collections(database, shard_count=SHARDS),
        collection_files=CollectionFiles(database),
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
