"""What is new in the responses that are followed in this front: asked for once for all who follow them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog

from services.core.answers.log import Ended, Followed, News, ResponseLog
from services.core.errors import ArcusError, Reason
from services.core.store.notices import ENDED, RESPONSES, Notices

PACE_SECONDS = 0.02  # between queries, however much is told
POLL_SECONDS = 0.05  # how soon what another process wrote is seen where it is not told
SLOW_POLL_SECONDS = 1.0  # where it is: a notice may be lost
MAX_FEEDS = 1_000  # of one query
MAX_ENTRIES = 1_000  # of one response, kept for those who follow it slowly
PATIENCE_SECONDS = 10.0  # that followers wait for a database that is away
log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Feed:
    """The end of one response's log, as it grows."""

    tenant_id: str
    response_id: str
    first_number: int  # of `entries`
    entries: list[Any] = field(default_factory=list)
    ended: Ended | None = None
    is_gone: bool = False
    failure: ArcusError | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    followers: int = 0

    @property
    def is_over(self) -> bool:
        return self.ended is not None or self.is_gone

    @property
    def next_number(self) -> int:
        return self.first_number + len(self.entries)

    async def after(self, number: int) -> News | None:
        """What there is from `number` on, as soon as there is something; None where that is no longer kept here.

        Raises STORAGE_UNAVAILABLE where the database stays away, SERVER_STOPPING where this front ends.
        """
        while True:
            if number < self.first_number:
                return None
            if number < self.next_number:
                return News(self.entries[number - self.first_number :], self.ended, self.is_gone)
            if self.is_over:
                return News([], self.ended, self.is_gone)
            if self.failure is not None:
                raise self.failure
            await self.changed.wait()

    def take(self, news: News) -> None:
        if len(self.entries) > MAX_ENTRIES:
            self.first_number, self.entries = self.next_number, []
        self.entries.extend(news.entries)
        self.ended, self.is_gone, self.failure = news.ended, news.is_gone, None
        self._wake()

    def fail(self, error: ArcusError) -> None:
        self.failure = error
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Feeds:
    def __init__(
        self,
        response_log: ResponseLog,
        notices: Notices,
        *,
        pace_seconds: float = PACE_SECONDS,
        slow_poll_seconds: float = SLOW_POLL_SECONDS,
    ) -> None:
        self._log = response_log
        self._pace_seconds = pace_seconds
        self._slow_poll_seconds = slow_poll_seconds
        self._notices = notices
        self._feeds: dict[str, Feed] = {}
        self._due: dict[Feed, None] = {}  # something may be new in them
        self._wake = asyncio.Event()
        self._is_stopped = False
        for channel in (RESPONSES, ENDED):
            notices.listen(channel, self._tell)

    def __len__(self) -> int:
        """How many responses are followed."""
        return len(self._feeds)

    @property
    def followers(self) -> int:
        return sum(feed.followers for feed in self._feeds.values())

    @contextlib.contextmanager
    def feed(self, tenant_id: str, response_id: str, next_number: int) -> Iterator[Feed]:
        """The feed of a response of which the entries before `next_number` were read, until the block ends."""
        feed = self._feeds.get(response_id)
        if feed is None:
            feed = self._feeds[response_id] = Feed(tenant_id, response_id, next_number)
            self._tell([response_id])  # what was written before it was there was not heard
            if self._is_stopped:
                feed.fail(ArcusError(Reason.SERVER_STOPPING))
        feed.followers += 1
        try:
            yield feed
        finally:
            feed.followers -= 1
            if not feed.followers:
                del self._feeds[response_id]
                self._due.pop(feed, None)

    def stop(self) -> None:
        """Nothing more is asked for: whoever follows has what is here, then SERVER_STOPPING."""
        self._is_stopped = True
        for feed in self._feeds.values():
            feed.fail(ArcusError(Reason.SERVER_STOPPING))

    async def run(self) -> None:
        """Until cancelled. Asks nothing while nobody follows; however many do, at most once in `pace_seconds`."""
        clock = asyncio.get_running_loop().time
        poll_at = 0.0
        away_since: float | None = None
        while True:
            if not self._due:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, poll_at - clock()) if self._feeds else None):
                        await self._wake.wait()
            self._wake.clear()
            if clock() >= poll_at:
                self._due.update(dict.fromkeys(feed for feed in self._feeds.values() if not feed.is_over))
                poll_at = clock() + (self._slow_poll_seconds if self._notices.hears_others else POLL_SECONDS)
            asked = list(islice(self._due, MAX_FEEDS))
            for feed in asked:
                del self._due[feed]
            try:
                await self._read(asked)
                away_since = None
            except ArcusError as error:
                if away_since is None:
                    away_since = clock()
                    log.warning("followed_responses_unread", followed=len(asked), reason=error.reason)
                for feed in asked:
                    self._due[feed] = None
                    if clock() - away_since > PATIENCE_SECONDS:
                        feed.fail(error)
                await asyncio.sleep(POLL_SECONDS)
            await asyncio.sleep(self._pace_seconds)

    async def _read(self, feeds: Sequence[Feed]) -> None:
        if not feeds or self._is_stopped:
            return
        news = await self._log.news([Followed(feed.tenant_id, feed.response_id, feed.next_number) for feed in feeds])
        if self._is_stopped:
            return
        for feed in feeds:
            feed.failure = None
            if (found := news.get(feed.response_id)) is not None:
                feed.take(found)

    def _tell(self, response_ids: Collection[str]) -> None:
        """Something may be new in these, or in any where there are none."""
        for id in response_ids or self._feeds:
            feed = self._feeds.get(id)
            if feed is not None and not feed.is_over:
                self._due[feed] = None
        if self._due:
            self._wake.set()
