"""Fronts on real sockets, with an engine that follows a script or one that keeps to schemas, and a talk that is described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_jobs.engines.language.generator import LanguageGenerator
from ray_jobs.engines.language.scripted import ScriptedModel
from services.core.logs import configure_logs
from tests.acceptance.described import described_talk
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    yield from served(tmp_path_factory.mktemp("clients"), ScriptedServer())


@pytest.fixture(scope="session")
def schema_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Before a language engine whose model writes the least that fits."""
    yield from served(tmp_path_factory.mktemp("schemas"), ScriptedServer(LanguageGenerator(ScriptedModel())))


def served(folder: Path, engine: ScriptedServer) -> Iterator[Account]:
    configure_logs()  # as the front does: with the values of variables, one stack trace takes a minute
    running = Front(front_settings(folder), engine).start()
    account = running.account()
    described_talk(account)
    yield account
    running.stop()
