"""Reads a response's log, from any number on, while it is written by whichever front and after it ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from services.core.answers.log import ResponseLog, Stored
from services.nimbus.answers.events import Entry, Event, EventLog
from services.nimbus.answers.log_writer import LogWriter

POLL_SECONDS = 0.1  # how soon what another front wrote is seen; what this one writes is seen at once


async def follow(
    response_log: ResponseLog, writer: LogWriter, response_id: str, stored: Stored, starting_after: int
) -> AsyncGenerator[Event, None]:
    """Events whose number is greater than `starting_after`, to the last. `stored`: the log as it was read from its start."""
    tenant_id = stored.tenant_id
    events = EventLog(stored.body)
    written = writer.listen(response_id)
    try:
        while True:
            for entry in stored.entries:
                event = events.apply(entry)
                if event["sequence_number"] > starting_after:
                    yield event
            if events.is_terminal:
                return
            if stored.status != "in_progress":
                events.next_number = max(events.next_number, starting_after + 1)
                yield events.apply(_end(stored.status, stored.body["error"]))
                return
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await written.wait()
                written.clear()
                if await response_log.has_news(tenant_id, response_id, events.next_number):
                    break
            read = await response_log.read(tenant_id, response_id, events.next_number)
            if read is None:
                yield events.apply(["failed", "The response was deleted.", "not_found"])
                return
            stored = read
    finally:
        writer.unlisten(response_id, written)


def _end(status: str, error: dict[str, Any] | None) -> Entry:
    """The end of a log whose writer did not write it: cancelled from elsewhere, or killed."""
    if error is None:
        return ["cancelled"] if status == "cancelled" else ["failed", "Its events are no longer kept.", "not_found"]
    return ["failed", error["message"], error["code"]]
