"""The worker that reads videos, by the embedded engines, with more and more videos at once."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loadtests.knees.found import Found
from loadtests.processes import watched
from loadtests.running import EXAMPLE, System, running_system
from ray_jobs.stages.probe import ProbeLimits, probe
from services.cli.client import Client
from services.core.errors import ArcusError, Reason

MOST_AT_ONCE = 8
LEAST_GAIN = 1.1  # of twice as many videos; less is no more
POLL_SECONDS = 0.2


class Reading:
    """Of so many copies of the example at once."""

    def __init__(self, videos: int, video_seconds: float, seconds: float, cpu_seconds: float) -> None:
        self.videos = videos
        self.per_second = video_seconds / seconds
        self.per_core = video_seconds / cpu_seconds
        self.cores = cpu_seconds / seconds

    def __str__(self) -> str:
        return f"| {self.videos} | {self.per_second:.2f} | {self.cores:.2f} | {self.per_core:.2f} |"


def knee_of(readings: list[Reading]) -> tuple[Reading, bool]:
    """(the most that was read in a second, whether twice as many at once were seen to be no more)."""
    best = max(readings, key=lambda reading: reading.per_second)
    fell = any(reading.per_second < LEAST_GAIN * before.per_second for before, reading in itertools.pairwise(readings))
    return best, fell


def found_of(readings: list[Reading]) -> Found:
    best, fell = knee_of(readings)
    return Found(
        rate="everything on a core",
        per_core=best.per_core,
        unit="video seconds/s",
        of="a worker, the example",
        steps=f"{best.per_second:.2f} video seconds/s of {best.videos} at once, with {best.cores:.2f} cores of all that runs",
        at_least=not fell,
    )


@contextmanager
def of_a_worker() -> Iterator[Iterator[Reading]]:
    """Readings of 1, 2, 4 … at once, until twice as many are no more, in a system of its own."""
    with running_system() as system:
        yield _readings(system)


def _readings(system: System) -> Iterator[Reading]:
    before = 0.0
    _read(system, 1)  # models are loaded
    videos = 1
    while videos <= MOST_AT_ONCE:
        reading = _read(system, videos)
        yield reading
        if reading.per_second < LEAST_GAIN * before:
            return
        before, videos = reading.per_second, 2 * videos


def _read(system: System, videos: int) -> Reading:
    """Raises INTERNAL where one fails."""
    length = probe(EXAMPLE, ProbeLimits()).duration_seconds
    with Client(system.url, system.key) as client:
        named = f"worker {time.monotonic_ns()}"  # each name once
        collection = client.post("/collections", {"name": named, "collection_type": "media-descriptions"})["id"]
        files = [client.upload(EXAMPLE)["id"] for _ in range(videos)]
        while any(client.get(f"/files/{file}")["status"] != "completed" for file in files):
            time.sleep(POLL_SECONDS)
        with watched(system.pid) as usage:
            started = time.perf_counter()
            for file in files:
                client.post(f"/collections/{collection}/media", {"file_id": file})
            waiting = set(files)
            while waiting:
                time.sleep(POLL_SECONDS)
                states = {file: client.get(f"/collections/{collection}/media/{file}")["status"] for file in waiting}
                if "failed" in states.values():
                    raise ArcusError(Reason.INTERNAL, "A video failed.")
                waiting = {file for file, state in states.items() if state != "completed"}
            seconds = time.perf_counter() - started
    return Reading(videos, videos * length, seconds, usage.total_cpu_seconds)
