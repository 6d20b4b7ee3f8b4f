"""A database that is damaged, locked, read-only or restarted: what a client sees, and what is kept."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.live_front import Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer

ANSWER = {"model": "nimbus-001", "input": "why?"}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    running = Front(front_settings(tmp_path), ScriptedServer()).start()
    yield running
    running.stop()


def damage(database: Path, table: str) -> None:
    """Overwrites the pages of one table."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    with database.open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xa5" * page_bytes)


def test_a_damaged_page_is_told_and_readiness_says_so_until_it_is_mended(tmp_path: Path) -> None:
    running = Front(front_settings(tmp_path), ScriptedServer()).start()
    with running.account().http as http:
        assert http.post("/v1/responses", json=ANSWER).status_code == 200
        key = http.headers["Authorization"]
    running.stop()
    database = tmp_path / "arcus.db"
    whole = database.read_bytes()
    damage(database, "responses")

    running = Front(front_settings(tmp_path), ScriptedServer()).start()
    with httpx.Client(base_url=running.url, headers={"Authorization": key}, timeout=60) as http:
        reply = http.get("/v1/responses")
        assert reply.status_code == 503 and "damaged" in reply.json()["error"]["message"]
        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "damaged")
        assert http.get("/healthz").status_code == 200
        assert http.get("/v1/files").status_code == 200, "what is whole is read"
    running.stop()
    for path in tmp_path.glob("arcus.db-*"):
        path.unlink()
    database.write_bytes(whole)

    running = Front(front_settings(tmp_path), ScriptedServer()).start()
    with httpx.Client(base_url=running.url, headers={"Authorization": key}, timeout=60) as http:
        assert http.get("/readyz").json()["database"] == "ok"
        assert http.get("/v1/responses").json()["data"]
    running.stop()


def test_readiness_tells_of_engines_that_are_away_and_stays(tmp_path: Path) -> None:
    running = Front(front_settings(tmp_path, engine_address="127.0.0.1:1")).start()
    with running.account().http as http:
        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ok")
        assert http.get("/status").json()["engine"] == "unavailable"
        assert http.get("/v1/files").status_code == 200
        reply = http.post("/v1/responses", json=ANSWER)
        assert reply.status_code == 503 and int(reply.headers["retry-after"]) >= 1
    running.stop()


def test_a_locked_database_is_read_and_a_write_waits_for_its_turn(front: Front) -> None:
    with front.account().http as http:
        lock = sqlite3.connect(front.data_dir / "arcus.db", isolation_level=None, check_same_thread=False)
        lock.execute("BEGIN IMMEDIATE")
        assert http.get("/v1/files").status_code == 200
        made: list[httpx.Response] = []
        body = {"name": "c", "collection_type": "media-descriptions"}
        waiting = threading.Thread(target=lambda: made.append(http.post("/v1/collections", json=body)))
        waiting.start()
        assert http.get("/healthz").status_code == 200
        assert not made
        lock.execute("ROLLBACK")
        waiting.join(30)
        lock.close()
        assert made[0].status_code == 200
