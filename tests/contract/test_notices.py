"""Notices between processes: each hears what others tell, learns when it does not, and gets back to hearing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from unittest.mock import Mock

import pytest
from sqlalchemy import make_url, text

from services.core.jobs import Jobs
from services.core.library.files import Files
from services.core.store import notices
from services.core.store.database import Database
from services.core.store.notices import JOBS, MAX_PENDING, RESPONSES
from services.core.store.objects import Objects
from services.core.tenants.keys import Keys
from tests.contract.store_steps import stream
from tests.waiting import async_until

LISTENS = "application_name = 'arcus notices' AND datname = current_database()"


class Process:
    """One that hears and tells, with what it heard."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.notices = database.notices
        self.heard: list[Collection[str]] = []
        self.kinds: list[Collection[str]] = []
        self.notices.listen(RESPONSES, self.heard.append)
        self.notices.listen(JOBS, self.kinds.append)

    def has_heard(self, id: str) -> Callable[[], bool]:
        return lambda: any(id in ids for ids in self.heard)


@contextlib.asynccontextmanager
async def process(url: str) -> AsyncIterator[Process]:
    database = Database(url)
    each = Process(database)
    running = asyncio.create_task(database.notices.run())
    try:
        yield each
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await database.close()


@pytest.fixture
async def url(postgres) -> AsyncIterator[str]:
    name = await postgres.lend()
    yield postgres.url(name)
    await postgres.take_back(name)


async def test_what_this_process_tells_it_hears_at_once_on_either_database(database):
    each = Process(database)
    each.notices.tell(RESPONSES, ["r1"])
    each.notices.tell(RESPONSES, [])
    each.notices.tell(JOBS, ["probe"])
    assert each.heard == [["r1"]]


async def test_others_hear_what_is_told_and_who_tells_hears_it_once(url):
    async with process(url) as first, process(url) as second:
        await async_until(lambda: first.notices.hears_others and second.notices.hears_others, "both hear")
        first.heard.clear()
        ids = [f"{number:036}" for number in range(1000)]  # more than one payload holds
        first.notices.tell(RESPONSES, ids)
        await async_until(second.has_heard(ids[-1]), "the other hears it")
        assert sorted(id for some in second.heard for id in some) == ids
        second.notices.tell(RESPONSES, ["back"])
        await async_until(first.has_heard("back"), "and is heard")
        assert first.heard == [ids, ["back"]]


async def test_a_job_is_told_as_it_is_queued_and_as_it_is_given_back_at_once(url, tmp_path):
    async with process(url) as each:
        kinds = each.kinds
        await async_until(lambda: each.notices.hears_others, "it hears")
        kinds.clear()
        tenant = (await (keys := Keys(each.database)).authenticate(await keys.create("first"))).tenant_id
        files = Files(each.database, Objects(f"file://{tmp_path}"), max_upload_bytes=1_000)
        await files.upload(tenant, "talk.mp4", stream([b"x"]))
        await async_until(lambda: kinds == [["probe"]], "whoever works hears of it")
        jobs = Jobs(each.database, lease_seconds=30)
        job = await jobs.claim("worker")
        assert job is not None
        await jobs.release(job, "worker")
        await async_until(lambda: kinds == [["probe"], ["probe"]], "and again")
        job = await jobs.claim("worker")
        assert job is not None
        await jobs.retry(job, "worker", delay_seconds=60, error="later")
        await files.upload(tenant, "talk.mp4", stream([b"x"]))
        await async_until(lambda: len(kinds) > 2, "of the next")
        assert kinds == [["probe"]] * 3  # of one that is due later nobody is told


async def test_of_more_than_is_kept_to_be_sent_everything_is_told(url):
    async with process(url) as hearing:
        await async_until(lambda: hearing.notices.hears_others, "it hears")
        hearing.heard.clear()
        telling = Database(url)
        telling.notices.tell(RESPONSES, (f"r{number}" for number in range(MAX_PENDING + 1)))
        telling.notices.tell(RESPONSES, ["one more"])
        running = asyncio.create_task(telling.notices.run())
        await async_until(lambda: hearing.heard, "it is told")
        assert hearing.heard == [[]]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await telling.close()


async def test_a_connection_that_is_ended_is_made_anew_and_what_was_missed_is_looked_for(url):
    async with process(url) as first, process(url) as second:
        await async_until(lambda: first.notices.hears_others and second.notices.hears_others, "both hear")
        first.heard.clear()
        await second.database.fetch(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENS}"))
        await async_until(lambda: not first.notices.hears_others, "it learns of it")
        second.notices.tell(RESPONSES, ["r1"])
        await async_until(lambda: first.notices.hears_others, "it hears again")
        await async_until(lambda: [] in first.heard, "it is told to look at everything")
        second.notices.tell(RESPONSES, ["r2"])
        await async_until(first.has_heard("r2"), "it hears")


async def test_notices_come_again_after_postgres_was_restarted(url, postgres):
    async with process(url) as first, process(url) as second:
        await async_until(lambda: first.notices.hears_others and second.notices.hears_others, "both hear")
        postgres.restart()
        await async_until(lambda: not first.notices.hears_others, "it learns of it")
        await async_until(lambda: first.notices.hears_others and second.notices.hears_others, "both hear again")
        second.notices.tell(RESPONSES, ["r1"])
        await async_until(first.has_heard("r1"), "it hears")


async def test_who_is_not_heard_behind_a_pooler_by_transactions_says_so(url, monkeypatch):
    """A proxy that passes no notices on, as a pooler does whose client no longer has the connection that listens."""
    folder = make_url(url).query["host"]
    log = Mock()
    monkeypatch.setattr(notices, "log", log)
    async with deaf_proxy(f"{folder}/.s.PGSQL.5432") as (host, port):
        through = make_url(url).set(host=host, port=port, query={"ssl": "disable"})
        async with process(through.render_as_string(hide_password=False)) as deaf:
            await async_until(
                lambda: "notices_not_heard" in [call.args[0] for call in log.warning.mock_calls], "it says so"
            )
            assert not deaf.notices.hears_others


@contextlib.asynccontextmanager
async def deaf_proxy(path: str) -> AsyncIterator[tuple[str, int]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = await asyncio.open_unix_connection(path)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.gather(_pass(reader, to_server[1]), _pass_messages(to_server[0], writer))
        for each in (writer, to_server[1]):
            each.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def _pass_messages(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await reader.readexactly(5)  # a type and the length of what follows, its own four bytes with it
        body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
        if head[:1] != b"A":  # NotificationResponse
            writer.write(head + body)
