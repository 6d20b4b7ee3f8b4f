import asyncio
from collections.abc import Collection
from typing import Any

from ray_jobs import idle_workers
from ray_jobs.idle_workers import IdleWorkers
from services.core.jobs import KINDS


class HeardNotices:
    """Of a process that hears all that others tell."""

    hears_others = True
    tell: Any

    def listen(self, _channel: str, listener: Any) -> None:
        self.tell = listener


class Waiting:
    """Workers that wait, for all kinds but the last, which takes probes alone."""

    def __init__(self, general: int) -> None:
        self.notices = HeardNotices()
        self.idle = IdleWorkers(self.notices)  # type: ignore[arg-type]
        waits: list[Collection[str]] = [KINDS] * general + [["probe"]]
        self.tasks = [asyncio.create_task(self.idle.wait(list(kinds), 0)) for kinds in waits]

    async def woken(self) -> list[int]:
        """Which of them go on, once those that were woken have spread out."""
        await asyncio.wait(self.tasks, timeout=4 * idle_workers.SPREAD_SECONDS)
        return [number for number, task in enumerate(self.tasks) if task.done()]

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_one_job_wakes_one_worker_which_wakes_the_next_where_it_finds_one():
    waiting = Waiting(3)
    await asyncio.sleep(0)
    waiting.notices.tell(["describe"])
    assert await waiting.woken() == [0]
    waiting.idle.wake_one("describe")
    assert await waiting.woken() == [0, 1]
    waiting.idle.wake_one("describe")
    assert await waiting.woken() == [0, 1, 2]
    await waiting.end()


async def test_a_probe_wakes_the_worker_that_takes_nothing_else():
    waiting = Waiting(2)
    await asyncio.sleep(0)
    waiting.notices.tell(["probe"])
    assert await waiting.woken() == [2]
    waiting.notices.tell(["probe"])
    assert await waiting.woken() == [0, 2]
    await waiting.end()


async def test_a_job_that_is_told_between_the_claim_and_the_wait_is_looked_for_at_once():
    notices = HeardNotices()
    idle = IdleWorkers(notices)  # type: ignore[arg-type]
    heard = idle.heard
    notices.tell(["describe"])  # whose claim had found nothing
    async with asyncio.timeout(idle_workers.SLOW_IDLE_SECONDS / 4):
        await idle.wait(list(KINDS), heard)


async def test_a_notice_of_anything_wakes_one_worker_for_each_kind():
    waiting = Waiting(5)
    await asyncio.sleep(0)
    waiting.notices.tell([])
    assert await waiting.woken() == [0, 1, 5]
    await waiting.end()
