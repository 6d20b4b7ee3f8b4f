"""Calls that come while others are under way share the next one: a busy caller pays for one round trip, not for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Coalescer(Generic[Item, Result]):
    """`call` gets 1 to max_items items and returns a result for each, in order; at most max_calls of it are under way.

    Whoever comes alone is called for at once. A failure is that of everyone who shared the call. A call that nobody waits
    for any more is cancelled.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[list[Item]], Awaitable[Sequence[Result]]],
        *,
        max_items: int,
        max_calls: int = 2,
    ) -> None:
        self._name = name
        self._call = call
        self._max_items = max_items
        self._max_calls = max_calls
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._callers: set[asyncio.Task[None]] = set()
        self._under_way: dict[asyncio.Task[None], list[asyncio.Future[Result]]] = {}

    async def put(self, item: Item) -> Result:
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if len(self._callers) < self._max_calls:
            # A context of its own: what it does is for many requests, of several tenants.
            self._callers.add(asyncio.create_task(self._serve(), name=self._name, context=Context()))
        try:
            return await answer
        except asyncio.CancelledError:
            for caller, answers in self._under_way.items():
                if answer in answers and all(other.done() for other in answers) and not caller.cancelling():
                    caller.cancel()
            raise

    async def _serve(self) -> None:
        """Calls until nobody waits."""
        caller = asyncio.current_task()
        assert caller is not None
        try:
            await self._call_while_any_waits(caller)
        finally:  # in the same step as the last look at who waits: whoever comes after it starts another
            self._callers.discard(caller)

    async def _call_while_any_waits(self, caller: asyncio.Task[None]) -> None:
        while self._waiting:
            batch = self._waiting[: self._max_items]
            del self._waiting[: self._max_items]
            batch = [(item, answer) for item, answer in batch if not answer.done()]  # less those who gave up
            if not batch:
                continue
            self._under_way[caller] = [answer for _, answer in batch]
            try:
                results = await self._call([item for item, _ in batch])
                answered = list(zip(batch, results, strict=True))
            except BaseException as error:
                if caller.cancelling() and all(answer.done() for _, answer in batch):
                    caller.uncancel()
                    continue
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error) if isinstance(error, Exception) else answer.cancel()
                if not isinstance(error, Exception):
                    raise
                continue
            finally:
                del self._under_way[caller]
            for (_, answer), result in answered:
                if not answer.done():
                    answer.set_result(result)
