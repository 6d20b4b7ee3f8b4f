"""Starting, stopping and starting again, as an operator does."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlparse

import httpx
import psutil
import pytest

from tests.running_system import LECTURE, RunningSystem, create_collection, ingest, start_system


def is_held(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


def ports(system: RunningSystem) -> list[str]:
    return [urlparse(system.http).netloc, system.grpc]


def gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=seconds)[1]


def test_two_instances_run_side_by_side_and_end_without_a_trace(tmp_path: Path) -> None:
    first = start_system(tmp_path / "one")
    second = start_system(tmp_path / "two", environment={"ARCUS_API_KEY": "cg-a-key-of-my-own"})
    try:
        assert second.key == "cg-a-key-of-my-own"
        assert first.ready_line.count("\n") == 1
        with first.client() as client:
            create_collection(client, "mine")
        with second.client() as client:
            assert client.get("/collections").json()["total"] == 0
        with httpx.Client(base_url=second.http, headers={"Authorization": f"Bearer {first.key}"}) as client:
            assert client.get("/collections").status_code == 401
    finally:
        left = [*first.descendants(), *second.descendants()]
        started = time.monotonic()
        codes = [first.stop(), second.stop()]
    assert codes == [0, 0]
    assert time.monotonic() - started < 2 * 15
    assert gone(left, 1) == []
    assert not any(is_held(address) for system in (first, second) for address in ports(system))


def test_everything_is_still_there_after_a_restart(tmp_path: Path) -> None:
    system = start_system(tmp_path / "data")
    try:
        with system.client() as client:
            collection_id = create_collection(client, "kept")
            file = ingest(client, LECTURE, collection_id)
    finally:
        assert system.stop() == 0
    system = start_system(tmp_path / "data")
    try:
        with system.client() as client:
            assert client.get(f"/files/{file['id']}").json()["status"] == "completed"
            body = {
                "model": "nimbus-001",
                "input": "How far away is the moon?",
                "knowledge_base": {"collections": [collection_id]},
            }
            text = client.post("/responses", json=body).raise_for_status().json()["output"][0]["content"][0]["text"]
            assert "384,000 km" in text
    finally:
        assert system.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL])
def test_a_killed_supervisor_takes_everything_with_it(tmp_path: Path, number: signal.Signals) -> None:
    system = start_system(tmp_path / "data")
    left = system.descendants()
    os.kill(system.process.pid, number)
    system.process.wait(10)
    assert gone(left, 30) == []
    assert not any(is_held(address) for address in ports(system))
