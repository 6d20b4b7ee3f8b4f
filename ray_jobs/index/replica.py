"""Serves one shard to many callers: one thread owns the index, waiting searches share a pass, the log is followed."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from ray_jobs.batching import BatchQueue
from ray_jobs.index.shard import Hit, Query, Shard
from services.core.embedding_log import LogRow
from services.core.errors import ArcusError, Reason

BATCH_QUERIES = 64
BATCH_ROWS = 2000
FOLLOW_SECONDS = 1.0
RETRY_SECONDS = 0.05

log = structlog.get_logger()


class Log(Protocol):
    async def read(self, shard: int, after_sequence: int, limit: int) -> list[LogRow]: ...


class ShardReplica:
    """`start()` applies the whole log, then follows it; `search` refuses what it cannot answer in time."""

    def __init__(
        self, number: int, rows: Log, shard: Shard, *, max_waiting: int = 512, catch_up_seconds: float = 10.0
    ) -> None:
        self._number = number
        self._rows = rows
        self._shard = shard
        self._catch_up_seconds = catch_up_seconds
        self._queue = BatchQueue(f"index-{number}", self._search, max_batch=BATCH_QUERIES, max_waiting=max_waiting)
        self._applying = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        while await self._apply_next():
            pass
        self._queue.start()
        self._follower = asyncio.create_task(self._follow(), name=f"index-{self._number}-follow")

    async def close(self) -> None:
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        await self._queue.close()

    def check(self) -> None:
        """Raises if a loop has died, so that the replica is replaced."""
        self._queue.check()
        if self._follower is None or self._follower.done():
            raise ArcusError(Reason.INTERNAL, f"Index shard {self._number} no longer follows its log.")

    async def search(self, query: Query, min_sequence: int) -> tuple[list[Hit], int]:
        """(hits, last row applied), the log applied at least up to min_sequence.

        Raises ENGINE_UNAVAILABLE if that takes too long, LIMIT_EXCEEDED if too many searches wait already.
        """
        if self._shard.sequence < min_sequence:
            await self._catch_up(min_sequence)
        return await self._queue.put(query)

    def _search(self, queries: list[Query]) -> list[tuple[list[Hit], int]]:
        sequence = self._shard.sequence
        return [(hits, sequence) for hits in self._shard.search_many(queries)]

    async def _catch_up(self, min_sequence: int) -> None:
        try:
            async with asyncio.timeout(self._catch_up_seconds):
                while self._shard.sequence < min_sequence:
                    if not await self._apply_next():
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            raise ArcusError(
                Reason.ENGINE_UNAVAILABLE,
                f"Index shard {self._number} is at row {self._shard.sequence} and has yet to reach {min_sequence}.",
            ) from None

    async def _apply_next(self) -> bool:
        """Applies the next rows of the log. False if there were none."""
        async with self._applying:
            rows = await self._rows.read(self._number, self._shard.sequence, BATCH_ROWS)
            if rows:
                await self._queue.in_thread(lambda: self._shard.apply(rows))
            return bool(rows)

    async def _follow(self) -> None:
        """Keeps the shard near the end of the log, so that a search seldom has to wait."""
        while True:
            try:
                while await self._apply_next():
                    pass
            except ArcusError as error:
                log.warning("the index log cannot be read", shard=self._number, error=error.message)
            await asyncio.sleep(FOLLOW_SECONDS)
