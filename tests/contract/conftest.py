"""The store on SQLite and on a real PostgreSQL: every test that takes `database` or `store` runs on both."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.core.collection_files import CollectionFiles
from services.core.collections import Collection, Collections
from services.core.database import Database
from services.core.descriptions import Descriptions, NewEmbedding, Segment
from services.core.embedding_log import EmbeddingLog, ensure_shards
from services.core.files import File, Files
from services.core.full_text import FullText
from services.core.jobs import Job, Jobs
from services.core.keys import Keys
from services.core.media import MediaInfo, SegmentDescription, Span
from services.core.objects import Objects
from services.core.responses import Responses
from services.core.thumbnails import Thumbnails

SHARDS = 2
MAX_UPLOAD_BYTES = 10_000
WORKER = "worker"


class PostgresServer:
    """A PostgreSQL of the test session's own, on a Unix socket only, with one migrated template to clone."""

    def __init__(self, binaries: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="arcus-postgres-"))
        # PostgreSQL refuses to run as root.
        account = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        os.chown(self._folder, account.pw_uid, account.pw_gid)
        self._user = account.pw_name
        who: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        options: dict[str, Any] = {**(who if os.geteuid() == 0 else {}), "cwd": self._folder}
        data = self._folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            **options,
        )
        settings = ["listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=100"]
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", self._folder]
            + [part for setting in settings for part in ("-c", setting)],
            stdout=self._log,
            stderr=self._log,
            **options,
        )

    async def prepare(self) -> None:
        for _ in range(200):
            try:
                await (await self._connect()).close()
                break
            except (OSError, asyncpg.CannotConnectNowError):
                if self._process.poll() is not None:
                    break
                await asyncio.sleep(0.05)
        else:
            raise RuntimeError((self._folder / "log").read_text())
        await self.create("template_arcus", template="template0")
        await _migrate(self.url("template_arcus"))

    def url(self, name: str) -> str:
        return f"postgresql+asyncpg://{self._user}@/{name}?host={self._folder}"

    async def create(self, name: str, template: str = "template_arcus") -> None:
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    async def drop(self, name: str) -> None:
        await self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # a fast shutdown
        self._process.wait(timeout=30)
        self._log.close()
        shutil.rmtree(self._folder)

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(user=self._user, database="postgres", host=str(self._folder))

    async def _execute(self, statement: str) -> None:
        connection = await self._connect()
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.migrate()
    await database.close()


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
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
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


@dataclass(frozen=True)
class Store:
    """Every class of the store over one database, with two tenants and the steps that tests share."""

    database: Database
    folder: Path
    objects: Objects
    keys: Keys
    files: Files
    collections: Collections
    collection_files: CollectionFiles
    descriptions: Descriptions
    log: EmbeddingLog
    full_text: FullText
    jobs: Jobs
    responses: Responses
    thumbnails: Thumbnails
    tenant: str
    other: str

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

    def stored(self) -> list[Path]:
        """The objects in the store."""
        return [path for path in self.folder.rglob("*") if path.is_file()]


def vector(text: str) -> NewEmbedding:
    return NewEmbedding("speech", text, 0.0, 1.0, bytes(4 * 384))


async def stream(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


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
        log=EmbeddingLog(database),
        full_text=FullText(database),
        jobs=Jobs(database, lease_seconds=30),
        responses=Responses(database),
        thumbnails=Thumbnails(database, objects, secret="secret"),
        tenant=tenants[0],
        other=tenants[1],
    )
