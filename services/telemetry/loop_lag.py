"""How late the event loop is: what else waits for it waits as long."""

from __future__ import annotations

import asyncio

from services.telemetry.metrics import Metrics

PAUSE_SECONDS = 0.25


async def measure_loop_lag(metrics: Metrics) -> None:
    """Until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PAUSE_SECONDS
        await asyncio.sleep(PAUSE_SECONDS)
        metrics.loop_lag.observe(max(0.0, loop.time() - due))
