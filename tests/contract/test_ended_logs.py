"""The log of an ended response is joined to one row, and nobody who reads it can tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic import command
from sqlalchemy import event, select

from services.core.answers import ended_logs
from services.core.answers.ended_logs import AFTER_MS, STEP_ROWS, EndedLogs
from services.core.answers.log import Batch, Followed, Lease, News
from services.core.clock import now_ms
from services.core.store.schema import response_events
from services.nimbus.answers.events import EventLog
from services.nimbus.answers.feeds import Feeds
from services.nimbus.answers.following import follow
from tests.contract.store_steps import Store, watched
from tests.contract.test_store_migrations import _go

WORDS = [f" word {number} é" for number in range(40)]
ENTRIES: list[Any] = [
    ["created"],
    ["in_progress"],
    ["message"],
    ["part"],
    *WORDS,
    ["text_done"],
    ["part_done"],
    ["item_done", 0, {"status": "completed"}],
    ["completed", {"input_tokens": 3, "output_tokens": 40}, False, 1_700_000_000],
]
GROUP = 3  # events of a row
MIDDLE = 21


def later(store: Store) -> EndedLogs:
    """As it is once all that has ended by now is due."""
    return EndedLogs(store.database, clock=lambda: now_ms() + 2 * AFTER_MS)


async def write(store: Store, lease: Lease, numbers: range) -> None:
    """These events, some to a row; with the last of ENTRIES, the response ends."""
    for first in numbers[::GROUP]:
        some = range(first, min(first + GROUP, numbers.stop))
        entries = [ENTRIES[number] for number in some]
        batch = Batch(lease, some[0], entries, "engine's", 2)
        if some[-1] == len(ENTRIES) - 1:
            stored = await store.response_log.read(store.tenant, lease.response_id)
            assert stored is not None
            body = EventLog.replayed(stored.body, [*stored.entries, *entries]).body
            batch = Batch(lease, some[0], entries, "engine's", 2, body=body)
        assert await store.response_log.append([batch]) == set()


async def ended(store: Store, id: str) -> Lease:
    lease = await store.begin_response(id)
    await write(store, lease, range(len(ENTRIES)))
    return lease


async def rows(store: Store, id: str) -> list[tuple[int, int]]:
    """First number and entries of each row of a log."""
    query = select(response_events.c.first_number, response_events.c.entries)
    found = await store.database.fetch(
        query.where(response_events.c.response_id == id).order_by(response_events.c.first_number)
    )
    return [(row.first_number, len(row.entries)) for row in found]


async def replay(store: Store, id: str, starting_after: int = -1) -> list[str]:
    """What a client is sent."""
    stored = await store.response_log.read(store.tenant, id)
    assert stored is not None
    feeds = Feeds(store.response_log, store.database.notices)
    events = follow(store.response_log, feeds, id, stored, starting_after)
    return [json.dumps(event) async for together in events for event in together]


async def views(store: Store, id: str) -> dict[str, Any]:
    """All ways to read a log, from every number on."""
    found: dict[str, Any] = {"body": await store.responses.get(store.tenant, id)}
    for number in range(len(ENTRIES) + 2):
        stored = await store.response_log.read(store.tenant, id, number)
        assert stored is not None
        found[f"from {number}"] = stored.entries
        found[f"after {number}"] = await replay(store, id, number)
        if number % GROUP == 0:  # where rows start: so far does one read who follows
            found[f"news {number}"] = (await store.response_log.news([Followed(store.tenant, id, number)]))[id]
    return found


async def test_every_reader_is_told_the_same_by_the_same_numbers_before_and_after(store):
    await ended(store, "r1")
    before = await views(store, "r1")
    assert len(await rows(store, "r1")) > 10
    assert await later(store).join() == 1
    assert await rows(store, "r1") == [(0, len(ENTRIES))]
    assert await views(store, "r1") == before
    assert before["from 20"] == ENTRIES[20:] and len(before["after 20"]) == len(ENTRIES) - 21
    assert (await store.response_log.news([Followed(store.other, "r1", 5)]))["r1"] == News([], None, is_gone=True)
    await store.responses.delete(store.tenant, "r1")
    assert await rows(store, "r1") == []


async def test_a_follower_in_the_middle_is_told_each_event_once_though_it_is_joined_meanwhile(store):
    lease = await store.begin_response("r1")
    await write(store, lease, range(MIDDLE))
    stored = await store.response_log.read(store.tenant, "r1")
    feeds = Feeds(store.response_log, store.database.notices)
    events = follow(store.response_log, feeds, "r1", stored, -1)
    told = await anext(events)
    assert len(told) == MIDDLE
    await write(store, lease, range(MIDDLE, len(ENTRIES)))
    assert await later(store).join() == 1
    loop = asyncio.create_task(feeds.run())  # its first look is after that
    told += [event async for together in events for event in together]
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert [event["sequence_number"] for event in told] == list(range(len(ENTRIES)))
    assert [json.dumps(event) for event in told] == await replay(store, "r1")


async def test_what_runs_or_began_just_now_is_left_as_it_is(store):
    running = await store.begin_response("running")
    await write(store, running, range(MIDDLE))
    await ended(store, "ended")
    before = await rows(store, "running")
    assert await EndedLogs(store.database).join() == 0
    assert len(await rows(store, "ended")) > 1
    assert await later(store).join() == 1
    assert await rows(store, "running") == before
    await write(store, running, range(MIDDLE, len(ENTRIES)))
    assert await later(store).join() == 1
    assert await rows(store, "running") == [(0, len(ENTRIES))]


async def test_with_nothing_to_join_one_query_is_asked_and_nothing_is_written(store, statements):
    await ended(store, "r1")
    lease = await store.begin_response("without events")
    stopped = {"status": "cancelled", "error": None}
    await store.response_log.end(store.tenant, "without events", lambda stored: stored.body | stopped)
    assert await later(store).join() == 2
    assert await rows(store, lease.response_id) == []
    statements.clear()
    assert await later(store).join() == 0
    assert [statement.split()[0] for statement in statements] == ["SELECT"]


async def test_several_fronts_share_what_there_is_and_take_no_more_than_a_step_at_a_time(store, monkeypatch):
    monkeypatch.setattr(ended_logs, "STEP_ROWS", 30)
    ids = [f"r{number}" for number in range(9)]
    for id in ids:
        await ended(store, id)
    before = {id: await replay(store, id) for id in ids}
    each = len(await rows(store, ids[0]))
    assert STEP_ROWS > 30 > each > 30 // GROUP
    with watched(store.database) as sent:
        joined = await asyncio.gather(*(later(store).join() for _ in range(3)))
        joined.append(await later(store).join())
    assert sum(joined) == len(ids)
    assert sum(statement.startswith("DELETE") for statement in sent) >= len(ids) // 2
    for id in ids:
        assert await rows(store, id) == [(0, len(ENTRIES))]
        assert await replay(store, id) == before[id]


@contextmanager
def broken(store: Store, start: str) -> Iterator[None]:
    """The front is gone before it sends such a statement."""

    def stop(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(start):
            raise ConnectionResetError

    for engine in store.database.engines:
        event.listen(engine, "before_cursor_execute", stop)
    yield
    for engine in store.database.engines:
        event.remove(engine, "before_cursor_execute", stop)


@pytest.mark.parametrize("start", ("DELETE", "INSERT INTO response_events", "UPDATE responses"))
async def test_nothing_is_lost_where_a_front_dies_at_it(store, start):
    await ended(store, "r1")
    before, views_before = await rows(store, "r1"), await views(store, "r1")
    with broken(store, start), pytest.raises(Exception) as raised:
        await later(store).join()
    assert isinstance(raised.value.__cause__ or raised.value, ConnectionResetError)
    assert await rows(store, "r1") == before
    assert await later(store).join() == 1
    assert await views(store, "r1") == views_before


async def test_a_write_that_is_tried_again_after_its_log_was_joined_counts_as_done(store):
    lease = await store.begin_response("r1")
    await write(store, lease, range(MIDDLE))
    body = {"id": "r1", "status": "completed", "error": None}
    last = Batch(lease, MIDDLE, ENTRIES[MIDDLE:], body=body)
    assert await store.response_log.append([last]) == set()
    assert await later(store).join() == 1
    assert await store.response_log.append([last], again=True) == set()
    beyond = Batch(lease, len(ENTRIES), ["more"], body=body)
    assert await store.response_log.append([beyond], again=True) == {lease}
    assert await rows(store, "r1") == [(0, len(ENTRIES))]


async def test_logs_from_before_are_joined_too(store):
    await ended(store, "r1")
    before = await views(store, "r1")
    async with store.database.write() as connection:
        await connection.run_sync(_go, command.downgrade, "0022")
    await store.database.migrate()
    assert await views(store, "r1") == before
    assert await later(store).join() == 1
    assert await views(store, "r1") == before
