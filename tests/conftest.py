"""How tests are shared out among workers (`-n`), and what all of them use."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from tests.contract.postgres_server import PostgresServer, installed_postgres

settings.register_profile("arcus", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("arcus")

gc.set_threshold(50_000, 20, 20)  # searches for garbage, of which tests make little, took a sixth of the time

LONGEST = ("acceptance", "contract")  # folders whose files take longest


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """The tests of a file go to one worker: they share what they set up. Files go out as they were collected, the longest
    first, so that all workers end together."""
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(folder) if (folder := item.path.parent.name) in LONGEST else len(LONGEST))
    for item in items:
        if "system" in getattr(item, "fixturenames", ()):
            assert item.path.parent.name not in ("unit", "contract", "acceptance"), f"{item.path.name} starts Ray"


def pytest_collection_finish() -> None:
    """What is imported and collected stays to the end: no search for garbage goes through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_authorities(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is fetched from outside, so no client reads the certificates of all authorities: 40 ms for each."""
    os.environ.setdefault("SSL_CERT_DIR", str(tmp_path_factory.mktemp("no-authorities")))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer(installed_postgres())
    try:
        asyncio.run(server.prepare())
        yield server
    finally:
        server.stop()
