"""How busy the fronts and their database were meanwhile, by the fronts' own metrics."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

EVERY_SECONDS = 1.0
SCRAPE_SECONDS = 5.0
MAX_SAMPLES = 100_000  # more than a day of them

MEMORY = "memory, bytes"
GAUGES = {  # over all fronts together
    "arcus_streams": "open streams",
    "arcus_answers_running": "answers being written",
    "arcus_database_pool_waiting": "waiting for the database",
    "process_resident_memory_bytes": MEMORY,
}
OF_DATABASE = {"arcus_jobs": "jobs, queued and running", "arcus_job_oldest_queued_seconds": "oldest queued job, s"}
RATES = {"process_cpu_seconds_total": "cores used"}
MEANS = {"arcus_event_loop_lag_seconds": "event-loop lag, s", "arcus_engine_request_duration_seconds": "engine call, s"}
UNFINISHED = {"queued", "running"}


@dataclass
class Saturation:
    """`series`: for each measure (seconds from the start, value), in order. `missed`: scrapes that failed."""

    series: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    missed: int = 0

    def summary(self) -> dict[str, dict[str, float]]:
        return {
            name: {
                "mean": round(sum(value for _, value in points) / len(points), 5),
                "most": round(max(value for _, value in points), 5),
            }
            for name, points in self.series.items()
        }


async def watch(session: aiohttp.ClientSession, urls: Sequence[str], into: Saturation) -> None:
    """Until it is cancelled. `urls`: of every front's page of metrics."""
    loop = asyncio.get_running_loop()
    began, before, asked_before = loop.time(), dict[str, float](), 0.0
    for number in range(MAX_SAMPLES):
        await asyncio.sleep(max(0.0, began + number * EVERY_SECONDS - loop.time()))
        asked = loop.time() - began
        try:
            pages = await asyncio.gather(*[_page(session, url) for url in urls])
        except (aiohttp.ClientError, TimeoutError):
            into.missed += 1
            continue
        totals = read(pages)
        for name, value in between(before, totals, asked - asked_before).items():
            into.series[name].append((round(asked, 3), value))
        before, asked_before = totals, asked


async def _page(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url, timeout=aiohttp.ClientTimeout(total=SCRAPE_SECONDS)) as reply:
        reply.raise_for_status()
        return await reply.text()


def read(pages: Sequence[str]) -> dict[str, float]:
    """By sample name, summed over fronts; what each front tells of the one database is taken once."""
    totals: dict[str, float] = defaultdict(float)
    for page in pages:
        of_database: dict[str, float] = defaultdict(float)
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == "arcus_jobs" and sample.labels["state"] not in UNFINISHED:
                    continue
                if sample.name in OF_DATABASE:
                    combine: Any = max if sample.name.endswith("seconds") else sum
                    of_database[sample.name] = combine((of_database[sample.name], sample.value))
                elif sample.name in GAUGES or sample.name in RATES or _of_mean(sample.name):
                    totals[sample.name] += sample.value
        for name, value in of_database.items():
            totals[name] = max(totals[name], value)
    return dict(totals)


def between(before: dict[str, float], now: dict[str, float], seconds: float) -> dict[str, float]:
    """Values by the measures' own names: gauges as they are now, rates and means over the seconds since `before`."""
    values = {told: now[name] for name, told in {**GAUGES, **OF_DATABASE}.items() if name in now}
    if not before:
        return values
    for name, told in RATES.items():
        if name in now and name in before and now[name] >= before[name]:  # less: a front began anew
            values[told] = (now[name] - before[name]) / seconds
    for name, told in MEANS.items():
        count = now.get(f"{name}_count", 0.0) - before.get(f"{name}_count", 0.0)
        if count > 0:
            values[told] = max(0.0, now[f"{name}_sum"] - before.get(f"{name}_sum", 0.0)) / count
    return values


def _of_mean(sample_name: str) -> bool:
    return sample_name.removesuffix("_sum").removesuffix("_count") in MEANS and sample_name not in MEANS
