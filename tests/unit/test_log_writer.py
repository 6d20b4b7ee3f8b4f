import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.core.answers.log import Batch, Lease
from services.core.errors import ArcusError, Reason
from services.nimbus.answers.log_writer import LogWriter, LostError


class LosingLog:
    """A log in which every response belongs to somebody else by now."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def append(self, batches: list[Batch], *, again: bool = False) -> set[Lease]:
        self.asked.set()
        return {batch.lease for batch in batches}


@pytest.mark.parametrize("is_over", [False, True])
async def test_a_lost_response_is_remembered_only_while_it_is_written(is_over: bool):
    log, lease = LosingLog(), Lease("r", "front", 1)
    writer = LogWriter(log)  # type: ignore[arg-type]
    running = asyncio.create_task(writer.run())
    writer.add(lease, 0, ["a word"], urgent=True)
    if is_over:
        writer.forget(lease)
    await log.asked.wait()
    if is_over:
        writer.add(lease, 1, ["nobody is told that it was lost"])
    else:
        with pytest.raises(LostError):
            writer.add(lease, 1, ["another"])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class SlowLog:
    """A log whose transactions end when they are let go; the first of them may fail."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.kept: list[tuple[int, list[str]]] = []

    async def append(self, batches: list[Batch], *, again: bool = False) -> set[Lease]:
        self.begun.set()
        await self.go.wait()
        if self.failures:
            self.failures -= 1
            raise ArcusError(Reason.STORAGE_UNAVAILABLE)
        self.kept += [(batch.first_number, list(batch.entries)) for batch in batches]
        return set()


@asynccontextmanager
async def written_to(log: SlowLog, *, pauses_seconds: tuple[float, ...] = ()) -> AsyncIterator[LogWriter]:
    writer = LogWriter(log, pauses_seconds=pauses_seconds)  # type: ignore[arg-type]
    running = asyncio.create_task(writer.run())
    yield writer
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_comes_while_a_write_fails_is_not_kept_behind_a_gap():
    log, lease, other = SlowLog(failures=1), Lease("r", "front", 1), Lease("s", "front", 1)
    async with written_to(log) as writer:
        writer.add(lease, 0, ["a"], urgent=True)
        await log.begun.wait()
        writer.add(lease, 1, ["b"], urgent=True)
        waiting = asyncio.create_task(writer.written(lease))
        await asyncio.sleep(0)
        log.go.set()
        with pytest.raises(ArcusError):
            await waiting
        with pytest.raises(LostError):
            writer.add(lease, 2, ["c"])
        writer.add(other, 0, ["another response goes on"], urgent=True)
        await writer.written(other)
    assert log.kept == [(0, ["another response goes on"])]


async def test_who_waits_while_a_write_is_under_way_waits_for_its_end():
    log, lease = SlowLog(failures=0), Lease("r", "front", 1)
    async with written_to(log) as writer:
        writer.add(lease, 0, ["a"], urgent=True)
        await log.begun.wait()
        waiting = asyncio.create_task(writer.written(lease))
        await asyncio.sleep(0)
        assert not waiting.done()
        log.go.set()
        await waiting
    assert log.kept == [(0, ["a"])]


@pytest.mark.parametrize(("failures", "is_kept"), [(2, True), (3, False)])
async def test_a_write_waits_for_a_database_that_is_away_for_a_while(failures: int, is_kept: bool):
    log, lease = SlowLog(failures), Lease("r", "front", 1)
    log.go.set()
    async with written_to(log, pauses_seconds=(0, 0)) as writer:
        writer.add(lease, 0, ["a"], urgent=True)
        if is_kept:
            await writer.written(lease)
        else:
            with pytest.raises(ArcusError):
                await writer.written(lease)
    assert log.kept == ([(0, ["a"])] if is_kept else [])
