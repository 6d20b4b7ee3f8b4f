"""Usage as it is stored: one record for each response, upload and video, in the transaction that ends it."""

import asyncio

import pytest
from arcus.engine.v1 import engine_pb2 as pb
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from ray_jobs.engines import left_answers
from ray_jobs.engines.left_answers import LeftAnswers
from services.core.answers.log import Batch
from services.core.clock import now_ms
from services.core.errors import KEY_HEADER, ArcusError
from services.core.store.pages import Page
from services.core.store.tenant_schema import usage_records
from services.core.tenants.usage import Usage, UsageQuery, calling_key, usage_record

DAY = 86_400_000


def _body(id: str, status: str, usage: dict | None = None) -> dict:
    return {"id": id, "status": status, "model": "nimbus-001", "instructions": None, "output": [], "usage": usage}


async def _records(store) -> dict[str, tuple[int, int]]:
    async with store.database.read() as connection:
        rows = (await connection.execute(select(usage_records).where(usage_records.c.kind == "response"))).all()
    return {row.subject_id: (row.input_tokens, row.output_tokens) for row in rows}


async def test_a_response_is_counted_once_however_it_ends(store):
    token = calling_key.set("a-key")
    leases = {id: await store.begin_response(id) for id in ("whole", "cancelled", "deleted", "idle")}
    calling_key.reset(token)
    for id in ("whole", "cancelled", "deleted"):
        await store.response_log.append([Batch(leases[id], 0, ["a"], "a", 7)])
    assert await _records(store) == {}, "nothing has ended"
    end = Batch(leases["whole"], 1, ["b"], body=_body("whole", "completed", {"input_tokens": 50, "output_tokens": 9}))
    await store.response_log.append([end])
    await store.response_log.append([end], again=True)
    for _ in range(2):
        await store.response_log.end(store.tenant, "cancelled", lambda stored: _body("cancelled", "cancelled"))
        await store.responses.delete(store.other, "deleted")  # is not the other's
    assert set(await _records(store)) == {"whole", "cancelled"}
    for _ in range(2):
        await store.responses.delete(store.tenant, "deleted")
        await store.responses.delete(store.tenant, "whole")
    assert await _records(store) == {"whole": (50, 9), "cancelled": (0, 7), "deleted": (0, 7)}
    (bucket,), more = await Usage(store.database).buckets(UsageQuery(group_by=("key", "kind")), Page())
    assert (bucket.key_id, bucket.kind, bucket.records, more) == ("a-key", "response", 3, "")
    assert (bucket.input_tokens, bucket.output_tokens, bucket.tenant_id) == (50, 23, None)


async def test_what_an_engine_counted_is_kept_where_no_front_counts_it(store):
    """One that is not kept, one whose front is gone, one that has ended and one that another front goes on with."""
    leases = {id: await store.begin_response(id, background=id == "followed") for id in ("killed", "ended", "followed")}
    end = Batch(leases["ended"], 0, ["a"], body=_body("ended", "completed", {"input_tokens": 5, "output_tokens": 6}))
    await store.response_log.append([end])
    usage = Usage(store.database)
    told = [
        usage_record("response", store.tenant, id, model="m", input_tokens=9, output_tokens=9)
        for id in (*leases, "not kept")
    ]
    assert await usage.settle(told) == 3, "of the one that ended nothing is written"
    assert await usage.settle(told) == 1, "nor twice; the one that is followed is looked at again"
    assert await _records(store) == {"killed": (9, 9), "ended": (5, 6), "not kept": (9, 9)}
    for id in ("killed", "followed"):
        end = Batch(leases[id], 0, ["a"], body=_body(id, "completed", {"input_tokens": 9, "output_tokens": 10}))
        assert await store.response_log.append([end]) == set()
    assert (await _records(store))["followed"] == (9, 10)
    assert (await _records(store))["killed"] == (9, 9), "what is counted stays so"


