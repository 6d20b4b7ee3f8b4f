"""No query of a hot path reads a whole table, by the plans that the databases make of the statements as they are sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, select, update

from loadtests.scale import analyse, fill
from services.core.answers.ended_logs import AFTER_MS, EndedLogs
from services.core.answers.log import Followed
from services.core.clock import now_ms
from services.core.library.deletions import Deletions
from services.core.media import MediaInfo
from services.core.search.filters import SearchFilter
from services.core.store.deletions import sweep as sweep_objects
from services.core.store.job_schema import jobs
from services.core.store.pages import Page
from services.core.store.places import Place
from services.core.store.schema import (
    api_keys,
    chats,
    collection_files,
    collections,
    descriptions,
    embeddings,
    extractions,
    files,
    index_log,
    object_deletions,
    response_events,
    responses,
    searches,
    segment_descriptions,
    segment_entities,
    segmentations,
    segments,
    tenants,
    thumbnails,
)
from services.core.tenants.plans import Plans
from services.core.tenants.retention import Retention
from services.core.tenants.totals import Totals
from tests.contract.store_steps import WORKER, Store
from tests.contract.test_deletions import described
from tests.contract.test_store_accounts import ANY, _At

FILES = 2_000  # of others; a table of few rows is rightly read whole
PARTS = 2  # segments of each
TEXT = "x" * 1000  # rows are as wide as real ones


def others(tenant_ids: Sequence[str]) -> dict[Any, list[dict[str, Any]]]:
    """Rows of many tenants: each file described in a collection of its tenant's."""
    rows: dict[Any, list[dict[str, Any]]] = {}

    def add(table: Any, **values: Any) -> str:
        id = values.setdefault("id", str(uuid4())) if "id" not in values else values["id"]
        rows.setdefault(table, []).append({name: value for name, value in values.items() if value is not ...})
        return id

    now = now_ms()
    serial = iter(range(10_000_000, 20_000_000))
    for number in range(FILES):
        tenant_id, at = tenant_ids[number % len(tenant_ids)], now - number
        own = {"tenant_id": tenant_id, "created_at": at}
        cut = {"config": {}, "config_hash": "h", "status": "completed"}
        file_id = add(
            files,
            **own,
            status="completed",
            filename=f"{number}.mp4",
            size_bytes=1,
            sha256="",
            object_key="k",
            source="upload",
            metadata={},
            media_info=None,
            segment_thumbnails=True,
        )
        collection_id = add(
            collections,
            **own,
            name=f"c{number}",
            collection_type="media-descriptions",
            describe_config={},
            segmentation_config={},
            thumbnails_config={},
            shard=0,
        )
        cut_id = add(segmentations, **own, **cut, file_id=file_id)
        described = {"stage": "done", "segments_done": 1, "segments_total": 1, "title": "", "summary": ""}
        description_id = add(descriptions, **own, **cut, **described, file_id=file_id, segmentation_id=cut_id)
        place = {"collection_id": collection_id, "file_id": file_id, "tenant_id": tenant_id}
        add(
            collection_files,
            **place,
            id=...,
            description_id=description_id,
            segmentation_id=cut_id,
            segmentation_config={},
            segment_thumbnails=True,
            shard=0,
            added_at=at,
        )
        extraction_id = add(extractions, **place, status="completed", segments_done=1, created_at=at)
        for position in range(PARTS):
            span = {"start_time": 0.0, "end_time": 1.0}
            segment_id = add(
                segments,
                tenant_id=tenant_id,
                segmentation_id=cut_id,
                file_id=file_id,
                position=position,
                metadata={},
                **span,
            )
            part = {"tenant_id": tenant_id, "segment_id": segment_id}
            add(segment_descriptions, **part, id=next(serial), description_id=description_id, content={}, text=TEXT)
            add(segment_entities, **part, id=next(serial), extraction_id=extraction_id, entities={}, sources=[])
            of_text = {"kind": "speech", "text": "x", "vector": b"0" * 16}
            embedding = next(serial)
            add(embeddings, **part, **span, **of_text, id=embedding, description_id=description_id)
            add(index_log, **place, id=..., shard=9, sequence=embedding, operation="add", embedding_id=embedding)
            add(
                thumbnails,
                tenant_id=tenant_id,
                file_id=file_id,
                segmentation_id=cut_id,
                segment_id=segment_id,
                time=0.0,
                width=1,
                height=1,
                object_key="k",
            )
        asked = {"request": {}, "body": {"text": TEXT}, "model": "m", "background": False, "attempts": 1}
        response_id = add(responses, **own, **asked, status="completed")
        entry = {"first_number": 0, "entries": [], "engine_text": "", "output_tokens": 0}
        add(response_events, id=..., response_id=response_id, **entry)
        add(searches, **own, request={"query": TEXT}, hits=[])
        add(chats, **own, body={"text": TEXT})
        add(object_deletions, id=..., prefix=f"p{number}", not_before=2**60)
        work = {"priority": 1, "video_seconds": 1.0, "attempts": 0, "run_after": at}
        for state in ("queued", "completed"):
            add(jobs, **own, **work, kind="describe", subject_id=str(uuid4()), state=state)
        add(api_keys, **own, hash=str(uuid4()), hint="")
    return rows


