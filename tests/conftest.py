"""How tests are shared out among workers (`-n`), and a PostgreSQL for those that need one."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.contract.postgres_server import PostgresServer

STARTS_RAY = ("test_command_line.py", "test_engine_ingress.py", "test_openai_engines.py", "test_quickstart.py")

settings.register_profile("arcus", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("arcus")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests go to one worker; those that need Ray all go to the same one, so that one system runs at a time."""
    for item in items:
        needs_ray = item.path.name in STARTS_RAY or "system" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("ray" if needs_ray else str(item.path)))


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
