"""A front as a process that does not migrate, and that is told to stop: what it says meanwhile."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.cli.instance import START_SECONDS
from services.core.store.migration import NEEDED
from tests.command_line import Arcus, check_failed, copied_arcus
from tests.front_process import Running, begin_front, said_ports
from tests.waiting import until


@pytest.fixture(scope="module")
def arcus() -> Iterator[Arcus]:
    with copied_arcus() as run:
        yield run


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _front(folder: Path, **more: str) -> Iterator[tuple[Running, Connection, httpx.Client]]:
    """(the process, what it says, a client). It may not listen yet."""
    port = _free_port()
    settings = {"ARCUS_DATA_DIR": str(folder), "ARCUS_GRPC_PORT": "0", "ARCUS_ENGINE_ADDRESS": "127.0.0.1:1"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARCUS_")}
    process, says = begin_front({**inherited, **settings, "ARCUS_HTTP_PORT": str(port), **more})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield process, says, http
    finally:
        process.kill()
        process.wait()


def _status(http: httpx.Client, path: str) -> int:
    try:
        return http.get(path).status_code
    except httpx.TransportError:
        return 0


def test_a_front_that_does_not_migrate_tells_which_tables_it_needs_until_they_are_there(
    arcus: Arcus, tmp_path: Path
) -> None:
    environment: Mapping[str, str] = {"ARCUS_DATA_DIR": str(tmp_path), "ARCUS_MIGRATE_ON_START": "false"}
    check_failed(arcus("keys", "create", "--tenant", "a", **environment), "run `arcus migrate`", NEEDED)
    with _front(tmp_path, ARCUS_MIGRATE_ON_START="false") as (_, says, http):
        until(lambda: _status(http, "/healthz") == 200, "the front answers", START_SECONDS)
        ready = http.get("/readyz")
        missing = {"status": "unavailable", "database": "ok", "schema_needed": NEEDED, "schema_found": ""}
        assert (ready.status_code, ready.json()) == (503, missing)
        refused = http.get("/v1/files", headers={"Authorization": "Bearer cg-whoever"})
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
        check_failed(arcus("migrate", "--check", **environment), f"{NEEDED} is needed")
        assert arcus("migrate", **environment).stdout == f"schema none -> {NEEDED}\n"
        assert arcus("migrate", "--check", **environment).stdout == f"schema {NEEDED}, needed {NEEDED}\n"
        assert said_ports(says)["http_port"] == http.base_url.port
        assert http.get("/readyz").json() == {**missing, "status": "ok", "schema_found": NEEDED}
        key = arcus("keys", "create", "--tenant", "a", **environment).stdout.strip()
        assert http.get("/v1/files", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_a_front_that_waits_for_its_tables_ends_when_it_is_told(tmp_path: Path) -> None:
    with _front(tmp_path, ARCUS_MIGRATE_ON_START="false") as (process, _, http):
        until(lambda: _status(http, "/readyz") == 503, "the front answers", START_SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_front_that_is_told_to_stop_says_so_at_once_and_takes_requests_for_its_delay(
    arcus: Arcus, tmp_path: Path
) -> None:
    with _front(tmp_path, ARCUS_DRAIN_DELAY_SECONDS="600") as (process, says, http):
        ports = said_ports(says)
        key = arcus("keys", "create", "--tenant", "a", ARCUS_DATA_DIR=str(tmp_path)).stdout.strip()
        assert _status(http, "/readyz") == 200
        with grpc.insecure_channel(f"127.0.0.1:{ports['grpc_port']}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            watched = health.Watch(health_pb2.HealthCheckRequest())
            assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
            process.send_signal(signal.SIGTERM)
            assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
            ready = http.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (503, "draining")
            assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            with httpx.Client(base_url=http.base_url, headers={"Authorization": f"Bearer {key}"}) as another:
                assert another.get("/v1/files").status_code == 200, "on a connection made after it was told"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
