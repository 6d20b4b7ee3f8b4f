"""No order of writing, telling, asking and beginning to follow loses, doubles or delays an event for good."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.answers.log import Ended, Followed, News
from services.core.errors import ArcusError, Reason
from services.core.store.notices import RESPONSES
from services.nimbus.answers.feeds import Feeds

ID = "r"
STEPS = ("write", "tell", "tell all", "follow", "let a query begin", "let a query end")


class GatedLog:
    """A log in memory whose queries read when they are let begin, and return when they are let end."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.is_ended = False
        self.begin, self.end = asyncio.Event(), asyncio.Event()
        self.failures = 0

    @property
    def next_number(self) -> int:
        return sum(map(len, self.rows))

    async def news(self, followed: Sequence[Followed]) -> dict[str, News]:
        await _pass(self.begin)
        if self.failures:
            self.failures -= 1
            raise ArcusError(Reason.STORAGE_UNAVAILABLE)
        (each,) = followed
        found = [entry for row in self.rows for entry in row][each.next_number :]
        ended = Ended("cancelled", None) if self.is_ended else None
        await _pass(self.end)
        return {ID: News(found, ended, is_gone=False)} if found or ended else {}


class HeardNotices:
    """Of a process that hears all that others tell: nothing is asked for by itself for long."""

    hears_others = True

    def __init__(self) -> None:
        self.listeners: dict[str, Any] = {}

    def listen(self, channel: str, listener: Any) -> None:
        self.listeners[channel] = listener

    def tell(self, ids: Collection[str]) -> None:
        self.listeners[RESPONSES](ids)


async def _pass(gate: asyncio.Event) -> None:
    await gate.wait()
    gate.clear()


async def _settle() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def _read(feeds: Feeds, number: int) -> list[str]:
    """All entries from a number on, to the end."""
    found: list[str] = []
    with feeds.feed("tenant", ID, number) as feed:
        while True:
            news = await feed.after(number + len(found))
            assert news is not None
            found += news.entries
            if news.ended is not None:
                return found


async def _played(steps: Sequence[str], *, failures: int = 0) -> None:
    log, notices = GatedLog(), HeardNotices()
    log.failures = failures
    feeds = Feeds(log, notices, pace_seconds=0, slow_poll_seconds=3600)  # type: ignore[arg-type]
    running = asyncio.create_task(feeds.run())
    following: list[tuple[int, asyncio.Task[list[str]]]] = []
    for step in steps:
        if step == "write":
            log.rows.append([f"{log.next_number}", f"{log.next_number + 1}"])
        elif step == "tell":
            notices.tell([ID])
        elif step == "tell all":
            notices.tell([])
        elif step == "follow":  # what is there was read before
            following.append((log.next_number, asyncio.create_task(_read(feeds, log.next_number))))
        elif step == "let a query begin":
            log.begin.set()
        else:
            log.end.set()
        await _settle()
    log.is_ended = True
    notices.tell([ID])  # the last write is told, as each is sooner or later
    async with asyncio.timeout(10):
        while not all(task.done() for _, task in following):
            log.begin.set()
            log.end.set()
            await asyncio.sleep(0)
    for number, task in following:
        assert task.result() == [str(each) for each in range(number, log.next_number)]
    assert len(feeds) == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@settings(max_examples=300)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=14))
def test_every_follower_sees_every_event_once_in_whatever_order_things_happen(steps: list[str]):
    asyncio.run(_played(steps))


async def test_what_is_written_before_the_first_query_of_a_new_follower_is_seen():
    await _played(["follow", "write", "let a query begin", "let a query end"])


async def test_what_is_told_while_a_query_is_under_way_is_asked_for_again():
    await _played(["follow", "let a query begin", "write", "tell", "let a query end"])


async def test_a_database_that_is_away_for_a_moment_costs_followers_nothing():
    await _played(["follow", "write", "tell"], failures=1)
