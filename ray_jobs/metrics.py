"""What engines, index shards and the ingest tell of themselves, by Ray's metrics: names, labels and buckets.

Ray tells them at a port of each node, every name with `ray_` before it. What is counted stands as plain numbers where it
happens; it is handed to Ray every few seconds, so no call waits for that. Ray estimates the sum of a histogram from its
buckets, so none is used, and forgets a gauge that was not set again for 20 s. Labels are of closed lists: never a tenant's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import structlog
from ray.util.metrics import Counter, Gauge, Histogram

from ray_jobs.batching import BatchQueue
from ray_jobs.stage_times import StageTimes

if TYPE_CHECKING:  # each replica imports what it runs
    from ray_jobs.engines.answers import Answers
    from ray_jobs.index.replica import ShardReplica
    from ray_jobs.progress import Progress

TELL_SECONDS = 5.0
STAGE_BUCKETS = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0]  # 900: CALL_SECONDS

log = structlog.get_logger()


class Told(Protocol):
    async def tell(self) -> None: ...


def start_telling(*told: Told) -> asyncio.Task[None]:
    """Tells of them until the task is cancelled."""
    return asyncio.create_task(_tell(told), name="metrics")


async def _tell(told: Iterable[Told]) -> None:
    while True:
        for each in told:
            try:
                async with asyncio.timeout(TELL_SECONDS):
                    await each.tell()
            except Exception as error:  # a database out of reach, for one: the others are told, and this one later
                log.info("metrics_not_told", error=repr(error)[:200])
        await asyncio.sleep(TELL_SECONDS)


class _Total:
    """A counter that follows a number which only grows."""

    def __init__(self, name: str, documentation: str, *labels: str) -> None:
        self._counter = Counter(name, documentation, labels)
        self._told: dict[tuple[str, ...], float] = {}
        self._labels = labels

    def follow(self, total: float, *values: str) -> None:
        more = total - self._told.get(values, 0.0)
        if more > 0:
            self._counter.inc(more, dict(zip(self._labels, values, strict=True)))
            self._told[values] = total


class StageMetrics:
    def __init__(self, *times: StageTimes) -> None:
        self._times = times
        self._seconds = Histogram(
            "arcus_stage_duration_seconds", "Time of a piece of work of a stage of ingest.", STAGE_BUCKETS, ("stage",)
        )

    async def tell(self) -> None:
        for times in self._times:
            for stage, seconds in times.taken():
                self._seconds.observe(seconds, {"stage": stage})


class WorkerMetrics:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._video = _Total("arcus_ingest_video_seconds", "Seconds of media whose descriptions were written.")
        self._jobs = Gauge("arcus_worker_jobs", "Jobs that a worker has in hand.", ("kind",))

    async def tell(self) -> None:
        self._video.follow(self._progress.video_seconds)
        for kind, count in self._progress.in_hand.items():
            self._jobs.set(count, {"kind": kind})


class QueueMetrics:
    def __init__(self, queues: Iterable[BatchQueue]) -> None:
        """Those of one name count as one."""
        self._queues: dict[str, list[BatchQueue]] = {}
        for queue in queues:
            self._queues.setdefault(queue.name, []).append(queue)
        self._waiting = Gauge("arcus_queue_waiting", "What waits for the thread of a queue.", ("queue",))
        self._passes = _Total("arcus_queue_passes", "Batches that the thread of a queue ended.", "queue")
        self._items = _Total("arcus_queue_items", "What was in those batches.", "queue")
        self._seconds = _Total("arcus_queue_busy_seconds", "How long those batches took.", "queue")

    async def tell(self) -> None:
        for name, queues in self._queues.items():
            self._waiting.set(sum(queue.waiting for queue in queues), {"queue": name})
            self._passes.follow(sum(queue.passes for queue in queues), name)
            self._items.follow(sum(queue.items for queue in queues), name)
            self._seconds.follow(sum(queue.busy_seconds for queue in queues), name)


class ShardMetrics:
    def __init__(self, replica: ShardReplica) -> None:
        self._replica = replica
        self._rows = Gauge("arcus_shard_rows", "Vectors that a replica of a shard holds.", ("shard",))
        self._behind = Gauge(
            "arcus_shard_lag_rows", "Rows of a shard's log that a replica has yet to apply.", ("shard",)
        )
        self._late = Gauge("arcus_shard_lag_seconds", "How long ago a replica last had all of its log.", ("shard",))

    async def tell(self) -> None:
        shard = {"shard": str(self._replica.number)}
        self._rows.set(self._replica.held.size, shard)
        self._late.set(self._replica.lag_seconds, shard)
        self._behind.set(await self._replica.lag_rows(), shard)


class AnswerMetrics:
    def __init__(self, application: str, answers: Answers) -> None:
        self._application = application
        self._answers = answers
        self._count = Gauge(
            "arcus_engine_answers", "Answers that wait for their first part, or run.", ("application", "state")
        )

    async def tell(self) -> None:
        for state, count in (("waiting", self._answers.waiting), ("running", self._answers.running)):
            self._count.set(count, {"application": self._application, "state": state})
