"""A front on a real socket, on SQLite in a temporary folder, and a fresh account for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """No engine: everything but answers works."""
    running = Front(
        front_settings(
            tmp_path_factory.mktemp("arcus"),
            engine_address="127.0.0.1:1",
            max_upload_bytes=32 * 1024**2,
            max_requests_per_tenant=8,
        )
    ).start()
    yield running
    running.stop()


@pytest.fixture
def account(front: Front) -> Account:
    return front.account()


@pytest.fixture(scope="session")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """With an engine that follows a script."""
    running = Front(front_settings(tmp_path_factory.mktemp("answering")), ScriptedServer()).start()
    yield running
    running.stop()
