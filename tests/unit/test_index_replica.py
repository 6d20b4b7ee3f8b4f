"""A replica sees what it must before it answers, says so when it cannot, and bounds who waits."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

from ray_jobs.index.replica import QUICK_VECTORS, ShardReplica
from ray_jobs.index.shard import Query, Shard
from services.core.errors import ArcusError, Reason
from services.core.index.embedding_log import LogRow, TrimmedError
from tests.waiting import async_until

VECTOR = np.array([1, 0, 0, 0], "<f4")
QUERY = Query("t", ("c",), VECTOR, 1000)


class ListLog:
    """A log in memory that can be told to be away. `reads`: those that found rows; a replica also looks by itself."""

    def __init__(self) -> None:
        self.rows: list[LogRow] = []
        self.is_away = False
        self.reads = 0

    def add(self, count: int) -> None:
        for _ in range(count):
            number = len(self.rows) + 1
            self.rows.append(LogRow(number, "add", "t", "c", "f", "s", number, VECTOR.tobytes()))

    async def trimmed_sequence(self, shard: int) -> int:
        return 0

    async def last_sequence(self, shard: int) -> int:
        return len(self.rows)

    async def read(self, shard: int, after_sequence: int, limit: int, *, trimmed_at_start: int = 0) -> list[LogRow]:
        if self.is_away:
            raise ArcusError(Reason.STORAGE_UNAVAILABLE)
        rows = self.rows[after_sequence : after_sequence + limit]
        self.reads += bool(rows)
        return rows


class HeldShard(Shard):
    """A shard whose searches wait until they are let go."""

    def __init__(self) -> None:
        super().__init__(4)
        self.go = threading.Event()
        self.is_searched = threading.Event()
        self.batches: list[int] = []

    def emptied(self) -> Shard:
        return self

    def vectors_to_look_at(self, queries):  # type: ignore[no-untyped-def]
        return math.inf  # else its searches would hold the event loop

    def search_many(self, queries):  # type: ignore[no-untyped-def]
        self.is_searched.set()
        self.go.wait(20)
        self.batches.append(len(queries))
        return super().search_many(queries)


@pytest.fixture
async def log() -> ListLog:
    log = ListLog()
    log.add(10)
    return log


@pytest.fixture
async def replica(log: ListLog) -> AsyncIterator[ShardReplica]:
    replica = ShardReplica(0, log, Shard(4))
    await replica.start()
    yield replica
    await replica.close()


async def test_a_started_replica_holds_the_whole_log(replica: ShardReplica) -> None:
    answer = await replica.search(QUERY, 0)
    assert len(answer.hits) == answer.sequence == 10


async def test_a_search_catches_up_with_the_row_it_names(replica: ShardReplica, log: ListLog) -> None:
    log.add(5000)
    answer = await replica.search(QUERY, 5010)
    assert answer.sequence >= 5010
    assert len(answer.hits) == 1000


async def test_a_replica_tells_how_far_it_is_behind_its_log(log: ListLog) -> None:
    replica = ShardReplica(0, log, Shard(4))
    assert await replica.lag_rows() == 10
    before = replica.lag_seconds
    await replica.start()
    assert await replica.lag_rows() == 0
    log.is_away = True
    log.add(5)
    with pytest.raises(ArcusError):
        await replica.search(QUERY, 15)
    assert await replica.lag_rows() == 5
    assert replica.lag_seconds > 0 and before >= 0
    await replica.close()


async def test_many_searches_catch_up_at_once_and_apply_each_row_once(replica: ShardReplica, log: ListLog) -> None:
    log.add(100)
    log.reads = 0
    answers = await asyncio.gather(*(replica.search(QUERY, 110) for _ in range(50)))
    assert {len(answer.hits) for answer in answers} == {110}
    assert log.reads == 1


async def test_a_row_that_does_not_come_in_time_makes_the_shard_unavailable(log: ListLog) -> None:
    replica = ShardReplica(0, log, Shard(4), catch_up_seconds=0.3)
    await replica.start()
    try:
        with pytest.raises(ArcusError) as raised:
            await replica.search(QUERY, 11)
        assert raised.value.reason is Reason.ENGINE_UNAVAILABLE
    finally:
        await replica.close()


async def test_a_replica_outlives_a_log_that_is_away(replica: ShardReplica, log: ListLog) -> None:
    log.is_away = True
    with pytest.raises(ArcusError) as raised:
        await replica.search(QUERY, 11)
    assert raised.value.reason is Reason.STORAGE_UNAVAILABLE
    assert len((await replica.search(QUERY, 10)).hits) == 10
    log.is_away = False
    log.add(1)
    assert len((await replica.search(QUERY, 11)).hits) == 11
    replica.check()


async def test_searches_that_wait_share_a_pass_and_more_than_may_wait_are_refused(log: ListLog) -> None:
    shard = HeldShard()
    replica = ShardReplica(0, log, shard, max_waiting=8)
    await replica.start()
    try:
        first = asyncio.create_task(replica.search(QUERY, 0))
        await async_until(shard.is_searched.is_set, "the first search occupies the thread")
        waiting = [asyncio.create_task(replica.search(QUERY, 0)) for _ in range(8)]
        await asyncio.sleep(0)
        with pytest.raises(ArcusError) as raised:
            await replica.search(QUERY, 0)
        assert raised.value.reason is Reason.LIMIT_EXCEEDED
        shard.go.set()
        answers = await asyncio.gather(first, *waiting)
        assert {len(answer.hits) for answer in answers} == {10}
        assert shard.batches == [1, 8]
    finally:
        shard.go.set()
        await replica.close()


async def test_searches_of_one_call_are_one_pass_and_see_the_row_it_names(log: ListLog) -> None:
    shard = HeldShard()
    shard.go.set()
    replica = ShardReplica(0, log, shard)
    await replica.start()
    try:
        log.add(5)
        queries = [Query("t", ("c",), VECTOR, limit) for limit in (1, 2, 3)]
        answers = await replica.search_many(queries, 15)
        assert [len(answer.hits) for answer in answers] == [1, 2, 3] and {answer.sequence for answer in answers} == {15}
        assert shard.batches == [3]
    finally:
        await replica.close()


class NotedShard(Shard):
    """Keeps which thread searched."""

    def __init__(self) -> None:
        super().__init__(4)
        self.threads: list[str] = []

    def emptied(self) -> Shard:
        return self

    def search_many(self, queries):  # type: ignore[no-untyped-def]
        self.threads.append(threading.current_thread().name)
        return super().search_many(queries)


async def test_a_search_of_few_vectors_has_no_turn_of_the_thread_and_one_of_many_has(log: ListLog) -> None:
    shard = NotedShard()
    replica = ShardReplica(0, log, shard)
    await replica.start()
    try:
        here = threading.current_thread().name
        assert len((await replica.search(QUERY, 10)).hits) == 10
        assert shard.threads == [here]
        log.add(QUICK_VECTORS)
        assert len((await replica.search(QUERY, 10 + QUICK_VECTORS)).hits) == 1000
        narrowed = QUERY._replace(collection_ids=("other",), file_ids=("f",))
        await replica.search(QUERY._replace(collection_ids=("none",)), 0)
        assert shard.threads[1:] == ["index-0_0", here]
        assert replica.search_now([narrowed], 0) is not None, "it looks at nothing"
        assert replica.search_now([QUERY._replace(file_ids=("f",))], 0) is None
        assert replica.search_now([QUERY._replace(collection_ids=("none",))], 1_000_000) is None
    finally:
        await replica.close()


async def test_a_search_of_few_vectors_waits_for_whoever_changes_them(replica: ShardReplica) -> None:
    go, begun = threading.Event(), threading.Event()

    def change() -> None:
        begun.set()
        go.wait(20)

    changing = asyncio.create_task(replica.queue.in_thread(change))
    await async_until(begun.is_set, "the thread is at work")
    assert replica.search_now([QUERY], 0) is None
    search = asyncio.create_task(replica.search(QUERY, 0))
    await asyncio.sleep(0)
    assert not search.done()
    go.set()
    await changing
    assert len((await search).hits) == 10


async def test_a_search_that_was_given_up_is_not_run(log: ListLog) -> None:
    shard = HeldShard()
    replica = ShardReplica(0, log, shard)
    await replica.start()
    try:
        first = asyncio.create_task(replica.search(QUERY, 0))
        await async_until(shard.is_searched.is_set, "the first search occupies the thread")
        given_up = asyncio.create_task(replica.search(QUERY, 0))
        kept = asyncio.create_task(replica.search(QUERY, 0))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
        shard.go.set()
        await asyncio.gather(first, kept)
        assert shard.batches == [1, 1]
    finally:
        shard.go.set()
        await replica.close()


class TrimmedLog(ListLog):
    """A log whose removals up to a row are gone."""

    trimmed = 0

    async def trimmed_sequence(self, shard: int) -> int:
        return self.trimmed

    async def read(self, shard: int, after_sequence: int, limit: int, *, trimmed_at_start: int = 0) -> list[LogRow]:
        rows = [row for row in self.rows if row.sequence > after_sequence][:limit]
        if rows and self.trimmed > max(after_sequence, trimmed_at_start):
            raise TrimmedError
        return rows


async def test_a_replica_that_missed_removals_starts_anew_and_shows_none_of_what_they_removed() -> None:
    log = TrimmedLog()
    log.add(10)
    replica = ShardReplica(0, log, Shard(4))
    await replica.start()
    try:
        # Row 11 removed rows 1 to 8, whose adds left the log; then it left the log as well.
        log.rows = [row for row in log.rows if row.sequence > 8]
        log.trimmed = 11
        log.rows.append(LogRow(12, "add", "t", "c", "f", "s", 12, VECTOR.tobytes()))
        answer = await replica.search(QUERY, 12)
        assert sorted(hit.embedding_id for hit in answer.hits) == [9, 10, 12]
        assert answer.moved_sequence == 11, "a file may have moved by a row that is gone"
        replica.check()
    finally:
        await replica.close()


async def test_the_last_move_is_told_with_every_answer(replica: ShardReplica, log: ListLog) -> None:
    log.rows.append(LogRow(11, "move", "t", "c", "f", "", 0, None))
    log.rows.append(LogRow(12, "add", "t", "c", "g", "s", 12, VECTOR.tobytes()))
    answer = await replica.search(QUERY, 12)
    assert (len(answer.hits), answer.sequence, answer.moved_sequence) == (1, 12, 11)
