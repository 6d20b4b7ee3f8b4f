"""One front on a real socket with an engine that follows a script, and a talk that is described in the one account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.core.logs import configure_logs
from tests.acceptance.described import described_talk
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    configure_logs()  # as the front does: with the values of variables, one stack trace takes a minute
    running = Front(front_settings(tmp_path_factory.mktemp("clients")), ScriptedServer()).start()
    account = running.account()
    described_talk(account)
    yield account
    running.stop()
