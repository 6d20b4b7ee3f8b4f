"""Starting, stopping and starting again, as an operator does."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlparse

import httpx
import psutil

from tests.running_system import LECTURE, RunningSystem, create_collection, ingest, start_system


def is_held(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


def ports(system: RunningSystem) -> list[str]:
    return [urlparse(system.http).netloc, system.grpc]


def assert_nothing_is_left(systems: list[RunningSystem], processes: list[psutil.Process], seconds: float) -> None:
    assert psutil.wait_procs(processes, timeout=seconds)[1] == []
    assert not any(is_held(address) for system in systems for address in ports(system))


def test_instances_end_without_a_trace_and_find_everything_again(tmp_path: Path) -> None:
    """Two side by side are stopped; one is started again, and then killed. One test: each start takes half a minute."""
    first = start_system(tmp_path / "one")
    second = start_system(tmp_path / "two", environment={"ARCUS_API_KEY": "cg-a-key-of-my-own"})
    try:
        assert second.key == "cg-a-key-of-my-own"
        assert first.ready_line.count("\n") == 1
        with first.client() as client:
            collection_id = create_collection(client, "kept")
            file = ingest(client, LECTURE, collection_id)
        with second.client() as client:
            assert client.get("/collections").json()["total"] == 0
        with httpx.Client(base_url=second.http, headers={"Authorization": f"Bearer {first.key}"}) as client:
            assert client.get("/collections").status_code == 401
    finally:
        left = [*first.descendants(), *second.descendants()]
        codes = [first.stop(), second.stop()]
    assert codes == [0, 0]
    assert_nothing_is_left([first, second], left, 1)

    again = start_system(tmp_path / "one")
    try:
        with again.client() as client:
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
    assert_nothing_is_left([again], left, 30)
