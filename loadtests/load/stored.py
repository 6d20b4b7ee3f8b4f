"""Whether what is stored fits together, once nobody asks any more."""

from __future__ import annotations

import asyncio
import sys
import time

from services.core.backup.verification import Verification
from services.core.settings import Settings
from services.core.store.database import Database
from services.core.store.objects import Objects

SETTLED_SECONDS = 30.0  # a hang guard: what was under way is over by then
POLL_SECONDS = 1.0
NOW_MS = -60_000  # objects of this very moment are judged too


def unsound_of(settings: Settings) -> int:
    """Findings of `arcus verify`, of new objects too. It is asked again until there are none, for SETTLED_SECONDS at most:
    what is read, made or deleted at its end is stored a little later. Findings that stay are printed.
    """
    deadline = time.monotonic() + SETTLED_SECONDS
    while (found := asyncio.run(_findings(settings))) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for finding in found:
        print(finding, file=sys.stderr)
    return len(found)


async def _findings(settings: Settings) -> list[str]:
    database = Database(settings.database)
    try:
        verification = Verification(database, Objects(settings.objects), settled_ms=NOW_MS)
        return [f"{each.kind}: {each.subject}: {each.detail}" async for each in verification.findings()]
    finally:
        await database.close()
