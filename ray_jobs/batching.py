"""A bounded queue before one thread: whatever waits when the thread is free goes to it as one batch, with no timer."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from time import perf_counter
from typing import Generic, TypeVar

from services.core.errors import ArcusError, Reason

Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")

Asked = tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]


class BatchQueue(Generic[Item, Result]):
    """`run` is called in the thread with 1 to max_batch items and returns a result for each, in order."""

    def __init__(
        self, name: str, run: Callable[[list[Item]], Sequence[Result]], *, max_batch: int, max_waiting: int
    ) -> None:
        self.name = name
        self._run = run
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: deque[Asked[Item, Result]] = deque()
        self._waiting_items = 0
        self._is_asked = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._turn = threading.Lock()  # of who runs: the thread, or the event loop by `now`
        self._loop: asyncio.Task[None] | None = None
        self.passes = self.items = 0  # batches that ended, and what was in them
        self.busy_seconds = 0.0

    def start(self) -> None:
        self._loop = asyncio.create_task(self._serve(), name=self.name)

    @property
    def waiting(self) -> int:
        return self._waiting_items

    def check(self) -> None:
        """Raises if the queue is not being served, so that its replica is replaced."""
        if self._loop is None or self._loop.done():
            raise ArcusError(Reason.INTERNAL, f"The queue {self.name} is not running.")

    async def close(self) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        self._thread.shutdown(wait=True)

    async def put(self, item: Item) -> Result:
        """The result of the item. Raises LIMIT_EXCEEDED at once when the queue is full."""
        (result,) = await self.put_many([item])
        return result

    async def put_many(self, items: Sequence[Item]) -> Sequence[Result]:
        """The result of each item, 1 to max_batch, of one batch. Raises LIMIT_EXCEEDED at once when they have no room."""
        if self._waiting_items + len(items) > self._max_waiting:
            raise ArcusError(
                Reason.LIMIT_EXCEEDED, f"Too many requests are waiting for {self.name}; try again shortly."
            )
        answer: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, answer))
        self._waiting_items += len(items)
        self._is_asked.set()
        return await answer

    def now(self, items: list[Item]) -> Sequence[Result] | None:
        """The results at once, in the event loop's thread, for what takes no longer than a turn of the other; 1 to max_batch
        items. None where anything waits or runs.
        """
        if self._waiting or not self._turn.acquire(blocking=False):
            return None
        try:
            return self._pass(items)
        finally:
            self._turn.release()

    async def in_thread(self, call: Callable[[], Value]) -> Value:
        """Runs another call in the same thread, between batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_turn, call)

    def _in_turn(self, call: Callable[[], Value]) -> Value:
        with self._turn:
            return call()

    async def _serve(self) -> None:
        while True:
            await self._is_asked.wait()
            batch = [self._next()]
            room = self._max_batch - len(batch[0][0])
            while self._waiting and len(self._waiting[0][0]) <= room:
                batch.append(self._next())
                room -= len(batch[-1][0])
            if not self._waiting:
                self._is_asked.clear()
            await self._answer(batch)
            del batch  # while nothing waits, no result is kept

    def _next(self) -> Asked[Item, Result]:
        asked = self._waiting.popleft()
        self._waiting_items -= len(asked[0])
        return asked

    async def _answer(self, batch: list[Asked[Item, Result]]) -> None:
        batch = [(items, answer) for items, answer in batch if not answer.done()]  # less those who gave up
        if not batch:
            return
        together = [item for items, _ in batch for item in items]
        try:
            results = await self.in_thread(lambda: self._pass(together))
            answered = iter([result for _, result in zip(together, results, strict=True)])
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for items, answer in batch:
            own = list(islice(answered, len(items)))
            if not answer.done():
                answer.set_result(own)

    def _pass(self, items: list[Item]) -> Sequence[Result]:
        started = perf_counter()
        try:
            return self._run(items)
        finally:
            self.passes += 1
            self.items += len(items)
            self.busy_seconds += perf_counter() - started
