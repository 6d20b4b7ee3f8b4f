"""One whole system for all tests that kill its parts, delete what they work at or start another: each leaves it working."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.scripted_server import ScriptedServer
from tests.contract.postgres_server import PostgresServer
from tests.faults.fronts import Fronts, fronts_on
from tests.running_system import RunningSystem, start_system

DISK_BYTES = 24 * 1024**2
START_SECONDS = 540  # a hang guard: other work may run


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    # Short leases: a dead worker's jobs are taken over soon.
    running = start_system(
        tmp_path_factory.mktemp("system"), environment={"ARCUS_LEASE_SECONDS": "6"}, start_seconds=START_SECONDS
    )
    yield running
    assert running.stop() == 0


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'arcus.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    asyncio.run(server.create("fronts"))
    yield server.url("fronts")
    asyncio.run(server.drop("fronts"))


@pytest.fixture
def fronts(tmp_path: Path, database_url: str) -> Iterator[Fronts]:
    with fronts_on(tmp_path, database_url, ScriptedServer()) as made:
        yield made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a disk of its own, of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs"):
        yield folder


@contextmanager
def mounted(folder: Path, *what: str) -> Iterator[None]:
    command = ["mount", *what, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount program")
    if done.returncode != 0:
        pytest.skip(f"{' '.join(what)} can't be mounted here: {done.stderr.strip() or 'not permitted'}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """What is opened in it from now on can't be written; a disk in use can't be made so as a whole."""
    with mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
