"""What a tenant has stored and has had taken in, whatever comes and goes meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select, update

from services.core.errors import ArcusError, Reason
from services.core.library.files import File, Files
from services.core.media import MediaInfo
from services.core.store.limit_tables import tenant_totals
from services.core.store.schema import files, tenants
from services.core.tenants.plans import Plans
from services.core.tenants.totals import DAY_MS, Totals
from tests.contract.store_steps import MAX_UPLOAD_BYTES, Store


class Clock:
    now = 20_000 * DAY_MS + DAY_MS // 2

    def __call__(self) -> int:
        return self.now


async def limited(store: Store, clock: Clock | None = None, **limits: Any) -> Files:
    async with store.database.write() as connection:
        await connection.execute(update(tenants).where(tenants.c.id == store.tenant).values(limits=limits))
    options = {} if clock is None else {"clock": clock}
    totals = Totals(store.database, Plans(store.database, {}), **options)
    return Files(store.database, store.objects, max_upload_bytes=MAX_UPLOAD_BYTES, totals=totals)


async def sent(count: int, read: list[int] | None = None) -> AsyncIterator[bytes]:
    for _ in range(count):
        if read is not None:
            read.append(1)
        yield b"x"


def lasting(seconds: float) -> MediaInfo:
    return MediaInfo(media_type="video", duration_seconds=seconds, format="mp4", has_audio=False)


async def counted(store: Store) -> tuple[int, int]:
    """Bytes as they are counted, and as they are."""
    async with store.database.read() as connection:
        known = await connection.scalar(
            select(tenant_totals.c.stored_bytes).where(tenant_totals.c.tenant_id == store.tenant)
        )
        there = await connection.scalar(select(func.sum(files.c.size_bytes)).where(files.c.tenant_id == store.tenant))
    return known or 0, there or 0


async def refused(work: Any) -> ArcusError:
    with pytest.raises(ArcusError) as caught:
        await work
    return caught.value


async def test_bytes_are_those_of_the_files_that_are_there_after_whatever_happens_at_once(store):
    library = await limited(store, stored_bytes=100)
    chance = random.Random(7)
    there: list[str] = []
    outcomes: list[Reason] = []

    async def one() -> None:
        if there and chance.random() < 0.4:
            await library.delete(store.tenant, there.pop(chance.randrange(len(there))))
            return
        try:
            there.append((await library.upload(store.tenant, "a.mp4", sent(chance.randint(1, 30)))).id)
        except ArcusError as error:
            outcomes.append(error.reason)

    for _ in range(12):
        await asyncio.gather(*(one() for _ in range(5)))
        known, real = await counted(store)
        assert known == real <= 100
    assert set(outcomes) == {Reason.BUDGET_EXHAUSTED}


async def test_an_upload_is_refused_before_its_bytes_are_read_or_as_soon_as_it_has_too_many(store):
    library = await limited(store, stored_bytes=10)
    read: list[int] = []
    error = await refused(library.upload(store.tenant, "a.mp4", sent(1000, read)))
    assert error.reason is Reason.BUDGET_EXHAUSTED and "10 are left" in error.message and len(read) == 11
    await library.upload(store.tenant, "a.mp4", sent(10))
    read.clear()
    await refused(library.upload(store.tenant, "a.mp4", sent(1, read)))
    assert not read
    await store.files.upload(store.other, "a.mp4", sent(100))  # another tenant's


async def test_the_seconds_of_a_day_are_counted_as_they_are_measured_and_begin_anew_with_the_next(store):
    clock = Clock()
    library = await limited(store, clock, video_seconds_per_day=100)
    ids = [(await library.upload(store.tenant, f"{n}.mp4", sent(1))).id for n in range(4)]
    await library.set_probed(ids[0], lasting(60))
    await library.set_probed(ids[0], lasting(60))  # again, after a crash: once
    error = await refused(library.set_probed(ids[1], lasting(41)))
    assert error.reason is Reason.QUOTA_EXHAUSTED and error.retry_after_seconds == 12 * 3600
    await library.delete(store.tenant, ids[0])  # gives nothing back
    await library.set_probed(ids[2], lasting(40))
    read: list[int] = []
    assert (await refused(library.upload(store.tenant, "a.mp4", sent(1, read)))).wire.http == 509 and not read
    clock.now += 12 * 3600 * 1000 - 1000
    await refused(library.set_probed(ids[3], lasting(1)))
    clock.now += 1000
    await library.set_probed(ids[3], lasting(100))


async def test_no_more_jobs_are_queued_than_may_be_whoever_asks_at_once(store):
    library = await limited(store, queued_jobs=3)
    results = await asyncio.gather(
        *(library.upload(store.tenant, "a.mp4", sent(1)) for _ in range(8)), return_exceptions=True
    )
    errors = [result for result in results if isinstance(result, ArcusError)]
    assert len(errors) == 5 and {error.reason for error in errors} == {Reason.LIMIT_EXCEEDED}
    collection, file = await store.collection(), next(item for item in results if isinstance(item, File))
    error = await refused(store.members.add(store.tenant, collection.id, file.id))
    assert "3 jobs of this tenant" in error.message


async def test_limits_in_shadow_mode_refuse_nothing(store):
    library = await limited(store, stored_bytes=1, video_seconds_per_day=1, queued_jobs=1, shadow=True)
    for _ in range(3):
        await library.set_probed((await library.upload(store.tenant, "a.mp4", sent(5))).id, lasting(60))
    assert await counted(store) == (15, 15)