async def test_a_replica_tells_of_answers_that_callers_waited_for(store, monkeypatch):
    monkeypatch.setattr(left_answers, "SETTLE_SECONDS", 0.01)
    left = LeftAnswers(store.database)
    chunks = (pb.GenerateChunk(output_tokens=3), pb.GenerateChunk(output_tokens=2, input_tokens=8))
    for id, metadata in (("waited", {KEY_HEADER: "k"}), ("silent", {KEY_HEADER: "k"}), ("behind", {})):
        request = pb.GenerateRequest(request_id=id, tenant_id=store.tenant, model="m", output_tokens_written=1)
        counted = left.begin(request if id != "silent" else pb.GenerateRequest(request_id=id), metadata)
        for chunk in chunks if id != "silent" else ():
            counted.told(chunk)
        counted.ended()
    while await _records(store) == {}:  # noqa: ASYNC110  a replica offers no event
        await asyncio.sleep(0.01)
    await left.close()
    assert await _records(store) == {"waited": (8, 6)}
    (bucket,), _ = await Usage(store.database).buckets(UsageQuery(group_by=("key", "tenant", "model")), Page())
    assert (bucket.key_id, bucket.tenant_id, bucket.model) == ("k", store.tenant, "m")


@pytest.mark.parametrize(("is_read", "counted"), [(True, False), (False, True)])
async def test_a_replica_that_was_held_up_leaves_its_answer_to_the_one_that_is_asked_then(
    store, monkeypatch, is_read: bool, counted: bool
):
    """But not one whose reader took its time."""
    monkeypatch.setattr(left_answers, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(left_answers, "HELD_UP_SECONDS", 0.0)
    left = LeftAnswers(store.database)
    for id, waits in (("a", is_read), ("b", False)):
        call = left.begin(pb.GenerateRequest(request_id=id, tenant_id=store.tenant, model="m"), {KEY_HEADER: "k"})
        call.told(pb.GenerateChunk(output_tokens=3))
        call.sent()
        if waits:
            call.taken()
        call.ended()
    while "b" not in await _records(store):  # noqa: ASYNC110  a replica offers no event
        await asyncio.sleep(0.01)
    await left.close()
    assert ("a" in await _records(store)) is counted


async def test_uploads_and_videos_are_counted(store):
    file = await store.files.get(store.tenant, (await store.ready()).id)
    (upload, video), _ = await Usage(store.database).buckets(UsageQuery(group_by=("kind",)), Page())
    assert (upload.kind, upload.bytes, upload.video_seconds) == ("upload", file.size_bytes, 0)
    assert (video.kind, video.bytes, video.video_seconds) == ("video", 0, file.media_info.duration_seconds)


async def test_records_are_only_appended_to_and_one_subject_has_one(store):
    usage = Usage(store.database)
    for _ in range(2):
        await usage.record(usage_record("response", store.tenant, "r", model="m", output_tokens=3))
    assert await _records(store) == {"r": (0, 3)}
    for statement in (update(usage_records).values(output_tokens=0), delete(usage_records)):
        with pytest.raises(DBAPIError, match="append-only"):
            async with store.database.write() as connection:
                await connection.execute(statement)
    assert await _records(store) == {"r": (0, 3)}


async def test_buckets_are_summed_by_time_and_group_and_turned_by_pages(store):
    usage, midnight = Usage(store.database), now_ms() // DAY * DAY
    for day in range(3):
        for tenant in (store.tenant, store.other):
            for number in range(2):
                record = usage_record(
                    "response", tenant, f"{day}{tenant[:8]}{number}", model=f"m{number}", output_tokens=1
                )
                await usage.record({**record, "at": midnight - day * DAY + number * 60_000})
    asked = UsageQuery("1d", start=midnight - 2 * DAY, end=midnight + DAY)
    days, _ = await usage.buckets(asked, Page())
    assert [(day.start, day.output_tokens) for day in days] == [(midnight - day * DAY, 4) for day in (2, 1, 0)]
    own, _ = await usage.buckets(asked, Page(), tenant_id=store.tenant)
    assert [day.output_tokens for day in own] == [2, 2, 2]
    minutes = UsageQuery("1m", asked.start, asked.end, ("tenant", "model"))
    first, more = await usage.buckets(minutes, Page(limit=7))
    rest, last = await usage.buckets(minutes, Page(limit=7, offset=7))
    assert (len(first), bool(more), len(rest), last) == (7, True, 5, "")
    assert sum(bucket.output_tokens for bucket in first + rest) == 12
    assert {bucket.model for bucket in first} == {"m0", "m1"}
    for wrong in ({"bucket": "2d"}, {"group_by": ("file",)}):
        with pytest.raises(ArcusError, match="must be"):
            UsageQuery(**wrong)
