"""Who follows a response reads its wide row only when there is news."""

from __future__ import annotations

import asyncio

from services.core.answers.log import Batch
from services.nimbus.answers.following import follow
from services.nimbus.answers.log_writer import LogWriter
from tests.waiting import async_until


async def test_a_follower_that_waits_reads_no_request_body_or_prompt(store, statements):
    lease = await store.begin_response("r1")
    stored = await store.response_log.read(store.tenant, "r1")
    events = follow(store.response_log, LogWriter(store.response_log), "r1", stored, -1)
    statements.clear()
    first = asyncio.create_task(anext(events))
    await async_until(lambda: len(statements) >= 3, "it asks again and again")
    assert not any("prompt" in statement for statement in statements)
    await store.response_log.append([Batch(lease, 0, [["cancelled"]])])  # as another front does
    assert (await first)["sequence_number"] == 0
    assert sum("prompt" in statement for statement in statements) == 1
    await events.aclose()
