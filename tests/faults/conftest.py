"""One whole system for all tests that kill its parts, delete what they work at or start another: each leaves it working."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running_system import RunningSystem, start_system


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    # Short leases: a dead worker's jobs are taken over soon.
    running = start_system(tmp_path_factory.mktemp("system"), environment={"ARCUS_LEASE_SECONDS": "6"})
    yield running
    assert running.stop() == 0
