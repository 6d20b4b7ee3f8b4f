"""Hosts are lost, and what they need: nothing that was stored is, streams go on with each number once, answers come again."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.core.store.database import Database
from tests.cluster.cluster import Cluster, events, question
from tests.running_system import LECTURE, upload, wait_for
from tests.waiting import until

AWAY_SECONDS = 20
ANSWER_SECONDS = 300  # a hang guard
MESSAGES, TOKENS, INTERVAL_SECONDS = 60, 4, 0.5
LOCK = "SELECT pg_advisory_xact_lock(58)"
HOLDS_LOCK = f"""
import asyncio, sys
from sqlalchemy import text
from services.core.store.database import Database
async def hold():
    async with Database(sys.argv[1], statement_seconds=0).write() as connection:
        await connection.execute(text({LOCK!r}))
        await asyncio.Event().wait()
asyncio.run(hold())
"""
pytestmark = pytest.mark.timeout(1200)


class Stream(threading.Thread):
    """Follows one answer in the background over as many connections as it takes."""

    def __init__(self, cluster: Cluster, word: str) -> None:
        super().__init__()
        self._client = cluster.client()
        script = {
            "messages": MESSAGES,
            "tokens_per_message": TOKENS,
            "interval_seconds": INTERVAL_SECONDS,
            "word": word,
        }
        self._body = {"model": "nimbus-002-preview", "input": "What?", "instructions": json.dumps(script)}
        self.id, self.events = "", list[dict[str, Any]]()
        self.connections = 0

    def run(self) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.has_ended and time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                self._follow()
        self._client.close()

    @property
    def has_ended(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] in ("response.completed", "response.failed")

    @property
    def text(self) -> str:
        return "".join(event["delta"] for event in self.events if event["type"] == "response.output_text.delta")

    def _follow(self) -> None:
        self.connections += 1
        if self.id:
            after = {"stream": "true", "starting_after": self.events[-1]["sequence_number"]}
            call = self._client.stream("GET", f"/responses/{self.id}", params=after)
        else:
            call = self._client.stream("POST", "/responses", json=self._body | {"stream": True, "background": True})
        with call as reply:
            reply.raise_for_status()
            for event in events(reply):
                if event["type"] == "error":
                    return
                self.events.append(event)
                self.id = self.id or event["response"]["id"]


def _stored(client: httpx.Client, collection: str, answer: str) -> dict[str, Any]:
    """What must be there afterwards as it was."""
    members = client.get(f"/collections/{collection}/media").raise_for_status().json()["data"]
    files = [member["file_id"] for member in members if member["status"] == "completed"]
    told = f"/collections/{collection}/videos"
    return {
        "files": files,
        "segments": [client.get(f"/files/{id}/segments").raise_for_status().json()["total"] for id in files],
        "described": [client.get(f"{told}/{id}/media-descriptions").raise_for_status().json() for id in files],
        "answer": client.get(f"/responses/{answer}").raise_for_status().json(),
    }


@contextmanager
def _nothing_is_lost(cluster: Cluster, collection: str, what: str) -> Iterator[Callable[[], None]]:
    """Around a fault: with a stream and a file under way, that end as they would without it.

    Yields what waits until a question is answered, which is done at the end anyway.
    """
    word = what.split()[0]
    with cluster.client() as client:
        asked = client.post("/responses", json=question(collection)).raise_for_status().json()["id"]
        before = _stored(client, collection, asked)
        stream = Stream(cluster, word)
        stream.start()
        file = upload(client, LECTURE)["id"]
        client.post(f"/collections/{collection}/media", json={"file_id": file}).raise_for_status()
        until(lambda: len(stream.events) > 2, "the stream has begun", ANSWER_SECONDS)
        began = time.monotonic()
        yield lambda: _say_when_answered(client, collection, what, began)
        _say_when_answered(client, collection, what, began)
        stream.join(ANSWER_SECONDS)
        assert [event["sequence_number"] for event in stream.events] == list(range(len(stream.events)))
        print(f"{what}: {len(stream.events)} events over {stream.connections} connections, {stream.events[-1]['type']}")
        member = wait_for(client, f"/collections/{collection}/media/{file}", seconds=ANSWER_SECONDS)
        assert member["status"] == "completed", member
        now = _stored(client, collection, asked)
        assert now["files"].pop(0) == file
        assert now["segments"].pop(0) > 0
        assert now["described"].pop(0)
        assert now == before
    assert stream.events[-1]["type"] == "response.completed", stream.events[-1]
    assert stream.text.count(word) == MESSAGES * TOKENS


def _say_when_answered(client: httpx.Client, collection: str, what: str, began: float) -> None:
    until(lambda: _answers(client, collection), "a question is answered", ANSWER_SECONDS)
    print(f"{what}: answered {time.monotonic() - began:.1f} s after its begin")


def _answers(client: httpx.Client, collection: str) -> bool:
    with suppress(httpx.HTTPError):
        answer = client.post("/responses", json=question(collection)).raise_for_status().json()
        return "24 turbines" in answer["output"][0]["content"][0]["text"]
    return False


def test_a_front_is_killed(cluster: Cluster, collection: str) -> None:
    with _nothing_is_lost(cluster, collection, "front killed"):
        cluster.fronts[0].kill()


def test_postgres_is_restarted(cluster: Cluster, collection: str) -> None:
    with _nothing_is_lost(cluster, collection, "PostgreSQL restarted"):
        cluster.postgres.restart()


def test_the_object_store_is_away(cluster: Cluster, collection: str) -> None:
    with _nothing_is_lost(cluster, collection, "objects away"), cluster.host("objects").cut():
        time.sleep(AWAY_SECONDS)


def test_the_head_is_killed(cluster: Cluster, collection: str) -> None:
    with _nothing_is_lost(cluster, collection, "head killed"):
        assert cluster.head is not None
        cluster.head.kill()


def test_a_worker_host_is_cut_off(cluster: Cluster, collection: str) -> None:
    lost = _nothing_is_lost(cluster, collection, "worker cut off")
    with lost as answered, cluster.host("worker-0").cut():
        answered()
        until(lambda: not _is_known(cluster, "worker-0"), "Ray takes the host for lost", ANSWER_SECONDS)
        answered()


def _is_known(cluster: Cluster, host: str) -> bool:
    nodes = cluster.dashboard("GET", "/nodes?view=summary").json()["data"]["summary"]
    return any(
        node["raylet"]["nodeManagerAddress"] == cluster.host(host).address and node["raylet"]["state"] == "ALIVE"
        for node in nodes
    )


async def test_what_a_lost_host_had_locked_is_let_go(cluster: Cluster) -> None:
    """Else what others write waits until PostgreSQL ends transactions that stand still."""
    url = f"postgresql+asyncpg://postgres@{cluster.host('database').address}:5432/arcus"
    worker = cluster.host("worker-0")
    with worker.running([sys.executable, "-c", HOLDS_LOCK, url]):
        database = Database(url, statement_seconds=0)
        try:
            await _until_locked(database)
            with worker.cut():
                began = time.monotonic()
                async with database.write() as connection:
                    await connection.execute(text(LOCK))
                print(f"lost with a lock: let go after {time.monotonic() - began:.1f} s")
        finally:
            await database.close()


async def _until_locked(database: Database) -> None:
    async with asyncio.timeout(ANSWER_SECONDS):
        is_free = True
        while is_free:
            async with database.write() as connection:
                is_free = await connection.scalar(text("SELECT pg_try_advisory_xact_lock(58)"))
            await asyncio.sleep(0.1)
