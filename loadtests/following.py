"""Followers of responses that another process writes: what they ask of the database, and how soon they see an event.

python -m loadtests.following URL SECONDS TENANT ID... is that process.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.core.answers.log import Batch, Lease, ResponseLog
from services.core.answers.responses import Responses
from services.core.store.database import Database
from services.nimbus.answers.feeds import Feeds
from services.nimbus.answers.following import follow
from tests.contract.store_steps import watched
from tests.waiting import async_until

OWNER = "writer"
STEPS = 20  # of a second: in each, a twentieth of the responses has an event

TOLD_SECONDS = 0.5  # that the last notices have to go out


@dataclass
class Sights:
    delays: list[float] = field(default_factory=list)  # seconds from before its transaction to its follower
    events: int = 0


async def write(url: str, seconds: int, ids: Sequence[str]) -> None:
    """One event a second of each response, with the time in it; then their ends."""
    database = Database(url)
    log = ResponseLog(database)
    telling = asyncio.create_task(database.notices.run())
    started = time.monotonic()
    for step in range(seconds * STEPS):
        await asyncio.sleep(max(0.0, started + step / STEPS - time.monotonic()))
        now = repr(time.time())
        await log.append([Batch(_lease(id), step // STEPS, [now]) for id in ids[step % STEPS :: STEPS]])
    for id in ids:
        body: dict[str, Any] = {"id": id, "status": "cancelled", "error": None}
        await log.append([Batch(_lease(id), seconds, [["cancelled"]], body=body)])
    await asyncio.sleep(TOLD_SECONDS)
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    await database.close()


async def measure(url: str, tenant_id: str, *, responses: int, followers: int, seconds: int) -> tuple[Sights, float]:
    """(what was seen, statements a second). Fails where an event was lost or came twice."""
    database = Database(url)
    log = ResponseLog(database)
    feeds = Feeds(log, database.notices)
    loops = [asyncio.create_task(feeds.run()), asyncio.create_task(database.notices.run())]
    ids = [f"response-{number}" for number in range(responses)]
    for id in ids:
        body: dict[str, Any] = {"id": id, "status": "in_progress", "model": "m", "instructions": None, "output": []}
        await Responses(database).create(tenant_id, body, {"input": ""}, _lease(id), background=True)
    sights = Sights()
    following = [
        asyncio.create_task(_see(log, feeds, tenant_id, ids[number % responses], seconds, sights))
        for number in range(followers)
    ]
    await async_until(lambda: feeds.followers == followers, "all follow")
    with watched(database) as statements:
        started = time.monotonic()
        command = [sys.executable, "-m", "loadtests.following", url, str(seconds), *ids]
        writer = await asyncio.create_subprocess_exec(*command)
        await asyncio.gather(*following)
        rate = len(statements) / (time.monotonic() - started)
    assert await writer.wait() == 0, "the writer failed"
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await database.close()
    return sights, rate


async def _see(log: ResponseLog, feeds: Feeds, tenant_id: str, id: str, seconds: int, sights: Sights) -> None:
    stored = await log.read(tenant_id, id)
    assert stored is not None
    numbers = []
    async for together in follow(log, feeds, id, stored, -1):
        numbers += [event["sequence_number"] for event in together]
        sights.delays += [time.time() - float(event["delta"]) for event in together if "delta" in event]
    assert numbers == list(range(seconds + 1)), f"{id}: events were lost or repeated: {numbers}"
    sights.events += len(numbers)


def _lease(id: str) -> Lease:
    return Lease(id, OWNER, 1)


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
