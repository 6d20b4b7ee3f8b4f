"""Machines that take as long as their rates say, behind the product's own queues: fronts, answering engines, ingest workers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.core.engines.fair_turns import FairTurns
from services.core.errors import ArcusError
from services.core.jobs import TURN_SECONDS
from services.simulation.claim_queue import ClaimQueue


@dataclass(frozen=True)
class Machines:
    """`answer_tokens_per_second`: of all answering engines, each of which has `places`; a place has its even share of it."""

    workers: int  # that claim jobs
    video_seconds_per_second: float  # of all of them
    engines: int
    places: int
    waiting: int  # requests behind the places of an engine
    answer_tokens_per_second: float
    prompt_tokens_per_second: float  # of a whole GPU, which an engine has to itself while it reads
    front_cores: int
    front_questions_per_second: float  # of one core
    turn_seconds: float = 0.0  # that a worker spends on each turn beside what it reads
    claim_seconds: float = 0.0  # from when a video is queued until a worker that was idle begins it


class Arrivals(Protocol):
    def arrivals(self, begin: float, end: float) -> Iterator[tuple[float, str]]:
        """(second, tenant), of which the seconds rise."""
        ...


@dataclass(frozen=True)
class Demand:
    videos: Arrivals
    questions: Arrivals
    video_seconds: float  # mean of an exponential law
    prompt_tokens: float  # what reading a prompt costs, in tokens written
    answer_tokens: float  # mean of an exponential law
    seed: int
    all_alike: bool = False  # every video and every answer is as long as the mean
    lengths: Sequence[float] = ()  # seconds of each video in the order of their coming, instead of the law
    weights: Mapping[str, float] = field(default_factory=dict)  # of tenants' turns; 1 where none is told


@dataclass(frozen=True, slots=True)
class Read:
    """One video that was understood, and the seconds of the day at which it came, was begun and was done."""

    tenant: str
    video_seconds: float
    came: float
    begun: float
    done: float


@dataclass
class Result:
    """Seconds of each video until all of it was understood, and of each question until its first token; of what is not done at
    the end, the seconds so far. `answered`: of each question whose answer was told whole, when, and the seconds it took.
    """

    videos: int = 0
    questions: int = 0
    refused: int = 0
    left: int = 0  # videos that are not done at the end
    understood: list[float] = field(default_factory=list)
    read: list[Read] = field(default_factory=list)  # of what is done
    first_token: list[float] = field(default_factory=list)
    answered: list[tuple[float, float]] = field(default_factory=list)
    workers_busy: float = 0.0  # shares of the time
    engines_busy: float = 0.0
    fronts_busy: float = 0.0


@dataclass
class _Video:
    came: float
    length: float
    seconds: float  # left
    begun: float = -1.0  # when its first turn did


class Cluster:
    def __init__(self, machines: Machines, demand: Demand) -> None:
        self._machines, self._demand = machines, demand
        self._lot = random.Random(f"{demand.seed} lengths")
        self._queue: ClaimQueue[_Video] = ClaimQueue()
        self._came: dict[int, float] = {}  # of videos that are not understood, by their objects
        self._idle: list[asyncio.Future[None]] = []
        self._engines = [FairTurns(machines.places, machines.waiting) for _ in range(machines.engines)]
        self._asked = [0] * machines.engines
        self._front = asyncio.Semaphore(machines.front_cores)
        self._work_seconds = self._place_seconds = self._front_seconds = 0.0
        self.result = Result()

    async def run(self, begin: float, end: float) -> Result:
        """The seconds of a day from `begin` to `end`, from an empty system."""
        loop, demand, machines = asyncio.get_running_loop(), self._demand, self._machines
        self._zero = loop.time() - begin
        try:
            async with asyncio.timeout(end - begin), asyncio.TaskGroup() as group:
                for number in range(machines.workers):
                    group.create_task(self._work(), name=f"worker-{number}")
                group.create_task(self._upload(demand.videos.arrivals(begin, end)), name="uploads")
                for at, tenant in demand.questions.arrivals(begin, end):
                    await asyncio.sleep(self._zero + at - loop.time())
                    group.create_task(self._answer(tenant))
        except TimeoutError:  # the end
            pass
        result, seconds = self.result, end - begin
        result.left = len(self._came)
        result.understood += [loop.time() - came for came in self._came.values()]
        result.workers_busy = self._work_seconds / (machines.workers * seconds)
        result.engines_busy = self._place_seconds / (machines.engines * machines.places * seconds)
        result.fronts_busy = self._front_seconds / (machines.front_cores * seconds)
        return result

    async def _upload(self, arrivals: Iterator[tuple[float, str]]) -> None:
        loop, lengths = asyncio.get_running_loop(), iter(self._demand.lengths)
        for at, tenant in arrivals:
            await asyncio.sleep(self._zero + at - loop.time())
            length = next(lengths, None) or self._length(self._demand.video_seconds)
            video = _Video(loop.time(), length, length)
            self._came[id(video)] = video.came
            self.result.videos += 1
            self._add(tenant, video)

    def _length(self, mean: float) -> float:
        return mean if self._demand.all_alike else self._lot.expovariate(1 / mean)

    def _add(self, tenant: str, video: _Video) -> None:
        self._queue.add(tenant, video, weight=self._demand.weights.get(tenant, 1.0))
        if self._idle:
            self._idle.pop().set_result(None)

    async def _work(self) -> None:
        """As a worker of ingest does: a turn of a job, and another one where nobody waits."""
        loop = asyncio.get_running_loop()
        speed = self._machines.video_seconds_per_second / self._machines.workers
        while True:
            claimed = self._queue.claim()
            if claimed is None:
                self._idle.append(loop.create_future())
                await self._idle[-1]
                await asyncio.sleep(self._machines.claim_seconds)
                continue
            tenant, video, start = claimed
            if video.begun < 0:
                video.begun = loop.time()
            turn = min(video.seconds, TURN_SECONDS)
            self._queue.begin(tenant, start, turn)
            beside = self._machines.turn_seconds
            while True:
                began = loop.time()
                try:
                    await asyncio.sleep(beside + turn / speed)
                finally:
                    self._work_seconds += loop.time() - began
                video.seconds -= turn
                if not video.seconds:
                    self.result.understood.append(loop.time() - self._came.pop(id(video)))
                    times = (each - self._zero for each in (video.came, video.begun, loop.time()))
                    self.result.read.append(Read(tenant, video.length, *times))
                    break
                if len(self._queue):
                    self._add(tenant, video)
                    break
                self._queue.charge(tenant, TURN_SECONDS)
                turn, beside = min(video.seconds, TURN_SECONDS), 0.0

    async def _answer(self, tenant: str) -> None:
        """The lesser of two engines by lot takes it, as Ray Serve's router does. A place is held as
        long as a full batch takes."""
        loop, machines, demand = asyncio.get_running_loop(), self._machines, self._demand
        came, is_told = loop.time(), False
        self.result.questions += 1
        tokens = demand.prompt_tokens + self._length(demand.answer_tokens)
        engine = min(self._lot.choices(range(machines.engines), k=2), key=self._asked.__getitem__)
        try:
            async with self._front:
                began = loop.time()
                await asyncio.sleep(1 / machines.front_questions_per_second)
                self._front_seconds += loop.time() - began
            self._asked[engine] += 1
            try:
                async with self._engines[engine].turn(tenant, round(tokens)):
                    began = loop.time()
                    of_an_engine = machines.answer_tokens_per_second / machines.engines
                    reading = demand.prompt_tokens / machines.prompt_tokens_per_second
                    try:
                        await asyncio.sleep(reading)
                        self.result.first_token.append(loop.time() - came)
                        is_told = True
                        await asyncio.sleep(max(0.0, tokens * machines.places / of_an_engine - reading))
                        self.result.answered.append((loop.time() - self._zero, loop.time() - came))
                    finally:
                        self._place_seconds += loop.time() - began
            finally:
                self._asked[engine] -= 1
        except ArcusError:
            self.result.refused += 1
        except asyncio.CancelledError:
            if not is_told:
                self.result.first_token.append(loop.time() - came)
            raise
