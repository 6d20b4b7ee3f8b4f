"""The workers beside which the simulator is put: real jobs, claims, turns and rows, of which only the stages wait."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from loadtests.calibrate_workers import Library, Shape, Videos, reads_of, videos_of
from loadtests.load.video_workers import WaitingPipeline
from ray_jobs.ingest import IngestWorker
from services.core.settings import Settings
from services.core.store.database import Database
from services.core.store.job_schema import tenant_shares
from services.core.store.schema import descriptions, segment_descriptions
from tests.contract.test_ingest_bounds import working

SHAPE = Shape(segment_seconds=100.0)


async def test_each_video_is_read_whole_by_the_products_own_worker(
    database: Database, database_url: str, tmp_path: Path
):
    objects_url = f"file://{tmp_path / 'objects'}"
    settings = Settings(database_url=database_url, objects_url=objects_url, ingest_concurrency=2, segments_in_flight=1)
    library = await Library.of(database, objects_url, SHAPE)
    orders = videos_of(SHAPE, 6.0, 1.0).orders
    videos = Videos(orders, [100.0 * (number + 1) for number in range(len(orders))], 1.0)
    async with working(IngestWorker(settings, WaitingPipeline(50_000.0))):
        reads = reads_of(await library.read(videos), videos)
    assert [read.video_seconds for read in reads] == videos.lengths and len(reads) > 3
    assert all(read.came <= read.begun <= read.done for read in reads)
    async with database.read() as connection:
        status = set((await connection.execute(select(descriptions.c.status))).scalars())
        segments = (await connection.execute(select(func.count()).select_from(segment_descriptions))).scalar_one()
        weights = sorted((await connection.execute(select(tenant_shares.c.weight))).scalars())
    assert status == {"completed"} and weights == [1.0, 2.0, 3.0]
    assert segments == sum(range(1, len(orders) + 1))
