"""A whole Arcus as a user runs it: `arcus up` as a process, on free ports and a folder of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import psutil

from loadtests.processes import named
from services.cli.instance import ROOT, START_SECONDS, Instance, start_instance

LECTURE = ROOT / "examples" / "lecture" / "lecture.mp4"


@dataclass(frozen=True)
class RunningSystem(Instance):
    data_dir: Path

    def client(self, key: str | None = None) -> httpx.Client:
        """Plain HTTP, as Cloudglue's clients speak it."""
        headers = {"Authorization": f"Bearer {key or self.key}", "X-SDK-Client": "cloudglue-tests"}
        return httpx.Client(base_url=self.http, headers=headers, timeout=60, trust_env=False)

    def create_key(self, tenant: str) -> str:
        command = [sys.executable, "-m", "services.cli.main", "keys", "create"]
        arguments = ["--tenant", tenant, "--data-dir", str(self.data_dir)]
        return subprocess.run(
            [*command, *arguments], check=True, capture_output=True, text=True, cwd=ROOT
        ).stdout.strip()

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def find(self, *words: str) -> list[psutil.Process]:
        """Descendants whose command line or title holds every word."""
        return named(self.process.pid, *words)


def start_system(
    data_dir: Path,
    *,
    environment: Mapping[str, str] = {},
    log: Path | None = None,
    start_seconds: float = START_SECONDS,
) -> RunningSystem:
    """Starts it and waits for its ready line. Its log goes to `log`, or arcus.log in the data folder."""
    data_dir.mkdir(parents=True, exist_ok=True)
    instance = start_instance(data_dir, log or data_dir / "arcus.log", environment, start_seconds=start_seconds)
    return RunningSystem(**instance.__dict__, data_dir=data_dir)


def wait_for(client: httpx.Client, path: str, *, seconds: float = 120) -> dict:
    """Polls a file or a collection's file until its state is final."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        body = client.get(path).raise_for_status().json()
        if body["status"] in ("completed", "failed"):
            return body
        time.sleep(0.2)
    raise AssertionError(f"{path} is still {body['status']} after {seconds} s")


def upload(client: httpx.Client, path: Path) -> dict:
    """Uploads a file and waits for its probe."""
    with path.open("rb") as file:
        body = client.post("/files", files={"file": (path.name, file)}).raise_for_status().json()
    return wait_for(client, f"/files/{body['id']}")


def ingest(client: httpx.Client, path: Path, collection_id: str) -> dict:
    """Uploads a file, adds it to a collection and waits until it is understood."""
    file = upload(client, path)
    assert file["status"] == "completed", file
    client.post(f"/collections/{collection_id}/media", json={"file_id": file["id"]}).raise_for_status()
    member = wait_for(client, f"/collections/{collection_id}/media/{file['id']}", seconds=240)
    assert member["status"] == "completed", member
    return file


def create_collection(client: httpx.Client, name: str, **settings: object) -> str:
    body = {"name": name, "collection_type": "media-descriptions", **settings}
    return client.post("/collections", json=body).raise_for_status().json()["id"]


@dataclass(frozen=True)
class Lecture:
    """The example video in a collection of its own."""

    system: RunningSystem
    collection_id: str
    file_id: str

    @classmethod
    def ingested(cls, system: RunningSystem) -> Self:
        with system.client() as client:
            collection_id = create_collection(client, "lecture")
            return cls(system, collection_id, ingest(client, LECTURE, collection_id)["id"])
