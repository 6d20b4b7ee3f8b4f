"""A bounded queue before one thread: whatever waits when the thread is free goes to it as one batch, with no timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from services.core.errors import ArcusError, Reason

Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")


class BatchQueue(Generic[Item, Result]):
    """`run` is called in the thread with 1 to max_batch items and returns a result for each, in order."""

    def __init__(
        self, name: str, run: Callable[[list[Item]], Sequence[Result]], *, max_batch: int, max_waiting: int
    ) -> None:
        self._name = name
        self._run = run
        self._max_batch = max_batch
        self._waiting: asyncio.Queue[tuple[Item, asyncio.Future[Result]]] = asyncio.Queue(max_waiting)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._serve(), name=self._name)

    def check(self) -> None:
        """Raises if the queue is not being served, so that its replica is replaced."""
        if self._loop is None or self._loop.done():
            raise ArcusError(Reason.INTERNAL, f"The queue {self._name} is not running.")

    async def close(self) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        self._thread.shutdown(wait=True)

    async def put(self, item: Item) -> Result:
        """The result of the item. Raises LIMIT_EXCEEDED at once when the queue is full."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((item, answer))
        except asyncio.QueueFull:
            raise ArcusError(
                Reason.LIMIT_EXCEEDED, f"Too many requests are waiting for {self._name}; try again shortly."
            ) from None
        return await answer

    async def in_thread(self, call: Callable[[], Value]) -> Value:
        """Runs another call in the same thread, between batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _serve(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < self._max_batch and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._answer(batch)
            del batch  # while nothing waits, no result is kept

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        batch = [(item, answer) for item, answer in batch if not answer.done()]  # less those who gave up
        if not batch:
            return
        items = [item for item, _ in batch]
        try:
            results = await self.in_thread(lambda: self._run(items))
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), result in zip(batch, results, strict=True):
            if not answer.done():
                answer.set_result(result)