BIG: set[str] = set()  # tables that are filled
KINDS = {"SELECT", "UPDATE", "DELETE", "WITH"}


@pytest.fixture
async def own(store: Store) -> _At:
    return await described(store)


@pytest.fixture
async def filled(store: Store, own: _At) -> Store:
    ids = [str(uuid4()) for _ in range(100)]
    await fill(store.database, tenants, [{"id": id, "name": id, "created_at": 0} for id in ids])
    for table, rows in others(ids).items():
        BIG.add(table.name)
        await fill(store.database, table, [_bare(store, table, row) for row in rows])
    await analyse(store.database)
    return store


def _bare(store: Store, table: Any, row: dict[str, Any]) -> dict[str, Any]:
    """COPY takes JSON as text."""
    if store.database.is_sqlite:
        return row
    return {name: json.dumps(value) if str(table.c[name].type) == "JSON" else value for name, value in row.items()}


@pytest.fixture
def sent(filled: Store) -> Iterator[list[tuple[str, Any]]]:
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        found.append((statement, values[0] if many else values))

    for engine in filled.database.engines:
        event.listen(engine, "before_cursor_execute", note)
    yield found
    for engine in filled.database.engines:
        event.remove(engine, "before_cursor_execute", note)


def _scans(node: dict[str, Any]) -> Iterator[str]:
    """PostgreSQL: tables that a plan reads whole, one by one or by an index that it goes through from end to end."""
    table, kind, index = node.get("Relation Name"), node["Node Type"], node.get("Index Name")
    if table in BIG and (kind == "Seq Scan" or (index and index not in PARTIAL and "Index Cond" not in node)):
        yield f"{table} {index or ''}"
    for child in node.get("Plans", ()):
        yield from _scans(child)


# Of the rows that wait for work, and by which one ends at the first.
PARTIAL = {"jobs_of_tenant_queued", "jobs_due", "jobs_running", "jobs_ended"} | {
    f"{table}_deleted" for table in ("tenants", "files", "collections", "descriptions")
}


async def scans_of(store: Store, statement: str, values: Any) -> list[str]:
    async with store.database.read() as connection:
        if store.database.is_sqlite:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            lines = [row.detail for row in plan]
            found = [re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", line) for line in lines]
            return [it.group(0) for it in found if it and it.group(1) in BIG and it.group(2) not in PARTIAL]
        # As of disks without arms: else, of so few rows, pages in a row are cheaper than some here and there.
        await connection.exec_driver_sql("SET random_page_cost = 1")
        plan = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values)
        told: Any = plan.scalar_one()
        return list(_scans((json.loads(told) if isinstance(told, str) else told)[0]["Plan"]))


