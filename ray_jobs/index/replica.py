"""Serves one shard to many callers: one thread owns the index, waiting searches share a pass, the log is followed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from ray_jobs.batching import BatchQueue
from ray_jobs.index.shard import Hit, Query, Shard
from ray_jobs.index.snapshot import Capture, UnreadableError, restore
from services.core.errors import ArcusError, Reason
from services.core.index.embedding_log import LogRow, TrimmedError
from services.core.index.snapshots import Snapshots

BATCH_QUERIES = 64
BATCH_ROWS = 2000
QUICK_VECTORS = 8_000  # that are scored in the event loop: 0.4 ms, of which a turn of the thread would take half
FOLLOW_SECONDS = 1.0
RETRY_SECONDS = 0.05

log = structlog.get_logger()


class Log(Protocol):
    async def read(self, shard: int, after_sequence: int, limit: int, *, trimmed_at_start: int = 0) -> list[LogRow]: ...

    async def trimmed_sequence(self, shard: int) -> int: ...

    async def last_sequence(self, shard: int) -> int: ...


@dataclass(frozen=True)
class Answer:
    """sequence: the last row applied; moved_sequence: the last row by which a file left for another shard."""

    hits: Sequence[Hit]
    sequence: int
    moved_sequence: int


class ShardReplica:
    """`start()` applies the whole log, then follows it; `search` refuses what it cannot answer in time.

    With snapshots, it starts from the newest, and one replica of the shard writes another every `snapshot_rows` rows.
    """

    def __init__(
        self,
        number: int,
        rows: Log,
        shard: Shard,
        *,
        snapshots: Snapshots | None = None,
        snapshot_rows: int = 0,
        snapshot_pause_seconds: float = 60.0,
        max_waiting: int = 512,
        catch_up_seconds: float = 10.0,
    ) -> None:
        self.number = number
        self._rows = rows
        self._shard = shard
        self._snapshots = snapshots
        self._snapshot_rows = snapshot_rows
        self._snapshot_pause_seconds = snapshot_pause_seconds  # before a snapshot that was not written is tried again
        self._written_sequence = 0  # of the last snapshot that was written here
        self._next_snapshot_at = 0.0
        self._trimmed_at_start = 0
        self._catch_up_seconds = catch_up_seconds
        self._caught_up_at = time.monotonic()
        self.queue = BatchQueue(f"index-{number}", self._search, max_batch=BATCH_QUERIES, max_waiting=max_waiting)
        self._applying, self._keeping_up = asyncio.Lock(), asyncio.Lock()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        async with self._applying:
            await self._load()
        while await self._apply_next():
            pass
        self.queue.start()
        for loop in (self._follow, self._keep_up):
            self._loops.append(asyncio.create_task(loop(), name=f"index-{self.number}{loop.__name__}"))

    async def close(self) -> None:
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.queue.close()

    def check(self) -> None:
        """Raises if a loop has died, so that the replica is replaced."""
        self.queue.check()
        if not self._loops or any(loop.done() for loop in self._loops):
            raise ArcusError(Reason.INTERNAL, f"Index shard {self.number} no longer follows its log.")

    @property
    def held(self) -> Shard:
        """The shard as it is now, for counting; its thread may be changing it."""
        return self._shard

    @property
    def lag_seconds(self) -> float:
        """How long ago it last had applied all that was in the log."""
        return time.monotonic() - self._caught_up_at

    async def lag_rows(self) -> int:
        """Rows of the log that it has yet to apply."""
        return max(0, await self._rows.last_sequence(self.number) - self._shard.sequence)

    async def search(self, query: Query, min_sequence: int) -> Answer:
        """The hits, with the log applied at least up to min_sequence.

        Raises ENGINE_UNAVAILABLE if that takes too long, LIMIT_EXCEEDED if too many searches wait already.
        """
        (answer,) = await self.search_many([query], min_sequence)
        return answer

    async def search_many(self, queries: Sequence[Query], min_sequence: int) -> Sequence[Answer]:
        """The same of several queries, 1 to BATCH_QUERIES, by one pass."""
        if self._shard.sequence < min_sequence:
            await self._catch_up(min_sequence)
        answers = self.search_now(queries, min_sequence)
        return await self.queue.put_many(queries) if answers is None else answers

    def search_now(self, queries: Sequence[Query], min_sequence: int) -> Sequence[Answer] | None:
        """The same at once, in the event loop. None where it has to wait, or would take long enough to make others wait."""
        if self._shard.sequence < min_sequence or self._shard.vectors_to_look_at(queries) > QUICK_VECTORS:
            return None
        return self.queue.now(list(queries))

    async def upkeep(self) -> None:
        """Compacts and makes lists where that is due. Searches go on between short steps."""
        async with self._keeping_up:
            steps = self._shard.upkeep()
            sent: Any = None
            while True:
                call = await self.queue.in_thread(lambda sent=sent: _step(steps, sent))  # type: ignore[misc]
                if call is _DONE:
                    return
                sent = await asyncio.to_thread(call) if call is not None else None

    async def write_snapshot(self) -> int:
        """Stores the shard as it is now; returns the last row in it. Searches and changes go on meanwhile."""
        if self._snapshots is None:
            raise ArcusError(Reason.INTERNAL, "This replica has no place for snapshots.")
        capture: Capture = await self.queue.in_thread(lambda: Capture.of(self._shard))
        await self._snapshots.write(self.number, capture.sequence, capture.chunks(self.queue.in_thread))
        return capture.sequence

    def _search(self, queries: list[Query]) -> list[Answer]:
        shard = self._shard
        return [Answer(hits, shard.sequence, shard.moved_sequence) for hits in shard.search_many(queries)]

    async def _catch_up(self, min_sequence: int) -> None:
        try:
            async with asyncio.timeout(self._catch_up_seconds):
                while self._shard.sequence < min_sequence:
                    if not await self._apply_next(min_sequence):
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            raise ArcusError(
                Reason.ENGINE_UNAVAILABLE,
                f"Index shard {self.number} is at row {self._shard.sequence} and has yet to reach {min_sequence}.",
            ) from None

    async def _apply_next(self, min_sequence: int | None = None) -> bool:
        """Applies the next rows of the log, unless whoever had the lock reached min_sequence. False if there were none."""
        async with self._applying:
            if min_sequence is not None and self._shard.sequence >= min_sequence:
                return True
            asked_at = time.monotonic()
            try:
                rows = await self._rows.read(
                    self.number, self._shard.sequence, BATCH_ROWS, trimmed_at_start=self._trimmed_at_start
                )
            except TrimmedError:
                await self._load()
                return True
            if rows:
                await self.queue.in_thread(lambda: self._shard.apply(rows))
            if len(rows) < BATCH_ROWS:
                self._caught_up_at = asked_at
            return bool(rows)

    async def _load(self) -> None:
        """Begins with the newest snapshot that can be read, or with nothing; the log follows. The old shard serves till then."""
        fresh = await self._restored()
        if fresh is None:
            fresh = self._shard.emptied()
            # What is not in the log any more was gone before this shard began: it need not see that go.
            self._trimmed_at_start = fresh.moved_sequence = await self._rows.trimmed_sequence(self.number)
        else:
            self._trimmed_at_start = 0
        while fresh.sequence < self._shard.sequence:  # never shows less than was shown before
            rows = await self._rows.read(
                self.number, fresh.sequence, BATCH_ROWS, trimmed_at_start=self._trimmed_at_start
            )
            if not rows:
                break
            await self.queue.in_thread(lambda rows=rows: fresh.apply(rows))  # type: ignore[misc]
        self._shard = fresh

    async def _restored(self) -> Shard | None:
        for snapshot in await self._snapshots.newest(self.number) if self._snapshots else ():
            fresh = self._shard.emptied()
            try:
                async with self._snapshots.opened(snapshot) as path:  # type: ignore[union-attr]
                    await self.queue.in_thread(
                        lambda fresh=fresh, path=path, sha256=snapshot.sha256: restore(fresh, path, sha256)  # type: ignore[misc]
                    )
            except (UnreadableError, ArcusError) as error:
                log.warning("a snapshot cannot be read", shard=self.number, key=snapshot.object_key, error=str(error))
                continue
            log.info("started from a snapshot", shard=self.number, sequence=fresh.sequence)
            return fresh
        return None

    async def _follow(self) -> None:
        """Keeps the shard near the end of the log, so that a search seldom has to wait."""
        while True:
            try:
                while await self._apply_next():
                    pass
            except (ArcusError, TrimmedError) as error:
                log.warning("the index log cannot be read", shard=self.number, error=str(error))
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            await self.upkeep()
            try:
                await self._snapshot_if_due()
            except ArcusError as error:
                log.warning("a snapshot cannot be written", shard=self.number, error=error.message)

    async def _snapshot_if_due(self) -> None:
        sequence, now = self._shard.sequence, time.monotonic()
        if not self._snapshots or not self._snapshot_rows or now < self._next_snapshot_at:
            return
        if sequence - self._written_sequence < self._snapshot_rows:
            return
        self._next_snapshot_at = now + self._snapshot_pause_seconds
        if await self._snapshots.claim(self.number, sequence, self._snapshot_rows):
            self._written_sequence = await self.write_snapshot()
            log.info("a snapshot was written", shard=self.number, sequence=self._written_sequence)


_DONE = object()


def _step(steps: Any, sent: Any) -> Any:
    try:
        return steps.send(sent)
    except StopIteration:
        return _DONE
