"""The batch queue: whoever waits together is answered together, and nobody waits without bound."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator

import pytest

from ray_jobs.batching import BatchQueue
from services.core.errors import ArcusError, Reason


class Doubler:
    """Doubles numbers, one batch at a time, when it is let; fails on a batch that holds zero."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let = threading.Event()
        self.let.set()

    def run(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        assert self.let.wait(30)
        if 0 in numbers:
            raise ArcusError(Reason.INVALID_ARGUMENT, "Zero cannot be doubled.")
        return [2 * number for number in numbers]


@pytest.fixture
async def doubler() -> Doubler:
    return Doubler()


@pytest.fixture
async def queue(doubler: Doubler) -> AsyncIterator[BatchQueue[int, int]]:
    queue: BatchQueue[int, int] = BatchQueue("doubler", doubler.run, max_batch=3, max_waiting=4)
    queue.start()
    yield queue
    doubler.let.set()
    await queue.close()


async def busy(queue: BatchQueue[int, int], doubler: Doubler) -> asyncio.Task[int]:
    """A call that holds the thread until the doubler is let."""
    doubler.let.clear()
    first = asyncio.create_task(queue.put(100))
    async with asyncio.timeout(30):
        while not doubler.batches:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    return first


async def test_what_waits_while_the_thread_is_busy_is_run_together(
    queue: BatchQueue[int, int], doubler: Doubler
) -> None:
    first = await busy(queue, doubler)
    rest = [asyncio.create_task(queue.put(number)) for number in (1, 2, 3, 4)]
    await asyncio.sleep(0)
    doubler.let.set()
    assert await asyncio.gather(first, *rest) == [200, 2, 4, 6, 8]
    assert doubler.batches == [[100], [1, 2, 3], [4]]


async def test_it_counts_what_waits_and_what_its_thread_did(queue: BatchQueue[int, int], doubler: Doubler) -> None:
    first = await busy(queue, doubler)
    rest = [asyncio.create_task(queue.put(number)) for number in (1, 2, 0)]
    await asyncio.sleep(0)
    assert (queue.waiting, queue.passes) == (3, 0)
    doubler.let.set()
    await asyncio.gather(first, *rest, return_exceptions=True)
    assert (queue.waiting, queue.passes, queue.items) == (0, 2, 4)
    assert queue.busy_seconds > 0


async def test_what_is_asked_now_is_answered_only_where_nothing_waits_or_runs(
    queue: BatchQueue[int, int], doubler: Doubler
) -> None:
    assert queue.now([1, 2]) == [2, 4]
    assert (queue.passes, queue.items) == (1, 2)
    with pytest.raises(ArcusError, match="Zero"):
        queue.now([0])
    doubler.batches.clear()
    first = await busy(queue, doubler)
    assert queue.now([3]) is None
    second = asyncio.create_task(queue.put(4))
    await asyncio.sleep(0)
    doubler.let.set()
    assert await asyncio.gather(first, second) == [200, 8]
    assert queue.now([3]) == [6]


async def test_a_full_queue_refuses_at_once(queue: BatchQueue[int, int], doubler: Doubler) -> None:
    first = await busy(queue, doubler)
    rest = [asyncio.create_task(queue.put(number)) for number in (1, 2, 3, 4)]
    await asyncio.sleep(0)
    with pytest.raises(ArcusError) as caught:
        await queue.put(5)
    assert caught.value.reason is Reason.LIMIT_EXCEEDED
    doubler.let.set()
    assert await asyncio.gather(first, *rest) == [200, 2, 4, 6, 8]


async def test_what_is_asked_by_one_call_is_run_by_one_batch(queue: BatchQueue[int, int], doubler: Doubler) -> None:
    first = await busy(queue, doubler)
    one, many = asyncio.create_task(queue.put(1)), asyncio.create_task(queue.put_many([2, 3, 4]))
    await asyncio.sleep(0)
    with pytest.raises(ArcusError) as caught:
        await queue.put(5)
    assert caught.value.reason is Reason.LIMIT_EXCEEDED
    doubler.let.set()
    assert await asyncio.gather(first, one, many) == [200, 2, [4, 6, 8]]
    assert doubler.batches == [[100], [1], [2, 3, 4]]


async def test_a_call_that_has_no_room_for_all_it_asks_is_refused(
    queue: BatchQueue[int, int], doubler: Doubler
) -> None:
    first = await busy(queue, doubler)
    waiting = asyncio.create_task(queue.put_many([1, 2]))
    await asyncio.sleep(0)
    with pytest.raises(ArcusError) as caught:
        await queue.put_many([3, 4, 5])
    assert caught.value.reason is Reason.LIMIT_EXCEEDED
    doubler.let.set()
    assert await asyncio.gather(first, waiting) == [200, [2, 4]]


async def test_a_caller_that_gave_up_is_not_worked_for(queue: BatchQueue[int, int], doubler: Doubler) -> None:
    first = await busy(queue, doubler)
    left, stays = (asyncio.create_task(queue.put(number)) for number in (1, 2))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    doubler.let.set()
    assert await asyncio.gather(first, stays) == [200, 4]
    assert doubler.batches == [[100], [2]]


async def test_a_batch_that_fails_fails_its_callers_and_no_others(queue: BatchQueue[int, int]) -> None:
    with pytest.raises(ArcusError, match="Zero"):
        await queue.put(0)
    assert await queue.put(7) == 14


async def test_a_queue_that_nobody_serves_fails_its_health_check(queue: BatchQueue[int, int]) -> None:
    queue.check()
    await queue.close()
    with pytest.raises(ArcusError):
        queue.check()


async def test_a_queue_at_rest_keeps_nothing_of_what_it_gave():
    class Large:
        pass

    given: list[weakref.ref[Large]] = []

    def make(items: list[int]) -> list[Large]:
        made = [Large() for _ in items]
        given.extend(weakref.ref(one) for one in made)
        return made

    queue = BatchQueue[int, Large]("rest", make, max_batch=4, max_waiting=8)
    queue.start()
    try:
        results = await asyncio.gather(*(queue.put(number) for number in range(6)))
        del results
        await asyncio.sleep(0)
        gc.collect()
        assert len(given) == 6 and not any(one() for one in given)
    finally:
        await queue.close()
