"""What was asked is kept for its time, and not longer."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from services.core.store.schema import chats, response_events, responses, searches, tenants
from services.core.store.tenant_schema import audit_records, usage_records
from services.core.tenants.plans import Plans
from services.core.tenants.retention import DAY_MS, RECORDS_DAYS, STEP_ROWS, Retention
from tests.contract.store_steps import Store

NOW = 20_000 * DAY_MS


def sweeper(store: Store, days: float, now: int = NOW) -> Retention:
    return Retention(store.database, Plans(store.database, {}), days=days, clock=lambda: now)


async def ask(store: Store, tenant: str, created_at: int, status: str = "completed", count: int = 1) -> None:
    """Rows as `count` requests leave them."""
    own = [{"id": str(uuid4()), "tenant_id": tenant, "created_at": created_at} for _ in range(count)]
    kept: dict[str, Any] = {
        "status": status,
        "model": "m",
        "request": {},
        "body": {},
        "background": False,
        "attempts": 1,
    }
    events = [
        {"response_id": row["id"], "first_number": 0, "entries": [], "engine_text": "", "output_tokens": 0}
        for row in own
    ]
    async with store.database.write() as connection:
        await connection.execute(insert(responses), [row | kept for row in own])
        await connection.execute(insert(response_events), events)
        await connection.execute(insert(searches), [row | {"request": {}, "hits": []} for row in own])
        await connection.execute(insert(chats), [row | {"body": {}} for row in own])


async def counts(store: Store, tenant: str | None = None) -> list[int]:
    """Responses, searches, chats; of all tenants, events as well."""
    found = []
    async with store.database.read() as connection:
        for table in (responses, searches, chats):
            query = select(func.count()).select_from(table)
            found.append(await connection.scalar(query.where(table.c.tenant_id == tenant) if tenant else query))
        if tenant is None:
            found.append(await connection.scalar(select(func.count()).select_from(response_events)))
    return found


async def test_what_is_over_its_time_goes_with_its_events_and_what_is_in_progress_stays(store):
    await ask(store, store.tenant, NOW - 31 * DAY_MS)
    await ask(store, store.tenant, NOW - 29 * DAY_MS)
    await ask(store, store.tenant, NOW - 31 * DAY_MS, status="in_progress")
    assert await sweeper(store, 0).sweep() == 0
    assert await sweeper(store, 30).sweep() == 1 + 2 + 2
    assert await counts(store) == [2, 1, 1, 2]
    assert await sweeper(store, 30).sweep() == 0


async def test_a_tenant_s_limits_say_how_long_it_keeps_what_it_asked(store):
    for tenant in (store.tenant, store.other):
        await ask(store, tenant, NOW - 5 * DAY_MS)
    async with store.database.write() as connection:
        await connection.execute(update(tenants).where(tenants.c.id == store.tenant).values(limits={"kept_days": 4}))
        await connection.execute(update(tenants).where(tenants.c.id == store.other).values(limits={"kept_days": 0}))
    await sweeper(store, 1).sweep()
    assert await counts(store, store.tenant) == [0, 0, 0]
    assert await counts(store, store.other) == [1, 1, 1]


async def test_much_goes_in_short_steps_and_several_fronts_take_none_twice(store, statements):
    await ask(store, store.tenant, NOW - 2 * DAY_MS, count=STEP_ROWS + 50)
    statements.clear()
    assert await sweeper(store, 1).sweep() == 3 * (STEP_ROWS + 50)
    assert len([statement for statement in statements if statement.startswith("DELETE")]) == 6
    await ask(store, store.tenant, NOW - 2 * DAY_MS, count=50)
    assert sum(await asyncio.gather(*(sweeper(store, 1).sweep() for _ in range(3)))) <= 150
    await sweeper(store, 1).sweep()
    assert await counts(store) == [0, 0, 0, 0]


async def test_tables_stay_as_large_as_what_is_kept_of_requests_without_end(store):
    sizes = []
    for day in range(12):
        await ask(store, store.tenant, NOW + day * DAY_MS, count=20)
        await sweeper(store, 3, NOW + day * DAY_MS).sweep()
        sizes.append(await counts(store))
    assert sizes[3:] == [sizes[3]] * 9 and sizes[3] == [80, 80, 80, 80]


async def test_usage_and_audit_go_after_four_hundred_days_and_no_sooner(store):
    """Their tables are append-only: what is younger stays so."""
    old, young = NOW - RECORDS_DAYS * DAY_MS - 1, NOW - RECORDS_DAYS * DAY_MS
    used = {"tenant_id": store.tenant, "kind": "response", "model": "m", "input_tokens": 1, "output_tokens": 1}
    used |= {"video_seconds": 0.0, "bytes": 0}
    done = {"action": "tenant.create", "target_type": "tenant", "target_id": "t", "address": "", "request_id": ""}
    times = [old] * (STEP_ROWS + 1) + [young]
    async with store.database.write() as connection:
        await connection.execute(insert(usage_records), [used | {"subject_id": str(uuid4()), "at": at} for at in times])
        await connection.execute(insert(audit_records), [done | {"at": at} for at in times])
    assert await sweeper(store, 0, NOW - 2).sweep() == 0
    assert await sweeper(store, 0).sweep() == 2 * (STEP_ROWS + 1)
    for table in (usage_records, audit_records):
        async with store.database.read() as connection:
            assert await connection.scalar(select(func.min(table.c.at))) == young
        with pytest.raises(DBAPIError, match="append-only"):
            async with store.database.write() as connection:
                await connection.execute(delete(table).where(table.c.at == young))
