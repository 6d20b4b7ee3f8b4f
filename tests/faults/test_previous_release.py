"""The front of the release before this one goes on working while the database is migrated, and beside a front of this one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.cli.instance import START_SECONDS, first_line
from services.core.store.migration import NEEDED
from tests.acceptance.described import INFO, describe
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer
from tests.contract.postgres_server import PostgresServer
from tests.releases.keep import KEPT

Json = dict[str, Any]
MESSAGES = 200  # of an answer that is under way while the database is migrated, 0.05 s each
RECORDING = b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 2000


@dataclass(frozen=True)
class Release:
    """The kept front, on a database of its own kind."""

    folder: Path
    environment: dict[str, str]

    def arcus(self, *words: str) -> str:
        command = [sys.executable, "-m", "services.cli.main", *words]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def front(self) -> Iterator[str]:
        environment = {**self.environment, "ARCUS_HTTP_PORT": "0", "ARCUS_GRPC_PORT": "0"}
        command = [sys.executable, "-m", "services.front"]
        process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE)
        try:
            yield f"http://127.0.0.1:{json.loads(first_line(process, START_SECONDS))['http_port']}"
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    asyncio.run(postgres.create("previous", template="template0"))
    yield postgres.url("previous")
    asyncio.run(postgres.drop("previous"))


def smoke(client: httpx.Client, collection: str, file: str, told: str) -> str:
    """What clients do most, once. `told`: an earlier response. Returns the id of a new one."""

    def get(path: str) -> Json:
        return client.get(path).raise_for_status().json()

    def post(path: str, **body: Any) -> Json:
        return client.post(path, json=body).raise_for_status().json()

    assert file in {each["id"] for each in get("/files")["data"]}
    assert get(f"/files/{file}")["status"] == "completed"
    assert get(f"/collections/{collection}/videos/{file}/media-descriptions")["title"] == "A talk"
    hits = post("/search", collections=[collection], query="chunked streaming", scope="segment")["results"]
    assert hits and hits[0]["file_id"] == file
    assert get(f"/responses/{told}")["status"] == "completed"
    about = {"model": "nimbus-001", "knowledge_base": {"collections": [collection]}}
    answer = post("/responses", input="What is said?", previous_response_id=told, **about)
    assert answer["status"] == "completed"
    with client.stream("POST", "/responses", json={"input": "What is said?", "stream": True, **about}) as reply:
        events = [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {")]
    assert events[-1]["type"] == "response.completed"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    asked = [{"role": "user", "content": "What is said?"}]
    chat = post("/chat/completions", messages=asked, model="nimbus-001", collections=[collection])
    assert chat["choices"][0]["message"]["content"]
    uploaded = client.post("/files", files={"file": ("more.mp4", RECORDING)}).raise_for_status().json()
    changed = client.put(f"/files/{uploaded['id']}", json={"filename": "other.mp4"}).raise_for_status().json()
    assert changed["filename"] == "other.mp4"
    client.delete(f"/files/{uploaded['id']}").raise_for_status()
    return answer["id"]


def begin(client: httpx.Client) -> tuple[str, Callable[[], list[Json]]]:
    """A long answer in the background: its id, and what waits for the events that its stream still tells."""
    script = {"seed": 1, "messages": MESSAGES, "interval_seconds": 0.05}
    body = {"model": "nimbus-001", "input": "What?", "instructions": json.dumps(script), "background": True}
    id = client.post("/responses", json=body).raise_for_status().json()["id"]
    readers = ThreadPoolExecutor(1)

    def read() -> list[Json]:
        with client.stream("GET", f"/responses/{id}?stream=true") as reply:
            return [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {")]

    reading = readers.submit(read)
    return id, lambda: reading.result(timeout=120)


@pytest.mark.timeout(600)
def test_a_front_of_the_release_before_works_through_a_migration_and_beside_this_one(
    tmp_path: Path, database_url: str
) -> None:
    engine = ScriptedServer()
    program = tmp_path / "release"
    with tarfile.open(KEPT) as kept:
        kept.extractall(program, filter="data")
    elsewhere = Front(
        front_settings(tmp_path / "elsewhere"), engine
    ).start()  # on a database of its own; its engine is for all
    settings = front_settings(
        tmp_path / "data", database_url=database_url, engine_address=elsewhere.engine_address, migrate=False
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ARCUS_")},
        "PYTHONPATH": f"{program}:{program / 'proto'}",
        "ARCUS_DATA_DIR": str(settings.data_dir),
        "ARCUS_DATABASE_URL": database_url,
        "ARCUS_ENGINE_ADDRESS": settings.engine_address,
        "ARCUS_ENGINE_SECRET": settings.engine_secret.get_secret_value(),
        "ARCUS_MIN_FREE_BYTES": "0",
    }
    before = Release(program, environment)
    now = Release(Path(__file__).parents[2], environment | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")})
    try:
        schema = before.arcus("migrate").rpartition(" ")[2]
        assert schema < NEEDED, "keep the newest release: python -m tests.releases.keep REVISION"
        key = before.arcus("keys", "create", "--tenant", "first")
        headers = {"Authorization": f"Bearer {key}"}
        with before.front() as url, httpx.Client(base_url=f"{url}/v1", headers=headers, timeout=60) as old:
            id, events = begin(old)
            assert now.arcus("migrate") == f"schema {schema} -> {NEEDED}"
            # A front of this release, in this process: what is described is written by it.
            beside = Front(settings).start()
            try:
                beside.engine = engine
                tenant = beside.call(beside.backend.keys.authenticate(key)).tenant_id
                account = Account(beside, key, tenant)
                with httpx.Client(base_url=f"{beside.url}/v1", headers=headers, timeout=60) as new:
                    collection = old.post(
                        "/collections", json={"name": "talks", "collection_type": "media-descriptions"}
                    ).json()["id"]
                    file = old.post("/files", files={"file": ("talk.mp4", RECORDING)}).raise_for_status().json()["id"]
                    beside.call(beside.backend.files.set_probed(file, INFO))
                    old.post(f"/collections/{collection}/videos", json={"file_id": file}).raise_for_status()
                    describe(account, collection, file)
                    told = id
                    seen = events()
                    assert seen[-1]["type"] == "response.completed" and len(seen) > MESSAGES
                    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
                    for client in (old, new, old, new):
                        told = smoke(client, collection, file, told)
            finally:
                beside.stop()
    finally:
        elsewhere.stop()
