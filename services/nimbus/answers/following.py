"""Reads a response's log, from any number on, while it is written by whichever front and after it ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import islice

from services.core.answers.log import Ended, News, ResponseLog, Stored
from services.core.errors import ArcusError, Reason
from services.nimbus.answers.events import Entry, Event, EventLog, stopping_event
from services.nimbus.answers.feeds import Feeds

MAX_TOGETHER = 64  # events, however many of a log are read at once


async def follow(
    response_log: ResponseLog, feeds: Feeds, response_id: str, stored: Stored, starting_after: int
) -> AsyncGenerator[list[Event], None]:
    """Events whose number is greater than `starting_after`, those that are there together, to the last.

    stored: the log as it was read from its start.
    """
    tenant_id = stored.tenant_id
    events = EventLog(stored.body)
    news = _news(stored)
    with feeds.feed(tenant_id, response_id, len(stored.entries)) as feed:
        while True:
            applied = map(events.apply, news.entries)
            while together := list(islice(applied, MAX_TOGETHER)):
                if told := [event for event in together if event["sequence_number"] > starting_after]:
                    yield told
            if events.is_terminal:
                return
            if news.is_gone:
                yield [events.apply(["failed", "The response was deleted.", "not_found"])]
                return
            if news.ended is not None:
                events.next_number = max(events.next_number, starting_after + 1)
                yield [events.apply(_end(news.ended))]
                return
            try:
                news = await feed.after(events.next_number) or _news(
                    await response_log.read(tenant_id, response_id, events.next_number)
                )
            except ArcusError as error:
                if error.reason is not Reason.SERVER_STOPPING:
                    raise
                yield [stopping_event(response_id, max(events.next_number - 1, starting_after))]
                return


def _news(stored: Stored | None) -> News:
    if stored is None:
        return News([], None, is_gone=True)
    ended = None if stored.status == "in_progress" else Ended(stored.status, stored.body["error"])
    return News(stored.entries, ended, is_gone=False)


def _end(ended: Ended) -> Entry:
    """The end of a log whose writer did not write it: cancelled from elsewhere, or killed."""
    if ended.error is None:
        return (
            ["cancelled"] if ended.status == "cancelled" else ["failed", "Its events are no longer kept.", "not_found"]
        )
    return ["failed", ended.error["message"], ended.error["code"]]
