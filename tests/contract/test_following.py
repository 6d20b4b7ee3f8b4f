"""Who follows a response reads its wide row only when there is news, and all who do ask by one query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.core.answers.log import Batch
from services.nimbus.answers.following import follow
from services.nimbus.answers.log_writer import LogWriter
from services.nimbus.answers.watch import watch
from tests.waiting import async_until


@pytest.fixture
async def writer(store) -> AsyncIterator[LogWriter]:
    """That of a front which writes nothing itself, and is told of what others write."""
    writer = LogWriter(store.response_log)
    watching = asyncio.create_task(watch(store.response_log, writer))
    yield writer
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_follower_that_waits_reads_no_request_body_or_prompt(store, statements, writer):
    lease = await store.begin_response("r1")
    stored = await store.response_log.read(store.tenant, "r1")
    events = follow(store.response_log, writer, "r1", stored, -1)
    statements.clear()
    first = asyncio.create_task(anext(events))
    await async_until(lambda: len(statements) >= 3, "it asks again and again")
    assert not any("prompt" in statement for statement in statements)
    await store.response_log.append([Batch(lease, 0, [["cancelled"]])])  # as another front does
    assert (await first)["sequence_number"] == 0
    assert sum("prompt" in statement for statement in statements) == 1
    await events.aclose()


async def test_many_followers_ask_by_one_query_and_are_told_of_their_own_news_alone(store, statements, writer):
    leases = [await store.begin_response(f"r{number}") for number in range(8)]
    stored = [await store.response_log.read(store.tenant, lease.response_id) for lease in leases]
    follows = [
        follow(store.response_log, writer, lease.response_id, first, -1)
        for lease, first in zip(leases, stored, strict=True)
        for _ in range(25)
    ]
    first = [asyncio.create_task(anext(events)) for events in follows]
    polls = "ORDER BY response_events.first_number DESC"
    await async_until(lambda: sum(polls in statement for statement in statements) >= 3, "it asks again and again")
    statements.clear()
    await async_until(lambda: sum(polls in statement for statement in statements) >= 3, "and again")
    assert all(polls in statement for statement in statements)  # for 200 followers, no more than for one
    await store.response_log.append([Batch(leases[5], 0, [["cancelled"]])])
    told = range(5 * 25, 6 * 25)
    await async_until(lambda: all(first[number].done() for number in told), "its followers hear of it")
    assert not any(task.done() for number, task in enumerate(first) if number not in told)
    for task in first:
        task.cancel()
    await asyncio.gather(*first, return_exceptions=True)
    for events in follows:
        await events.aclose()


async def test_nothing_is_asked_while_nobody_follows_and_a_response_that_goes_is_told(store, statements, writer):
    await store.begin_response("r1")
    stored = await store.response_log.read(store.tenant, "r1")
    statements.clear()
    await asyncio.sleep(0.3)  # longer than three looks would take
    assert not statements
    events = follow(store.response_log, writer, "r1", stored, -1)
    first = asyncio.create_task(anext(events))
    await async_until(lambda: bool(statements), "it asks")
    await store.responses.delete(store.tenant, "r1")
    assert (await first)["error"]["message"] == "The response was deleted."
