"""Real workers of videos beside simulated ones, with the same videos at the same times: see `loadtests/calibrate.py`.

Workers in processes of their own claim real jobs from PostgreSQL, by the product's own code for claims, turns and leases; their
stages wait as long as the video is, at a known rate, and compute nothing. How long short and long videos take alone is measured
before each load, and how long an idle worker takes to begin one; nothing else of the simulator is fitted.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import delete, insert, update

from loadtests.load.generator import Clock, Run, generate
from loadtests.load.outcomes import Outcome, jain
from loadtests.load.scenario import Order, Scenario, schedule
from loadtests.load.verdict import of_generator, percentile
from loadtests.load.video_workers import Watch, start_workers
from loadtests.scale import new_id, postgres
from services.cli.calibration import WorkersAt, WorkersCalibration
from services.core.errors import ArcusError, Reason
from services.core.index.shards import ensure_shards
from services.core.jobs import TURN_SECONDS, Jobs
from services.core.library.collections import Collections
from services.core.library.members import Members
from services.core.media import MediaInfo
from services.core.store.database import Database
from services.core.store.job_schema import jobs, tenant_shares
from services.core.store.objects import Objects
from services.core.store.schema import files
from services.core.tenants.keys import Keys
from services.simulation.cluster import Cluster, Demand, Machines, Read, Result
from services.simulation.virtual_time import simulate

LOADS = (0.5, 0.8, 1.1)  # of the knee
ALONE_VIDEOS = 3  # of each length
OBJECT = "calibration/video"
DONE_SECONDS = 600.0  # a hang guard; in virtual time, after the last arrival


@dataclass(frozen=True)
class Shape:
    """Workers, and what they read. `rate`: video seconds a second of one place; `weights` of tenants, who bring alike much."""

    workers: int = 2
    places: int = 2  # of each worker
    rate: float = 40.0
    video_seconds: float = 160.0  # mean of an exponential law: an eighth is longer than a turn
    segment_seconds: float = 40.0
    weights: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"first": 3.0, "second": 2.0, "third": 1.0})
    )
    seed: int = 59

    @property
    def videos_at_once(self) -> int:
        return self.workers * self.places


SHAPE = Shape()


@dataclass(frozen=True)
class Given:
    """Arrivals as they were made."""

    orders: Sequence[Order]

    def arrivals(self, begin: float, end: float) -> Iterator[tuple[float, str]]:
        return ((order.at_seconds, order.tenant) for order in self.orders if begin <= order.at_seconds < end)


@dataclass(frozen=True)
class Videos:
    """What comes: the seconds of each video beside who brings it when. `seconds`: while they come."""

    orders: Sequence[Order]
    lengths: Sequence[float]
    seconds: float


@dataclass(frozen=True)
class AloneVideo:
    """Of a video that nobody else is beside: seconds until an idle worker begins it, those of a turn in which nothing is read,
    and video seconds that are read in one.
    """

    claim: float
    turn: float
    rate: float


def measured_on() -> dict[str, str]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.0f}",
    }


def videos_of(shape: Shape, per_second: float, seconds: float) -> Videos:
    """As independent users bring them. The lengths are the law's own quantiles, in a drawn order: their mean is the law's."""
    arrivals = {"law": "poisson", "per_second": per_second}
    scenario = {"name": "workers", "seed": shape.seed, "arrivals": arrivals, "duration_seconds": seconds}
    orders = schedule(
        Scenario.model_validate({**scenario, "journeys": {"upload": 1}, "tenants": dict.fromkeys(shape.weights, 1.0)})
    )
    count = len(orders)
    lengths = [-shape.video_seconds * math.log(1 - (number + 0.5) / count) for number in range(count)]
    random.Random(f"{shape.seed} lengths").shuffle(lengths)
    return Videos(orders, [round(max(length, 1.0), 1) for length in lengths], seconds)


def simulated(shape: Shape, videos: Videos, of: AloneVideo) -> Result:
    places = shape.videos_at_once
    machines = Machines(
        workers=places,
        video_seconds_per_second=places * of.rate,
        engines=1,
        places=1,
        waiting=1,
        answer_tokens_per_second=1.0,
        prompt_tokens_per_second=1.0,
        front_cores=1,
        front_questions_per_second=1.0,
        turn_seconds=of.turn,
        claim_seconds=of.claim,
    )
    demand = Demand(
        videos=Given(videos.orders),
        questions=Given([]),
        video_seconds=shape.video_seconds,
        prompt_tokens=1.0,
        answer_tokens=1.0,
        seed=shape.seed,
        lengths=videos.lengths,
        weights=shape.weights,
    )
    return simulate(Cluster(machines, demand).run(0.0, videos.seconds + DONE_SECONDS))


def in_time(made: Run) -> Run:
    """Raises INTERNAL where the generator was late, or had too little of a core: what it measured says nothing."""
    delay = statistics.median(outcome.delay_seconds for outcome in made.outcomes)
    if late := of_generator(delay, made.cpu_share):
        raise ArcusError(Reason.INTERNAL, "; ".join(late))
    return made


def reads_of(made: Run, videos: Videos) -> list[Read]:
    """Raises INTERNAL where a video was not read."""
    if bad := [outcome.problem for outcome in made.outcomes if outcome.result != "completed"]:
        raise ArcusError(Reason.INTERNAL, f"{len(bad)} videos were not read: {bad[0]}")
    return [
        Read(order.tenant, length, at, at + (outcome.first_event_seconds or 0.0), at + (outcome.last_seconds or 0.0))
        for outcome, length in zip(made.outcomes, videos.lengths, strict=True)
        for order, at in [(outcome.order, outcome.order.at_seconds)]
    ]


def compared(of_knee: float, shape: Shape, videos: Videos, came: Sequence[Read], result: Result) -> WorkersAt:
    sides = [_measures(shape, reads, videos.seconds) for reads in (came, result.read)]
    return WorkersAt(of_knee, len(came), *zip(*sides, strict=True))


def _measures(shape: Shape, reads: Sequence[Read], seconds: float) -> tuple[float, ...]:
    """In the order of WorkersAt; throughput and fairness of what was done while videos came."""
    waits, stays = [read.begun - read.came for read in reads], [read.done - read.came for read in reads]
    work = {
        tenant: sum(read.video_seconds for read in reads if read.tenant == tenant and read.done <= seconds)
        for tenant in shape.weights
    }
    fair = jain((work[tenant] / weight for tenant, weight in shape.weights.items()), len(work)) or 0.0
    found = (sum(work.values()) / seconds, percentile(waits, 50), percentile(waits, 95), percentile(stays, 95), fair)
    return tuple(round(each, 4) for each in found)


def calibrate_workers(shape: Shape, seconds: float) -> WorkersCalibration:
    return asyncio.run(_calibrated(shape, seconds))


async def _calibrated(shape: Shape, seconds: float) -> WorkersCalibration:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arcus-load-")))
        server = stack.enter_context(postgres())
        if server is None:
            raise ArcusError(Reason.INTERNAL, "PostgreSQL is not installed (Debian: apt-get install postgresql)")
        await server.prepare()
        await server.create("load")
        objects_url = f"file://{folder}/objects"
        start_workers(
            stack, server.url("load"), objects_url, workers=shape.workers, places=shape.places, rate=shape.rate
        )
        database = Database(server.url("load"))
        try:
            return await calibrated_on(await Library.of(database, objects_url, shape), shape, seconds)
        finally:
            await database.close()


class Library:
    """Tenants with a collection each, whose videos are read once they are added."""

    def __init__(self, database: Database, objects_url: str, tenants: Mapping[str, tuple[str, str]]) -> None:
        """`tenants`: (id, collection), in the order of their ids."""
        self._database = database
        self._objects = Objects(objects_url)
        self._tenants = tenants

    @classmethod
    async def of(cls, database: Database, objects_url: str, shape: Shape) -> Library:
        """Who has the same turn as another has it by the id: here and in the simulator in the same order."""
        await ensure_shards(database, 1)
        keys, collections = Keys(database), Collections(database, shard_count=1)
        ids = sorted([(await keys.authenticate(await keys.create(name))).tenant_id for name in shape.weights])
        tenants: dict[str, tuple[str, str]] = {}
        for name, id in zip(sorted(shape.weights), ids, strict=True):
            await Jobs(database, lease_seconds=60).set_weight(id, shape.weights[name])
            collection = await collections.create(
                id,
                name="videos",
                collection_type="media-descriptions",
                segmentation_config={
                    "strategy": "uniform",
                    "uniform_config": {"window_seconds": shape.segment_seconds},
                },
                thumbnails_config={"enable_segment_thumbnails": False},
            )
            tenants[name] = id, collection.id
        return cls(database, objects_url, tenants)

    async def read(self, videos: Videos) -> Run:
        """Adds each at its time, and waits until all are done. Nobody has had more of the workers before than others."""
        prepared = await self._prepared(videos)
        async with self._database.write() as connection:
            await connection.execute(delete(jobs))
            await connection.execute(update(tenant_shares).values(virtual_seconds=0.0, turn_start=0.0))
        members, watch = Members(self._database), Watch(self._database)

        async def journey(order: Order, outcome: Outcome, clock: Clock) -> None:
            tenant_id, collection_id = self._tenants[order.tenant]
            member = await members.add(tenant_id, collection_id, prepared[order.number])
            begun, done = watch.job(member.description_id)
            await begun.wait()
            outcome.first_event_seconds = clock()
            await done.wait()

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch.run(), name="watch")
            made = await generate(videos.orders, journey, timeout_seconds=DONE_SECONDS)
            watching.cancel()
        return made

    async def _prepared(self, videos: Videos) -> list[str]:
        """Ids of files as those that were probed. One object is behind all of them, which nobody reads."""
        kept = await self._objects.put_stream(OBJECT, _bytes(), max_bytes=1_000)
        rows = [
            {
                "id": new_id(),
                "tenant_id": self._tenants[order.tenant][0],
                "status": "completed",
                "filename": "video.mp4",
                "size_bytes": kept.size_bytes,
                "sha256": kept.sha256,
                "object_key": OBJECT,
                "source": "upload",
                "metadata": {},
                "media_info": MediaInfo("video", length, "mp4", has_audio=True).to_json(),
                "segment_thumbnails": False,
                "created_at": 0,
            }
            for order, length in zip(videos.orders, videos.lengths, strict=True)
        ]
        async with self._database.write() as connection:
            await connection.execute(insert(files), rows)
        return [row["id"] for row in rows]


async def _bytes() -> AsyncIterator[bytes]:
    yield b"of a video"


async def calibrated_on(library: Library, shape: Shape, seconds: float) -> WorkersCalibration:
    """What takes how long alone is measured before each load: other processes may be beside one and not beside another."""
    loads, knees = [], []
    for of_knee in LOADS:
        of = await alone(library, shape)
        knees.append(shape.videos_at_once / (of.turn / shape.video_seconds + 1 / of.rate))
        print(f"alone {of.claim:.3f} s until it is begun, {of.turn:.3f} s beside reading, {of.rate:.2f} video seconds/s: "
              f"{shape.videos_at_once} places read {knees[-1]:.1f}", flush=True)  # fmt: skip
        videos = videos_of(shape, of_knee * knees[-1] / shape.video_seconds, seconds)
        came = reads_of(in_time(await library.read(videos)), videos)
        loads.append(compared(of_knee, shape, videos, came, await asyncio.to_thread(simulated, shape, videos, of)))
        print(loads[-1], flush=True)
    return WorkersCalibration(
        **measured_on(),
        workers=shape.workers,
        places=shape.videos_at_once,
        video_seconds=shape.video_seconds,
        knee_per_second=round(statistics.median(knees), 1),
        loads=tuple(loads),
    )


async def alone(library: Library, shape: Shape) -> AloneVideo:
    """Of a video of one segment and one of a whole turn, one after the other some times: the medians."""
    short, long = shape.segment_seconds, TURN_SECONDS
    order = replace(videos_of(shape, 1.0, 10.0).orders[0], number=0, at_seconds=0.0)
    each = [Videos([order], [length], 1.0) for length in (short, long) * ALONE_VIDEOS]
    reads = [read for videos in each for read in reads_of(in_time(await library.read(videos)), videos)]
    claim = statistics.median(read.begun - read.came for read in reads)
    took = {
        length: statistics.median(read.done - read.begun for read in reads if read.video_seconds == length)
        for length in (short, long)
    }
    rate = (long - short) / (took[long] - took[short])
    return AloneVideo(claim, max(0.0, took[short] - short / rate), rate)
