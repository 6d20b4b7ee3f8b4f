"""All who follow responses in a front ask by one query, and each is told of its own news alone, once and soon."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from services.core.answers.log import Batch, Followed, Lease, News, ResponseLog
from services.core.store.database import Database
from services.nimbus.answers.feeds import MAX_ENTRIES, POLL_SECONDS, Feeds
from services.nimbus.answers.following import follow
from tests.contract.store_steps import watched
from tests.waiting import async_until

NEWS = "followed_id"  # stands in the one query alone


@dataclass
class ReadingFront:
    """A front that writes nothing itself; what `store` writes is of another."""

    response_log: ResponseLog
    feeds: Feeds
    database: Database

    async def follow(self, tenant_id: str, id: str, starting_after: int = -1) -> AsyncIterator[dict[str, Any]]:
        stored = await self.response_log.read(tenant_id, id)
        assert stored is not None
        async with contextlib.aclosing(follow(self.response_log, self.feeds, id, stored, starting_after)) as events:
            async for together in events:
                for event in together:
                    yield event

    async def numbers(self, tenant_id: str, id: str, starting_after: int = -1) -> list[int]:
        return [event["sequence_number"] async for event in self.follow(tenant_id, id, starting_after)]


@contextlib.asynccontextmanager
async def reading_front(url: str) -> AsyncIterator[ReadingFront]:
    database = Database(url)
    response_log = ResponseLog(database)
    feeds = Feeds(response_log, database.notices)
    loops = [asyncio.create_task(feeds.run()), asyncio.create_task(database.notices.run())]
    try:
        yield ReadingFront(response_log, feeds, database)
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await database.close()


@pytest.fixture
async def front(database_url: str) -> AsyncIterator[ReadingFront]:
    async with reading_front(database_url) as front:
        yield front


@pytest.fixture
async def told(store) -> AsyncIterator[None]:
    """The front that writes tells others."""
    telling = asyncio.create_task(store.database.notices.run())
    yield
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)


def batch(lease: Lease, number: int, *texts: str) -> Batch:
    return Batch(lease, number, list(texts))


def ending(lease: Lease, number: int) -> Batch:
    body = {"id": lease.response_id, "status": "cancelled", "error": None}
    return Batch(lease, number, [["cancelled"]], body=body)


@pytest.fixture
def asked(front) -> Iterator[list[str]]:
    """The statements of the front that reads."""
    with watched(front.database) as statements:
        yield statements


async def test_a_follower_that_waits_reads_no_request_body_or_prompt(store, front, asked):
    lease = await store.begin_response("r1")
    events = front.follow(store.tenant, "r1")
    first = asyncio.create_task(anext(events))
    await async_until(lambda: sum(NEWS in statement for statement in asked) >= 2, "it asks again")
    await store.response_log.append([batch(lease, 0, "a word")])
    assert (await first)["delta"] == "a word"
    assert sum("prompt" in statement for statement in asked) == 1  # as it began
    await events.aclose()


async def test_many_followers_ask_by_one_query_and_are_told_of_their_own_news_alone(store, front, asked, told):
    leases = [await store.begin_response(f"r{number}") for number in range(8)]
    follows = [front.follow(store.tenant, lease.response_id) for lease in leases for _ in range(25)]
    first = [asyncio.create_task(anext(events)) for events in follows]
    await async_until(lambda: len(front.feeds) == 8 and front.feeds.followers == 200, "all follow")
    asked.clear()
    await async_until(lambda: sum(NEWS in statement for statement in asked) >= 2, "it asks again")
    assert sum(NEWS in statement for statement in asked) >= len(asked) - 2  # beside what tries the notices
    await store.response_log.append([batch(leases[5], 0, "for the sixth")])
    of_sixth = range(5 * 25, 6 * 25)
    await async_until(lambda: all(first[number].done() for number in of_sixth), "its followers hear of it")
    assert not any(task.done() for number, task in enumerate(first) if number not in of_sixth)
    for task in first:
        task.cancel()
    await asyncio.gather(*first, return_exceptions=True)
    for events in follows:
        await events.aclose()
    assert len(front.feeds) == 0


async def test_nothing_is_asked_while_nobody_follows_and_a_response_that_goes_is_told(store, front, asked):
    await store.begin_response("r1")
    await asyncio.sleep(6 * POLL_SECONDS)
    assert not any(NEWS in statement for statement in asked)
    events = front.follow(store.tenant, "r1")
    first = asyncio.create_task(anext(events))
    await async_until(lambda: any(NEWS in statement for statement in asked), "it asks")
    await store.responses.delete(store.tenant, "r1")
    assert (await first)["error"]["message"] == "The response was deleted."
    await events.aclose()


async def test_a_follower_of_what_is_cancelled_elsewhere_or_begins_late_reads_to_the_end(store, front):
    lease = await store.begin_response("r1")
    await store.response_log.append([batch(lease, 0, "a", "b")])
    numbers = asyncio.create_task(front.numbers(store.tenant, "r1"))
    await async_until(lambda: len(front.feeds) == 1, "it follows")
    cancelled = {"id": "r1", "status": "cancelled", "error": None, "usage": None}
    await store.response_log.end(store.tenant, "r1", lambda stored: stored.body | cancelled)
    assert await numbers == [0, 1, 2]
    assert await front.numbers(store.tenant, "r1", starting_after=1) == [2]


async def test_one_who_reads_slowly_misses_nothing_though_others_have_read_on(store, front):
    lease = await store.begin_response("r1")
    slow, quick = front.follow(store.tenant, "r1"), front.follow(store.tenant, "r1")
    rows = 4
    each = MAX_ENTRIES // 2
    seen: dict[str, list[int]] = {"slow": [], "quick": []}
    for row in range(rows):
        await store.response_log.append([batch(lease, row * each, *["word"] * each)])
        for _ in range(each):
            seen["quick"].append((await anext(quick))["sequence_number"])
        if row == 0:
            seen["slow"].append((await anext(slow))["sequence_number"])
    await store.response_log.append([ending(lease, rows * each)])
    seen["slow"] += [event["sequence_number"] async for event in slow]
    seen["quick"] += [event["sequence_number"] async for event in quick]
    assert seen["slow"] == seen["quick"] == list(range(rows * each + 1))


async def test_news_are_of_the_tenant_that_owns_the_response(store):
    lease = await store.begin_response("r1")
    await store.response_log.append([batch(lease, 0, "a", "b")])
    await store.response_log.append([batch(lease, 2, "c")])
    mine, theirs = Followed(store.tenant, "r1", 2), Followed(store.other, "r1", 0)
    news = await store.response_log.news([mine, Followed(store.tenant, "unknown", 0)])
    assert news["r1"].entries == ["c"] and news["r1"].ended is None and not news["r1"].is_gone
    assert news["unknown"].is_gone and news["unknown"].entries == []
    assert (await store.response_log.news([theirs]))["r1"] == News([], None, is_gone=True)
    assert await store.response_log.news([Followed(store.tenant, "r1", 3)]) == {}
