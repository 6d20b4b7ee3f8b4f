"""Tells those who follow responses in this front of what other fronts write: one query for all of them."""

from __future__ import annotations

import asyncio

import structlog

from services.core.answers.log import Progress, ResponseLog
from services.core.errors import ArcusError
from services.nimbus.answers.log_writer import LogWriter

POLL_SECONDS = 0.1  # how soon what another front wrote is seen
log = structlog.get_logger(__name__)


async def watch(response_log: ResponseLog, writer: LogWriter) -> None:
    """Until cancelled. Asks nothing while nobody follows; however many do, they ask no more often than one would."""
    known: dict[str, Progress | None] = {}
    while True:
        await writer.is_listened.wait()
        ids = writer.listened
        try:
            found = await response_log.progress(ids)
        except ArcusError as error:
            log.warning("followed_responses_unread", followed=len(ids), reason=error.reason)
            for id in ids:  # each finds out what is wrong, and tells its own client
                writer.tell(id)
        else:
            for id in ids:
                if id not in known or known[id] != found.get(id):
                    writer.tell(id)
            known = {id: found.get(id) for id in ids}
        await asyncio.sleep(POLL_SECONDS)
