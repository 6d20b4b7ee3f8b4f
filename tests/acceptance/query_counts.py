"""How often one answer asks the database, however much there is to answer from; shared by tests and the bench."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from arcus.engine.v1.engine_pb2 import PlanRequest, PlanResponse
from sqlalchemy import Table, event, insert

from ray_jobs.engines.scripted import ScriptedEngine
from services.core.clock import now_ms
from services.core.store.database import Database
from services.core.store.schema import collection_files, collections, descriptions, files, segmentations
from tests.acceptance.described import describe, described_talk, upload
from tests.acceptance.live_front import Account
from tests.contract.store_steps import watched

MOST = 12
MOST_AT_ONCE = 4
TRIES = 4  # of which one is not disturbed by what a front asks now and then by itself
COLLECTIONS, FILES = 1_000, 10_000
BEGINS = ("BEGIN", "PRAGMA")  # which SQLite is sent by itself, and never over a network


def add_talks(account: Account, count: int = 3) -> None:
    """So many collections that hold a talk each."""
    described_talk(account)
    for number in range(count - 1):
        collection = account.sdk.collections.create(collection_type="media-descriptions", name=f"talks {number}")
        file_id = upload(account, f"talk {number}.mp4")
        account.sdk.collections.add_video(collection.id, file_id=file_id)
        describe(account, collection.id, file_id)


async def add_library(account: Account, collection_count: int = COLLECTIONS, file_count: int = FILES) -> None:
    """Rows of files that are described, with nothing in them."""
    at = now_ms() - 10_000_000
    rows: dict[Table, list[dict[str, Any]]] = {table: [] for table in (collections, files, segmentations, descriptions)}
    members: list[dict[str, Any]] = []
    for number in range(collection_count):
        rows[collections].append(
            {
                "id": str(uuid4()),
                "name": f"c{number}",
                "collection_type": "media-descriptions",
                "describe_config": {},
                "segmentation_config": {},
                "thumbnails_config": {},
                "shard": 0,
            }
        )
    for number in range(file_count):
        cut = {"config": {}, "config_hash": "h", "status": "completed", "id": str(uuid4())}
        file_id = str(uuid4())
        rows[files].append(
            {
                "id": file_id,
                "status": "completed",
                "filename": f"{number}.mp4",
                "size_bytes": 1,
                "sha256": "",
                "object_key": f"k/{number}",
                "source": "upload",
                "metadata": {},
                "segment_thumbnails": True,
            }
        )
        rows[segmentations].append({**cut, "file_id": file_id})
        done = {"stage": "done", "segments_done": 1, "segments_total": 1, "title": "", "summary": ""}
        description = {**cut, **done, "id": str(uuid4()), "file_id": file_id, "segmentation_id": cut["id"]}
        rows[descriptions].append(description)
        members.append(
            {
                "collection_id": rows[collections][number % collection_count]["id"],
                "file_id": file_id,
                "tenant_id": account.tenant_id,
                "description_id": description["id"],
                "segmentation_id": cut["id"],
                "segmentation_config": {},
                "segment_thumbnails": True,
                "shard": 0,
                "added_at": at,
            }
        )
    async with account.front.backend.database.write() as connection:
        for table, some in rows.items():
            of_tenant = [{**row, "tenant_id": account.tenant_id, "created_at": at} for row in some]
            await connection.execute(insert(table), of_tenant)
        await connection.execute(insert(collection_files), members)


def queries_of(account: Account, knowledge_base: dict[str, Any], **more: Any) -> list[str]:
    body = {"model": "nimbus-001", "input": "What is said about streaming?", "knowledge_base": knowledge_base, **more}
    with account.http as http:
        http.get("/v1/files").raise_for_status()  # the key is known, as it is to a front that works
        return min((_queries(account, http, body) for _ in range(TRIES)), key=len)


def _queries(account: Account, http: httpx.Client, body: dict[str, Any]) -> list[str]:
    with watched(account.front.backend.database) as sent:
        reply = http.post("/v1/responses", json=body)
        assert reply.status_code == 200, reply.text
        return [statement for statement in sent if not statement.startswith(BEGINS)]


class ByFile(ScriptedEngine):
    """Plans each question as so many parts, of which each video is asked by itself."""

    def __init__(self, parts: Sequence[str]) -> None:
        super().__init__()
        self._parts = parts

    async def plan(self, request: PlanRequest) -> PlanResponse:
        return PlanResponse(question=request.messages[-1].text, parts=self._parts, per_file=True)


PARTS = ("chunked streaming", "résumé parsing", "a person at a desk", "what a slide says", "what is said of waiting")


def planned(account: Account, collection_ids: Sequence[str]) -> tuple[int, int]:
    """(how often the text was embedded that was embedded most often, statements at a time at most) of a question of PARTS."""
    server = account.front.engine
    assert server is not None
    engine, server.engine = server.engine, ByFile(PARTS)
    try:
        with account.http as http, counted_at_once(account.front.backend.database) as counted:
            server.embedded.clear()
            body = {
                "model": "nimbus-001",
                "input": "What is said?",
                "knowledge_base": {"collections": [*collection_ids]},
            }
            reply = http.post("/v1/responses", json=body)
            assert reply.status_code == 200, reply.text
            assert set(PARTS) <= set(server.embedded), "each part was searched"
            return max(server.embedded.values()), counted.most
    finally:
        server.engine = engine


@dataclass
class AtOnce:
    """Statements that are under way, now and at most."""

    now: int = 0
    most: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: int) -> None:
        with self._lock:
            self.now += count
            self.most = max(self.most, self.now)


@contextmanager
def counted_at_once(database: Database) -> Iterator[AtOnce]:
    """How many statements a database was asked at a time meanwhile; none of them may fail."""
    counted = AtOnce()

    def begin(*_: Any) -> None:
        counted.add(1)

    def end(*_: Any) -> None:
        counted.add(-1)

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", begin)
        event.listen(engine, "after_cursor_execute", end)
    try:
        yield counted
    finally:
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", begin)
            event.remove(engine, "after_cursor_execute", end)
