"""A long queue of many tenants' jobs, and workers that claim from it: python -m loadtests.load.backlog DATABASE_URL PER_SECOND

Claims at a steady beat, ends each job at once, and prints JSON when its standard input ends: `Claims` of this worker.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any

from loadtests.load.claims import Claims
from loadtests.load.scenario import Backlog
from loadtests.scale import add_tenants, analyse, fill
from loadtests.scale.claims import queued_job
from services.cli.instance import ROOT
from services.core.jobs import Jobs
from services.core.store.database import Database
from services.core.store.job_schema import jobs

LEASE_SECONDS = 60.0
STOP_SECONDS = 60  # a hang guard


async def queue_up(database_url: str, backlog: Backlog) -> None:
    database = Database(database_url)
    try:
        owners = await add_tenants(database, backlog.tenants)
        await fill(database, jobs, [queued_job(owners[number % len(owners)]) for number in range(backlog.jobs)])
        await analyse(database)
    finally:
        await database.close()


class Workers:
    """Processes that claim from now on. They end with the stack, if not before."""

    def __init__(self, stack: ExitStack, database_url: str, backlog: Backlog) -> None:
        command = [sys.executable, "-m", "loadtests.load.backlog", database_url, str(backlog.claims_per_second)]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
            for _ in range(backlog.workers)
        ]
        for process in self._processes:
            stack.callback(process.wait)
            stack.callback(process.kill)

    def end(self) -> Claims:
        """What all of them claimed."""
        told: list[dict[str, Any]] = [
            json.loads(process.communicate(timeout=STOP_SECONDS)[0]) for process in self._processes
        ]
        return Claims(
            *([item for each in told for item in each[name]] for name in ("seconds", "job_ids", "tenant_ids"))
        )


async def claim(database: Database, per_second: float, ended: asyncio.Event, owner: str) -> Claims:
    queue, claims, loop = Jobs(database, lease_seconds=LEASE_SECONDS), Claims([], [], []), asyncio.get_running_loop()
    began = loop.time()
    while not ended.is_set():
        started = time.perf_counter()
        job = await queue.claim(owner)
        if job is None:
            break
        claims.seconds.append(time.perf_counter() - started)
        claims.job_ids.append(job.id)
        claims.tenant_ids.append(job.tenant_id)
        await queue.finish(job, owner)
        wait = began + len(claims.seconds) / per_second - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
    return claims


async def work(database_url: str, per_second: float, owner: str) -> Claims:
    ended, database = asyncio.Event(), Database(database_url)
    reader = asyncio.create_task(asyncio.to_thread(sys.stdin.read), name="until told to end")
    reader.add_done_callback(lambda _: ended.set())
    try:
        return await claim(database, per_second, ended, owner)
    finally:
        await database.close()


if __name__ == "__main__":
    url, rate = sys.argv[1], float(sys.argv[2])
    found = asyncio.run(work(url, rate, f"worker {time.monotonic_ns()}"))
    print(json.dumps({"seconds": found.seconds, "job_ids": found.job_ids, "tenant_ids": found.tenant_ids}))
