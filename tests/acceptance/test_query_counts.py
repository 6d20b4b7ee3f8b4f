"""How often one answer asks the database, however much there is to answer from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.query_counts import MOST, MOST_AT_ONCE, add_library, add_talks, planned, queries_of
from tests.acceptance.scripted_server import ScriptedServer
from tests.contract.postgres_server import PostgresServer


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def account(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """With three collections that hold a talk each."""
    url = ""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        name = f"counts{uuid4().hex}"
        asyncio.run(server.create(name))
        url = server.url(name)
    folder: Path = tmp_path_factory.mktemp("counts")
    front = Front(front_settings(folder, database_url=url), ScriptedServer()).start()
    account = front.account()
    add_talks(account)
    yield account
    front.stop()


@pytest.mark.parametrize("more", [{}, {"stream": True}, {"store": False}], ids=["kept", "streamed", "not kept"])
def test_an_answer_from_some_collections_asks_the_database_a_dozen_times_at_most(account: Account, more: Any) -> None:
    ids = [item.id for item in account.sdk.collections.list().data]
    assert len(ids) >= 3
    asked = queries_of(account, {"collections": ids[:3]}, **more)
    assert 6 < len(asked) <= MOST, "\n".join(" ".join(each.split())[:150] for each in asked)


def test_an_answer_from_named_files_does_too(account: Account) -> None:
    named = [item.id for item in account.sdk.files.list().data][:3]
    asked = queries_of(account, {"source": "files", "files": named})
    assert 6 < len(asked) <= MOST, "\n".join(" ".join(each.split())[:150] for each in asked)


def test_a_question_of_many_parts_embeds_each_once_and_asks_few_things_at_a_time(account: Account) -> None:
    ids = [item.id for item in account.sdk.collections.list().data]
    times, at_once = planned(account, ids[:3])
    assert (times, 1 <= at_once <= MOST_AT_ONCE) == (1, True), (times, at_once)


def test_an_answer_from_everything_of_a_large_tenant_does_too(account: Account) -> None:
    account.front.call(add_library(account))
    asked = queries_of(account, {"source": "default"})
    assert 6 < len(asked) <= MOST, "\n".join(" ".join(each.split())[:150] for each in asked)
