"""Limits over all fronts, on both databases: each limiter here stands for a front."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import select, update

from services.core.errors import ArcusError, Reason
from services.core.store.database import Database
from services.core.store.limit_tables import fronts, limiters
from services.core.store.schema import api_keys, tenants
from services.core.tenants.limiter import NO_LIMITS, Admission, Limiter
from services.core.tenants.plans import Limits, Plans

SECOND = 1_000_000


@dataclass
class Clock:
    now: int = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


@dataclass
class World:
    database: Database
    tenant: str
    clock: Clock | None = field(default_factory=Clock)

    def front(self, plans: Mapping[str, Limits] = MappingProxyType({}), **options: Any) -> Limiter:
        return Limiter(self.database, Plans(self.database, plans), clock=self.clock, **options)

    async def limit(self, **limits: Any) -> None:
        async with self.database.write() as connection:
            await connection.execute(update(tenants).where(tenants.c.id == self.tenant).values(limits=limits))

    async def limit_key(self, **limits: Any) -> str:
        query = select(api_keys.c.id).where(api_keys.c.tenant_id == self.tenant)
        async with self.database.write() as connection:
            key_id = (await connection.execute(query)).scalar_one()
            await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(limits=limits))
        return key_id


@pytest.fixture
def world(store) -> World:
    return World(store.database, store.tenant)


async def refused(work: Any) -> ArcusError:
    with pytest.raises(ArcusError) as caught:
        await work
    return caught.value


async def test_a_tenant_without_limits_costs_no_statement_beside_the_one_that_tells_so(world, statements):
    front = world.front()
    for _ in range(10):
        async with await front.admit(world.tenant) as admission:
            await admission.reserve(1000)
            await admission.spend(10)
        assert admission is NO_LIMITS
    assert len(statements) == 1


async def test_a_retry_after_the_wait_that_was_told_succeeds_and_a_second_earlier_does_not(world):
    for case in range(20):
        chance = random.Random(case)
        per_minute, burst = chance.choice([1, 2, 7, 59, 60, 61, 600]), chance.randint(1, 12)
        unit = chance.choice(["requests", "tokens"])
        await world.limit(**{f"{unit}_per_minute": per_minute, f"{unit}_burst": burst})
        front = world.front()  # which has not looked at the limits yet
        world.clock.now += 3600 * SECOND

        async def ask(front: Limiter = front) -> None:
            admission = await front.admit(world.tenant)
            await admission.reserve(1)

        for _ in range(burst):
            await ask()
            world.clock.now += chance.randint(0, 60 * SECOND // per_minute // burst)
        error = await refused(ask())
        wait = error.retry_after_seconds or 0
        assert error.reason is Reason.LIMIT_EXCEEDED and wait >= 1
        before = world.clock.now
        world.clock.now = before + (wait - 1) * SECOND
        await refused(ask())
        world.clock.now = before + wait * SECOND
        await ask()


async def test_what_is_left_is_told_with_each_request(world):
    await world.limit(requests_per_minute=60, requests_burst=10, tokens_per_minute=6000)
    front = world.front()
    admission = await front.admit(world.tenant)
    standing = admission.standings["requests"]
    assert (standing.limit, standing.remaining, standing.reset_seconds) == (60, 9, 1.0)
    await admission.reserve(600)
    standing = admission.standings["tokens"]
    assert (standing.limit, standing.remaining, standing.reset_seconds) == (6000, 5400, 6.0)
    for _ in range(9):
        admission = await front.admit(world.tenant)
    error = await refused(front.admit(world.tenant))
    assert error.standings["requests"].remaining == 0  # type: ignore[attr-defined]
    world.clock.now += 5 * SECOND
    admission = await front.admit(world.tenant)
    assert admission.standings["requests"].remaining == 4


async def test_tokens_that_an_answer_did_not_use_are_given_back(world):
    await world.limit(tokens_per_minute=1000)
    front = world.front()
    async with await front.admit(world.tenant) as first:
        await first.reserve(900)
        assert (await refused((await front.admit(world.tenant)).reserve(900))).retry_after_seconds == 48
        await first.spend(50)
    async with await front.admit(world.tenant) as second:
        await second.reserve(900)  # and never spends: it failed before it began
    third = await front.admit(world.tenant)
    await third.reserve(900)
    assert third.standings["tokens"].remaining == 50
    await third.spend(1010)  # more than was thought
    assert (await refused(front.admit(world.tenant))).retry_after_seconds == 4


async def test_an_answer_that_never_fits_is_refused_with_what_to_change(world):
    await world.limit(tokens_per_minute=1000, tokens_burst=100)
    error = await refused((await world.front().admit(world.tenant)).reserve(101))
    assert error.reason is Reason.INVALID_ARGUMENT and "lower max_output_tokens" in error.message


async def test_a_key_has_its_share_of_what_its_tenant_may_use(world):
    await world.limit(requests_per_minute=60, requests_burst=5)
    key = await world.limit_key(requests_per_minute=60, requests_burst=2)
    front = world.front()
    await front.admit(world.tenant, key)
    await front.admit(world.tenant, key)
    assert "API key" in (await refused(front.admit(world.tenant, key))).message
    for _ in range(3):  # the refused one took nothing of the tenant's
        await front.admit(world.tenant)
    assert "tenant" in (await refused(front.admit(world.tenant))).message


async def test_another_tenant_is_not_touched(world, store):
    await world.limit(requests_per_minute=1)
    front = world.front()
    await front.admit(world.tenant)
    await refused(front.admit(world.tenant))
    assert await front.admit(store.other) is NO_LIMITS


async def test_limits_in_shadow_mode_let_everything_pass_and_count_what_they_would_refuse(world):
    await world.limit(requests_per_minute=2, requests_in_progress=1, tokens_per_minute=10, shadow=True)
    front = world.front()
    admissions = [await front.admit(world.tenant) for _ in range(5)]
    await admissions[0].reserve(1000)
    for admission in admissions:
        await admission.close()
    async with world.database.read() as connection:
        row = (await connection.execute(select(limiters))).one()
    assert (row.would_refuse, row.in_progress) == (5, {})


async def test_limits_are_those_of_the_plan_where_the_tenant_has_none_of_its_own(world):
    plans = {"default": Limits(requests_per_minute=1), "large": Limits(requests_per_minute=3, requests_in_progress=9)}
    front = world.front(plans)
    await front.admit(world.tenant)
    await refused(front.admit(world.tenant))
    async with world.database.write() as connection:
        await connection.execute(update(tenants).values(plan="large", limits={"requests_per_minute": 5}))
    world.clock.now += 60 * SECOND
    admission = await world.front(plans).admit(world.tenant)
    assert admission.standings["requests"].limit == 5 and admission.places == [world.tenant]


async def test_places_are_counted_over_all_fronts_and_given_back(world):
    await world.limit(requests_in_progress=3)
    limiting = [world.front() for _ in range(3)]
    admissions = await asyncio.gather(*(limiting[n % 3].admit(world.tenant) for n in range(12)), return_exceptions=True)
    held = [admission for admission in admissions if isinstance(admission, Admission)]
    assert len(held) == 3
    assert all("3 requests of this tenant are in progress" in str(a) for a in admissions if a not in held)
    await held[0].close()
    await held[0].close()  # again is nothing
    async with await limiting[0].admit(world.tenant):
        await refused(limiting[1].admit(world.tenant))
    async with await limiting[2].admit(world.tenant):
        pass


async def test_a_place_that_is_handed_over_is_held_until_that_work_ends(world):
    await world.limit(requests_in_progress=1)
    front = world.front()
    async with await front.admit(world.tenant) as admission:
        admission.is_handed_over = True
    await refused(front.admit(world.tenant))
    await admission.close()
    await front.admit(world.tenant)


async def test_a_silent_front_gives_its_places_back_and_takes_none_of_them_away_later(world):
    await world.limit(requests_in_progress=2)
    silent, living = world.front(lease_seconds=10), world.front(lease_seconds=10)
    lost = [await silent.admit(world.tenant) for _ in range(2)]
    world.clock.now += 10 * SECOND
    await refused(living.admit(world.tenant))
    world.clock.now += 1
    held = [await living.admit(world.tenant) for _ in range(2)]
    for admission in lost:
        await admission.close()
    await refused(living.admit(world.tenant))  # what was lost gave back nothing of the others'
    silent._beat_at = -math.inf
    await refused(silent.admit(world.tenant))
    for admission in held:
        await admission.close()
    await silent.admit(world.tenant)  # under a new name


async def test_what_a_front_does_that_stood_still_counts_still(world):
    await world.limit(requests_in_progress=1)
    front, other = world.front(), world.front()
    admission = await front.admit(world.tenant)
    world.clock.now += 60 * SECOND  # and no beat is due by the other clock, as where a machine was suspended
    assert "1 requests of this tenant are in progress" in (await refused(front.admit(world.tenant))).message
    front._beat_at = -math.inf
    await refused(front.admit(world.tenant))
    await refused(other.admit(world.tenant))
    await admission.close()
    async with await other.admit(world.tenant):
        await refused(front.admit(world.tenant))


async def test_a_front_that_holds_places_lives_on(world):
    await world.limit(requests_in_progress=1)
    front, other = world.front(lease_seconds=0.3), world.front(lease_seconds=0.3)
    async with asyncio.timeout(60):
        loop = asyncio.create_task(front.run())
        await front.admit(world.tenant)
        for _ in range(5):
            world.clock.now += SECOND // 5
            while world.clock.now + 300_000 not in {  # noqa: ASYNC110  the database offers no event
                row.alive_until for row in await world.database.fetch(select(fronts))
            }:
                await asyncio.sleep(0.02)
            await refused(other.admit(world.tenant))
    loop.cancel()
    await asyncio.wait({loop})


async def test_a_request_that_is_cut_off_gives_back_all_the_same(world):
    await world.limit(requests_in_progress=1, tokens_per_minute=100)
    front = world.front()
    begun = asyncio.Event()

    async def answer() -> None:
        async with await front.admit(world.tenant) as admission:
            await admission.reserve(100)
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(answer())
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})
    await front.close()
    await (await front.admit(world.tenant)).reserve(100)


async def test_three_fronts_admit_what_the_limit_says_no_less_and_no_more(world):
    """On the database's clock. The rate is low, so that a busy machine asks for more all the same."""
    per_second, burst = 3, 30
    await world.limit(requests_per_minute=60 * per_second, requests_burst=burst)
    world.clock = None
    limiting = [world.front() for _ in range(3)]
    admitted: list[float] = []
    refusals: list[float] = []

    async def hammer(front: Limiter) -> None:
        while not refusals or time.monotonic() < refusals[0] + 2:
            asked = time.monotonic()
            try:
                await front.admit(world.tenant)
                admitted.append(time.monotonic())
            except ArcusError as error:
                assert error.reason is Reason.LIMIT_EXCEEDED
                refusals.append(asked)

    began = time.monotonic()
    await asyncio.gather(*(hammer(limiting[n % 3]) for n in range(50)))
    assert len(admitted) <= burst + per_second * (time.monotonic() - began)
    assert len(admitted) + 1 >= burst + per_second * (refusals[-1] - admitted[0])
