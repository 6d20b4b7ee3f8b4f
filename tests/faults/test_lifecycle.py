"""Starting, stopping and starting again, as an operator does."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import urlparse

import psutil
import pytest

from services.core.errors import ArcusError
from tests.running_system import LECTURE, RunningSystem, create_collection, ingest, start_system

GONE_SECONDS = 120  # a hang guard: Ray's agents look now and then whether their raylet is there, and other work may run


def is_held(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


def assert_nothing_is_left(system: RunningSystem, processes: list[psutil.Process], seconds: float) -> None:
    assert psutil.wait_procs(processes, timeout=seconds)[1] == []
    assert not any(is_held(address) for address in (urlparse(system.http).netloc, system.grpc))


def test_an_instance_ends_without_a_trace_beside_another_and_finds_everything_again(
    system: RunningSystem, tmp_path: Path
) -> None:
    """Started, stopped, started again and killed, all in one test: each start takes half a minute."""
    with system.client() as client:
        not_ours = create_collection(client, "of the other")

    first = start_system(tmp_path, environment={"ARCUS_API_KEY": "cg-a-key-of-my-own"})
    try:
        assert first.key == "cg-a-key-of-my-own"
        assert first.ready_line.count("\n") == 1
        with first.client() as client:
            assert client.get("/collections").json()["total"] == 0
            collection_id = create_collection(client, "kept")
            file = ingest(client, LECTURE, collection_id)
        with first.client(system.key) as client:
            assert client.get("/collections").status_code == 401
        with pytest.raises(ArcusError, match="Another Arcus runs on"):
            start_system(tmp_path, environment={"ARCUS_API_KEY": "cg-a-key-that-came-too-late"})
        with first.client("cg-a-key-that-came-too-late") as client:
            assert client.get("/collections").status_code == 401, "the key of one that was refused is not valid"
    finally:
        left = first.descendants()
        started = time.monotonic()
        code = first.stop()
    assert code == 0
    assert time.monotonic() - started < 15
    assert_nothing_is_left(first, left, 1)

    again = start_system(tmp_path)
    try:
        with again.client(first.key) as client:
            assert client.get(f"/files/{file['id']}").json()["status"] == "completed"
            body = {
                "model": "nimbus-001",
                "input": "How far away is the moon?",
                "knowledge_base": {"collections": [collection_id]},
            }
            text = client.post("/responses", json=body).raise_for_status().json()["output"][0]["content"][0]["text"]
            assert "384,000 km" in text
    finally:
        left = again.descendants()
        again.process.kill()
        again.process.wait(10)
    assert_nothing_is_left(again, left, GONE_SECONDS)

    with system.client() as client:
        assert client.get(f"/collections/{not_ours}").status_code == 200
