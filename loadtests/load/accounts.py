"""What fronts let in and charged together: beside the limits of each tenant, and beside what the engine wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import aiohttp

from loadtests.load.outcomes import Outcome
from loadtests.load.target import Tenant
from services.core.tenants.plans import Limits

SETTLED_SECONDS = 15.0  # a hang guard: what ended is counted by then
POLL_SECONDS = 0.5


def admitted(limits: Mapping[str, Limits], outcomes: Iterable[Outcome]) -> tuple[float, float] | None:
    """Requests let in ÷ the most, and ÷ the least, that one front would let in: a burst and the rate since then.

    Of the tenants with a rate of requests (generic cell rate algorithm), who ask for more all the time by journeys of one
    request. Fronts let them in at times that are not known: between the intended start of each and its first event. None:
    nobody was let in.
    """
    made = list(outcomes)
    let_in_all, most, least = 0, 0.0, 0.0
    for tenant, limit in limits.items():
        own = [outcome for outcome in made if outcome.order.tenant == tenant]
        spans = [(o.order.at_seconds, o.order.at_seconds + o.first_event_seconds) for o in own if o.first_event_seconds]
        if limit.requests_per_minute is None or not spans:
            continue
        starts, ends = zip(*spans, strict=True)
        burst, per_second = limit.requests_burst or limit.requests_per_minute, limit.requests_per_minute / 60
        let_in_all += len(spans)
        most += burst + per_second * (max(ends) - min(outcome.order.at_seconds for outcome in own))
        least += burst + per_second * max(0.0, max(starts) - min(ends))
    return (round(let_in_all / most, 4), round(let_in_all / least, 4)) if let_in_all else None


async def usage_of_written(
    session: aiohttp.ClientSession, url: str, engine: str, tenants: Iterable[Tenant]
) -> float | None:
    """Output tokens of the usage records ÷ those that the engine wrote, once it writes no more. None: it wrote nothing.

    Of a system that has answered nothing else. What ends without a front's doing is counted a little later: it is
    asked again until the two are the same, for SETTLED_SECONDS at most.
    """
    keys = list(tenants)
    deadline = asyncio.get_running_loop().time() + SETTLED_SECONDS
    while True:
        async with session.get(f"{engine}/tokens") as reply:
            written = (await reply.json())["output_tokens"]
        counted = sum([await _counted(session, url, tenant) for tenant in keys])
        if counted == written or asyncio.get_running_loop().time() > deadline:
            return round(counted / written, 5) if written else None
        await asyncio.sleep(POLL_SECONDS)


async def _counted(session: aiohttp.ClientSession, url: str, tenant: Tenant) -> int:
    """Waits where it is refused for now, as its tenant has a limit."""
    while True:
        async with session.get(f"{url}/usage", headers=tenant.headers) as reply:
            if reply.status == 429:
                await asyncio.sleep(float(reply.headers.get("Retry-After", "1")))
                continue
            reply.raise_for_status()
            return sum(bucket["output_tokens"] for bucket in (await reply.json())["data"])
