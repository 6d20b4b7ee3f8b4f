"""One whole system for all tests that need no other, and the example video in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running_system import Lecture, RunningSystem, start_system


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """The whole of Arcus, engines included, as `arcus up` runs it."""
    running = start_system(tmp_path_factory.mktemp("system"))
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def lecture(system: RunningSystem) -> Lecture:
    return Lecture.ingested(system)
