"""How tests are shared out among workers (`-n`), and a PostgreSQL for those that need one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.contract.postgres_server import PostgresServer, installed_postgres

STARTS_RAY = (
    "test_entities.py",
    "test_isolation.py",
    "test_open_responses.py",
    "test_privacy.py",
)

settings.register_profile("arcus", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("arcus")


class FileScheduling(LoadScopeScheduling):
    """The tests of a file go to one worker; those that start Ray all to the same one, so that one system runs at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return "ray" if file.rpartition("/")[2] in STARTS_RAY else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    return FileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "system" in getattr(item, "fixturenames", ()) and item.path.parent.name == "acceptance":
            assert item.path.name in STARTS_RAY, f"{item.path.name} starts Ray: name it in STARTS_RAY"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer(installed_postgres())
    try:
        asyncio.run(server.prepare())
        yield server
    finally:
        server.stop()
