"""How often one answer asks the database, however much there is to answer from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Table, insert

from services.core.clock import now_ms
from services.core.store.schema import collection_files, collections, descriptions, files, segmentations
from tests.acceptance.described import describe, described_talk, upload
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer
from tests.contract.postgres_server import PostgresServer
from tests.contract.store_steps import watched

MOST = 12
TRIES = 4  # of which one is not disturbed by what a front asks now and then by itself
COLLECTIONS, FILES = 1_000, 10_000
BEGINS = ("BEGIN", "PRAGMA")  # which SQLite is sent by itself, and never over a network


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def account(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """With three collections that hold a talk each."""
    url = ""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        name = f"counts{uuid4().hex}"
        asyncio.run(server.create(name))
        url = server.url(name)
    folder: Path = tmp_path_factory.mktemp("counts")
    front = Front(front_settings(folder, database_url=url), ScriptedServer()).start()
    account = front.account()
    described_talk(account)
    for number in range(2):
        collection = account.sdk.collections.create(collection_type="media-descriptions", name=f"talks {number}")
        file_id = upload(account, f"talk {number}.mp4")
        account.sdk.collections.add_video(collection.id, file_id=file_id)
        describe(account, collection.id, file_id)
    yield account
    front.stop()


async def add_library(account: Account) -> None:
    """Rows of files that are described, with nothing in them."""
    at = now_ms() - 10_000_000
    rows: dict[Table, list[dict[str, Any]]] = {table: [] for table in (collections, files, segmentations, descriptions)}
    members: list[dict[str, Any]] = []
    for number in range(COLLECTIONS):
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
    for number in range(FILES):
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
                "collection_id": rows[collections][number % COLLECTIONS]["id"],
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


@pytest.mark.parametrize("more", [{}, {"stream": True}, {"store": False}], ids=["kept", "streamed", "not kept"])
def test_an_answer_from_some_collections_asks_the_database_a_dozen_times_at_most(account: Account, more: Any) -> None:
    ids = [item.id for item in account.sdk.collections.list().data]
    assert len(ids) >= 3
    asked = queries_of(account, {"collections": ids[:3]}, **more)
    assert 6 < len(asked) <= MOST, "\n".join(" ".join(each.split())[:150] for each in asked)


def test_an_answer_from_named_files_does_too(account: Account) -> None:
    named = [item.id for item in account.sdk.files.list().data][:3]
    asked = queries_of(account, {"source": "files", "files": named})
    assert 6 < len(asked) <= MOST, "\n".join(" ".join(each.split())[:150] for each in asked)


def test_an_answer_from_everything_of_a_large_tenant_does_too(account: Account) -> None:
    account.front.call(add_library(account))
    asked = queries_of(account, {"source": "default"})
    assert 6 < len(asked) <= MOST, "\n".join(" ".join(each.split())[:150] for each in asked)
