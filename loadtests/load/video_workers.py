"""Workers of videos in processes of their own, whose stages wait instead of computing; and what becomes of their jobs.

python -m loadtests.load.video_workers DATABASE_URL OBJECTS_URL PLACES RATE reads so many videos at once until it is killed,
each at RATE seconds of video a second. All but the stages is the product's: claims, turns, leases and what is written.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import structlog
from sqlalchemy import select

from ray_jobs.ingest import IngestWorker
from ray_jobs.pipeline import Described
from ray_jobs.stages.extract import Extracted, ExtractRequest
from services.cli.instance import ROOT, START_SECONDS, first_line
from services.core.errors import ArcusError, Reason
from services.core.media import DescribeConfig, MediaInfo, SegmentDescription, Span
from services.core.settings import Settings
from services.core.store.database import Database
from services.core.store.job_schema import jobs

BEAT_SECONDS = 0.05  # between looks at the jobs


class WaitingPipeline:
    """Stages that take as long as a segment is, at so many seconds of video a second, and find nothing."""

    def __init__(self, video_seconds_per_second: float) -> None:
        self._rate = video_seconds_per_second

    async def describe(
        self, tenant_id: str, object_key: str, info: MediaInfo, span: Span, config: DescribeConfig, *, thumbnail: bool
    ) -> Described:
        await asyncio.sleep(span.duration / self._rate)
        return Described(SegmentDescription(title="A part"))

    async def summarise(
        self, tenant_id: str, segments: Sequence[SegmentDescription], filename: str, duration_seconds: float
    ) -> tuple[str, str]:
        return "A title", "A summary"

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [bytes(4 * 384) for _ in texts]

    async def extract(self, request: ExtractRequest) -> Extracted:
        raise AssertionError("collections of entities are not made here")


def start_workers(
    stack: ExitStack, database_url: str, objects_url: str, *, workers: int, places: int, rate: float
) -> None:
    """They end with the stack. Raises INTERNAL where one does not start."""
    command = [sys.executable, "-m", "loadtests.load.video_workers", database_url, objects_url, str(places), str(rate)]
    for _ in range(workers):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        stack.callback(process.wait)
        stack.callback(process.kill)
        if not first_line(process, START_SECONDS):
            raise ArcusError(Reason.INTERNAL, "A worker did not start.")


class Watch:
    """Tells when jobs are first claimed and when they are done, from their rows, to a beat."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waited_for: dict[str, tuple[asyncio.Event, asyncio.Event]] = {}

    def job(self, description_id: str) -> tuple[asyncio.Event, asyncio.Event]:
        """(it was claimed, it is done), of one job."""
        return self._waited_for.setdefault(description_id, (asyncio.Event(), asyncio.Event()))

    async def run(self) -> None:
        query = select(jobs.c.subject_id, jobs.c.state).where(jobs.c.kind == "describe", jobs.c.state != "queued")
        while True:
            async with self._database.read() as connection:
                for description_id, state in await connection.execute(query):
                    begun, done = self.job(description_id)
                    begun.set()
                    if state != "running":
                        done.set()
            await asyncio.sleep(BEAT_SECONDS)


async def work(settings: Settings, pipeline: Any) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # of the other pipe one line is read
    worker = IngestWorker(settings, pipeline)
    print("works", flush=True)
    await worker.run()


if __name__ == "__main__":
    database_url, objects_url, places, rate = sys.argv[1:]
    settings = Settings(
        database_url=database_url, objects_url=objects_url, ingest_concurrency=int(places), segments_in_flight=1
    )
    asyncio.run(work(settings, WaitingPipeline(float(rate))))
