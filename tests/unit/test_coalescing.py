import asyncio

import pytest

from services.core.coalescing import Coalescer


class Doubler:
    """Doubles numbers once it is let go; a batch that holds 13 fails."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        await self.go.wait()
        if 13 in numbers:
            raise ValueError("unlucky")
        return [2 * number for number in numbers]


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_alone_is_called_for_at_once_and_the_rest_share():
    call = Doubler()
    coalescer = Coalescer("double", call, max_items=3)
    tasks = []
    for number in range(8):
        tasks.append(asyncio.create_task(coalescer.put(number)))
        await settled()
    assert call.batches == [[0], [1]]
    call.go.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert call.batches == [[0], [1], [2, 3, 4], [5, 6, 7]]
    assert await coalescer.put(50) == 100


async def test_a_failure_is_that_of_its_batch_only():
    call = Doubler()
    coalescer = Coalescer("double", call, max_items=2, max_calls=1)
    tasks = [asyncio.create_task(coalescer.put(number)) for number in (1, 12, 13, 14, 15)]
    call.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result if isinstance(result, int) else str(result) for result in results] == [
        2,
        24,
        "unlucky",
        "unlucky",
        30,
    ]


async def test_who_gives_up_is_not_called_for():
    call = Doubler()
    coalescer = Coalescer("double", call, max_items=8, max_calls=1)
    tasks = [asyncio.create_task(coalescer.put(number)) for number in (1, 2, 3)]
    await settled()
    late = asyncio.create_task(coalescer.put(4))
    await settled()
    late.cancel()
    tasks[0].cancel()
    call.go.set()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert await asyncio.gather(*tasks[1:]) == [4, 6]
    assert call.batches == [[1, 2, 3]] and await coalescer.put(5) == 10


@pytest.mark.parametrize("given_up", [False, True])
async def test_who_comes_just_as_the_last_call_ends_is_called_for(given_up: bool):
    async def at_once(numbers: list[int]) -> list[int]:
        await asyncio.sleep(60 if numbers == [1] and given_up else 0)
        return numbers

    for ticks in range(12):  # of the loop, of which one falls between the end of the call and that of its task
        coalescer = Coalescer("same", at_once, max_items=8, max_calls=1)
        first = asyncio.create_task(coalescer.put(1))
        if given_up:
            await settled()
            first.cancel()
        for _ in range(ticks):
            await asyncio.sleep(0)
        assert await asyncio.wait_for(coalescer.put(2), 5) == 2


async def test_those_who_give_up_together_leave_no_cancelling_to_the_next_call():
    call = Doubler()
    coalescer = Coalescer("double", call, max_items=2, max_calls=1)
    shared = asyncio.gather(coalescer.put(1), coalescer.put(2))
    await settled()
    late = asyncio.create_task(coalescer.put(3))
    await settled()
    shared.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shared
    await settled()
    (caller,) = coalescer._callers
    assert call.batches == [[1, 2], [3]] and caller.cancelling() == 0
    call.go.set()
    assert await late == 6


async def test_a_call_that_nobody_waits_for_is_cancelled_and_the_next_are_made():
    call = Doubler()
    coalescer = Coalescer("double", call, max_items=2, max_calls=1)
    tasks = [asyncio.create_task(coalescer.put(number)) for number in (1, 2, 3)]
    await settled()
    for task in tasks[:2]:
        task.cancel()
        await settled()
    assert call.batches == [[1, 2], [3]]
    call.go.set()
    assert await tasks[2] == 6 and await coalescer.put(4) == 8


async def test_too_few_results_leave_nobody_waiting():
    async def short(numbers: list[int]) -> list[int]:
        return numbers[1:]

    with pytest.raises(ValueError):
        await Coalescer("short", short, max_items=8).put(1)