async def _requests(store: Store, at: _At) -> None:
    """What users ask for."""
    tenant = store.tenant
    page = Page(limit=10)
    one = SearchFilter.from_json({"metadata": [{"path": "a", "operator": "Equal", "valueText": "b"}]})
    files_, collections_, members = store.files, store.collections, store.members
    (item,) = (await files_.list(tenant, page)).items
    await files_.list(tenant, page, status="completed", filter=one)
    await files_.list(tenant, Page(limit=10, after=at.file))
    await files_.list(tenant, Page(limit=10, after=Place("created_at", "desc", (now_ms(), at.file), 1).key()))
    await files_.get_many(tenant, [item.id])
    await files_.update(tenant, at.file, metadata={"a": "b"})
    await collections_.list(tenant, page)
    await collections_.newest_to_search(tenant, 10)
    await collections_.to_search(tenant, [at.collection])
    await collections_.update(tenant, at.collection, name="renamed")
    await members.list(tenant, at.collection, page, status="completed")
    await members.named(tenant, [at.collection], ["talk.mp4"])
    await members.newest(tenant, [at.collection], 10)
    await store.segments.segmentations(tenant, at.file, page)
    await store.segments.list(tenant, at.file, page)
    await store.segments.update(tenant, at.file, at.segment, metadata={"a": 1})
    await store.segments.files_kept(tenant, one, [at.collection])
    await store.segments.segments_kept(tenant, ANY, [at.collection])
    await store.thumbnails.list(tenant, at.file, page)
    await store.thumbnails.of_segments(tenant, [at.segment])
    await store.thumbnails.defaults(tenant, [at.file])
    await store.entities.held(tenant, [at.facts])
    await store.entities.of_files(tenant, at.facts, [at.file])
    await store.descriptions.described_many([at.hit.description_id])
    await store.descriptions.sizes([at.hit.description_id])
    await store.full_text.search(tenant, [at.collection], ["tide"], 10)
    await store.log.placements([at.collection])
    await store.log.passages([(at.hit.description_id, at.segment)])
    await store.searches.create(tenant, "q1", {"scope": "segment"}, [at.hit])
    await store.searches.list(tenant, page)
    await store.searches.get(tenant, "q1")
    await store.searches.segments(tenant, hits=[at.hit])
    await store.searches.files(tenant, hits=[at.hit])
    await store.chats.create(tenant, {"id": "h1", "created_at": 1})
    await store.chats.list(tenant, page)
    await store.begin_response("r1")
    await store.responses.list(tenant, page)
    await store.responses.get(tenant, "r1")
    await store.response_log.read(tenant, "r1")
    await store.response_log.news([Followed(tenant, "r1", 0)])
    await store.response_log.claim("another")
    await store.response_log.abandoned()
    await store.responses.delete(tenant, "r1")
    await store.keys.authenticate(await store.keys.create("first"))
    await store.keys.note_uses()
    await Totals(store.database, Plans(store.database, {})).check_upload(tenant)
    await members.remove(tenant, at.collection, at.file)
    await files_.delete(tenant, at.file)
    await collections_.delete(tenant, at.facts)


async def _work(store: Store, _at: _At) -> None:
    """What workers do."""
    file = await store.upload()
    for kinds in (("probe",), ("probe", "describe", "extract")):
        job = await store.jobs.claim(WORKER, kinds)
        assert job is not None
        await store.jobs.renew(job, WORKER)
        await store.jobs.tries(job)
        await store.jobs.release(job, WORKER)
    await store.files.set_processing(file.id)
    await store.files.set_probed(file.id, MediaInfo("video", 10.0, "mp4", has_audio=True))
    collection = await store.collection("work")
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.descriptions.wants_pictures(member.description_id)
    await store.descriptions.shots(file.id)
    await store.descriptions.unpictured(member.segmentation_id)
    await store.log.read(0, 0, 10)
    await store.jobs.forget_finished(older_than_seconds=3600.0 * 24 * 365 * 100)


async def _sweeps(store: Store, _at: _At) -> None:
    """What goes on by itself."""
    for number in range(3):
        file = await store.upload(f"{number}.mp4")
        collection = await store.collection(f"c{number}")
        await store.members.add(store.tenant, collection.id, file.id)
    async with store.database.write() as connection:
        for table in (files, collections):
            some = select(table.c.id).where(table.c.tenant_id == store.tenant)
            await connection.execute(update(table).where(table.c.id.in_(some)).values(deleted_at=now_ms()))
    await Deletions(store.database).sweep()
    await sweep_objects(store.database, store.objects)
    await Retention(store.database, Plans(store.database, {}), days=1).sweep()
    oldest = now_ms() - FILES  # of others; and what began since then is left
    assert await EndedLogs(store.database, clock=lambda: oldest + AFTER_MS + 1000).join() > 0


async def test_no_statement_reads_a_whole_table(filled, own, sent):
    for asked in (_requests, _work, _sweeps):
        await asked(filled, own)
    statements = {statement: values for statement, values in sent if statement.split()[0] in KINDS}
    assert len(statements) > 100
    told = {statement: await scans_of(filled, statement, values) for statement, values in statements.items()}
    assert {statement: scans for statement, scans in told.items() if scans} == {}
